"""Evaluation allows what the policy allows, and reports all violations."""

import itertools
import timeit
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.policies.evaluation import Verdict, evaluate, hard_rules, violations_of
from apps.policies.presets import PRESETS
from apps.policies.rules import parse_rules
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm
from tests.unit.policies.samples import LEAF, against, codes, dns, leaf, with_lifetime

_WWW = "www.example.com"


# --- absent, empty, rules: section by section -------------------------------------------------

_THREE_STATES = [
    (
        "subject",
        [],
        [{"type": "common_name", "allowed": [_WWW]}],
        leaf(subject=(("common_name", "other.example.com"),)),
        "policy.subject_type_not_allowed",
        "policy.subject_not_allowed",
    ),
    (
        "subject_alt_names",
        [],
        [{"type": "dns_name", "allowed": [_WWW]}],
        dns("other.example.com"),
        "policy.san_type_not_allowed",
        "policy.san_not_allowed",
    ),
    (
        "key_usages",
        {},
        {"allowed": ["digital_signature"]},
        leaf(key_usage=frozenset({"key_agreement"})),
        "policy.key_usage_not_allowed",
        "policy.key_usage_not_allowed",
    ),
    (
        "extended_key_usages",
        {},
        {"allowed": ["server_auth"]},
        leaf(extended_key_usage=("client_auth",)),
        "policy.extended_key_usage_not_allowed",
        "policy.extended_key_usage_not_allowed",
    ),
    (
        "key_algorithms",
        [],
        ["ec-p256"],
        leaf(key_algorithm=KeyAlgorithm.RSA_2048),
        "policy.key_algorithm_not_allowed",
        "policy.key_algorithm_not_allowed",
    ),
    (
        "signature_algorithms",
        [],
        ["ecdsa-sha256"],
        leaf(signature_algorithm=SignatureAlgorithm.RSA_SHA256),
        "policy.signature_algorithm_not_allowed",
        "policy.signature_algorithm_not_allowed",
    ),
]


@pytest.mark.parametrize(
    ("section", "empty", "rules", "other", "empty_code", "rules_code"),
    _THREE_STATES,
    ids=[row[0] for row in _THREE_STATES],
)
def test_absent_allows_anything_empty_nothing_rules_a_whitelist(
    section, empty, rules, other, empty_code, rules_code
):
    assert against({}, other) == against({}, LEAF) == ()
    assert codes(against({section: empty}, other)) == [empty_code]
    assert codes(against({section: empty}, LEAF)) == [empty_code]
    assert codes(against({section: rules}, other)) == [rules_code]
    assert against({section: rules}, LEAF) == ()


def test_an_empty_section_is_met_by_content_without_such_values():
    bare = leaf(subject=(), subject_alt_names=(), key_usage=frozenset(), extended_key_usage=())
    document = {"subject": [], "subject_alt_names": [], "key_usages": {}, "extended_key_usages": {}}
    assert against(document, bare) == ()


def test_types_without_a_rule_are_refused():
    document = {"subject_alt_names": [{"type": "dns_name", "allowed": ["**"]}]}
    content = leaf(subject_alt_names=(("dns_name", _WWW), ("ip_address", "10.0.0.1")))
    (violation,) = against(document, content)
    assert violation.code == "policy.san_type_not_allowed"
    assert violation.field == "subject_alt_names[1].type"
    assert violation.hint == "Accepted: dns_name."


# --- allowed, required, denied ----------------------------------------------------------------


def test_a_violation_tells_code_path_value_reason_and_hint():
    document = {"subject_alt_names": [{"type": "dns_name", "allowed": ["*.example.com"]}]}
    (violation,) = against(document, dns(_WWW, "www.evil.org"))
    assert violation.as_dict() == {
        "code": "policy.san_not_allowed",
        "field": "subject_alt_names[1].value",
        "value": "www.evil.org",
        "reason": "dns_name 'www.evil.org' does not match an allowed pattern.",
        "hint": "Accepted: *.example.com.",
    }


def test_denied_is_checked_before_allowed():
    document = {
        "subject_alt_names": [
            {"type": "dns_name", "allowed": ["**.example.com"], "denied": ["secret.example.com"]}
        ]
    }
    assert against(document, dns("public.example.com")) == ()
    assert codes(against(document, dns("secret.example.com"))) == ["policy.san_denied"]


def test_a_rule_with_denials_only_allows_everything_else():
    document = {"subject": [{"type": "organizational_unit", "denied": ["Finance*"]}]}
    assert against(document, leaf(subject=(("organizational_unit", "Sales"),))) == ()
    (violation,) = against(document, leaf(subject=(("organizational_unit", "FINANCE EU"),)))
    assert violation.code == "policy.subject_denied"


def test_a_required_attribute_must_be_present_and_fit():
    document = {
        "subject": [
            {"type": "common_name", "allowed": ["*"]},
            {"type": "organization", "required": ["Acme", "Acme *"]},
        ]
    }
    cn = ("common_name", "x")
    assert against(document, leaf(subject=(cn, ("organization", "Acme GmbH")))) == ()
    assert codes(against(document, leaf(subject=(cn,)))) == ["policy.subject_required"]
    wrong = against(document, leaf(subject=(cn, ("organization", "Evil"))))
    assert codes(wrong) == ["policy.subject_not_allowed", "policy.subject_required"]


def test_allowed_and_required_values_may_stand_side_by_side():
    document = {
        "subject": [
            {"type": "organizational_unit", "required": ["Payments"], "allowed": ["Team *"]}
        ]
    }
    unit = "organizational_unit"
    assert against(document, leaf(subject=((unit, "Payments"), (unit, "Team A")))) == ()
    only_allowed = leaf(subject=((unit, "Team A"),))
    assert codes(against(document, only_allowed)) == ["policy.subject_required"]


def test_each_of_several_values_is_checked_on_its_own():
    document = {"subject": [{"type": "domain_component", "allowed": ["example", "com"]}]}
    pairs = tuple(("domain_component", value) for value in ("com", "evil", "example"))
    (violation,) = against(document, leaf(subject=pairs))
    assert violation.field == "subject[1].value"


def test_each_required_name_pattern_must_be_met_by_some_name():
    document = {
        "subject_alt_names": [
            {"type": "dns_name", "required": ["*.example.com", "*.example.org"], "allowed": ["a.b"]}
        ]
    }
    assert against(document, dns("x.example.com", "y.example.org", "a.b")) == ()
    (violation,) = against(document, dns("x.example.com"))
    assert violation.code == "policy.san_required"
    assert "*.example.org" in violation.reason


def test_usages_lie_within_allowed_and_required_and_hold_all_required():
    document = {
        "key_usages": {"allowed": ["key_encipherment"], "required": ["digital_signature"]},
        "extended_key_usages": {"required": ["server_auth"], "denied": ["code_signing"]},
    }
    assert against(document) == ()
    content = leaf(
        key_usage=frozenset({"key_encipherment", "crl_sign"}),
        extended_key_usage=("code_signing", "client_auth"),
    )
    assert codes(against(document, content)) == [
        "policy.key_usage_not_allowed",
        "policy.key_usage_required",
        "policy.extended_key_usage_denied",
        "policy.extended_key_usage_not_allowed",
        "policy.extended_key_usage_required",
    ]


def test_usages_with_denials_only_allow_the_others():
    document = {"extended_key_usages": {"denied": ["code_signing"]}}
    assert against(document) == ()


@pytest.mark.parametrize("rule", [{"allowed": ["server_auth"]}, {"denied": ["code_signing"]}])
def test_x17_absence_of_usages_does_not_slip_past_rules_about_them(rule):
    found = against({"extended_key_usages": rule}, leaf(extended_key_usage=()))
    assert codes(found) == ["policy.extended_key_usage_missing"]


def test_all_violations_are_reported_together():
    document = {
        "subject": [],
        "subject_alt_names": [{"type": "ip_address", "allowed": ["10.0.0.0/8"]}],
        "key_algorithms": ["ed25519"],
        "validity": {"max": "1d"},
        "basic_constraints": {"is_ca": "required"},
    }
    assert codes(against(document)) == [
        "policy.subject_type_not_allowed",
        "policy.san_type_not_allowed",
        "policy.key_algorithm_not_allowed",
        "policy.validity_too_long",
        "policy.ca_required",
    ]


# --- validity and basic constraints -----------------------------------------------------------


@pytest.mark.parametrize(
    ("lifetime", "expected"),
    [
        (timedelta(hours=1) - timedelta(seconds=1), ["policy.validity_too_short"]),
        (timedelta(hours=1), []),
        (timedelta(days=90), []),
        (timedelta(days=90, seconds=1), ["policy.validity_too_long"]),
    ],
)
def test_x06_validity_counts_both_its_ends(lifetime, expected):
    found = against({"validity": {"max": "90d", "min": "1h"}}, with_lifetime(LEAF, lifetime))
    assert codes(found) == expected


@pytest.mark.parametrize(
    ("rule", "is_ca", "path_length", "expected"),
    [
        (None, False, None, []),
        (None, True, None, ["policy.ca_denied"]),
        ({}, True, None, ["policy.ca_denied"]),
        ({"is_ca": "denied"}, True, 0, ["policy.ca_denied"]),
        ({"is_ca": "allowed"}, True, None, []),
        ({"is_ca": "allowed"}, False, None, []),
        ({"is_ca": "required"}, False, None, ["policy.ca_required"]),
        ({"is_ca": "required", "max_path_length": 1}, True, None, ["policy.path_length_required"]),
        ({"is_ca": "required", "max_path_length": 1}, True, 1, []),
        ({"is_ca": "required", "max_path_length": 1}, True, 2, ["policy.path_length_too_long"]),
        ({"is_ca": "required", "max_path_length": -1}, True, None, []),
        ({"is_ca": "allowed", "max_path_length": 0}, False, None, []),
    ],
)
def test_ca_certificates_are_denied_unless_a_rule_says_otherwise(
    rule, is_ca, path_length, expected
):
    document = {} if rule is None else {"basic_constraints": rule}
    assert codes(against(document, leaf(is_ca=is_ca, path_length=path_length))) == expected


# --- PV-14: wildcards, subdomains and the bare domain are three permissions --------------------

_PV14_NAMES = {
    "example.com": "bare",
    "www.example.com": "sub",
    "xn--bcher-kva.example.com": "sub",
    "*.example.com": "wild",
    "a.b.example.com": None,
    "*.www.example.com": None,
    "*.com": None,
    "*": None,
    "a.*.example.com": None,
    "evilexample.com": None,
    "example.com.evil.org": None,
    "www.example.com.": None,
    "WWW.example.com": None,
}


@pytest.mark.parametrize(
    ("bare", "sub", "wild"), list(itertools.product([False, True], repeat=3)), ids=str
)
def test_pv14_wildcard_subdomain_and_bare_are_separate_permissions(bare, sub, wild):
    allowed = [*(["example.com"] if bare else []), *(["*.example.com"] if sub else [])]
    rule = {"type": "dns_name", "allowed": allowed or ["nothing.invalid"]}
    document = {"subject_alt_names": [rule | ({"wildcards": "allowed"} if wild else {})]}
    # A wildcard certificate can serve as any subdomain, so it needs both permissions.
    granted = {"bare": bare, "sub": sub, "wild": wild and sub, None: False}
    for name, kind in _PV14_NAMES.items():
        assert (against(document, dns(name)) == ()) is granted[kind], name


def test_the_refusal_of_a_wildcard_tells_which_permission_is_missing():
    document = {"subject_alt_names": [{"type": "dns_name", "allowed": ["**.example.com"]}]}
    (violation,) = against(document, dns("*.example.com"))
    assert violation.code == "policy.wildcard_not_allowed"
    assert '"wildcards": "allowed"' in violation.hint


def test_a_wildcard_over_a_denied_name_is_denied():
    document = {
        "subject_alt_names": [
            {
                "type": "dns_name",
                "allowed": ["**.example.com"],
                "denied": ["secret.example.com"],
                "wildcards": "allowed",
            }
        ]
    }
    assert codes(against(document, dns("*.example.com"))) == ["policy.san_denied"]
    assert against(document, dns("*.shop.example.com")) == ()


# --- properties -------------------------------------------------------------------------------

_LABELS = st.sampled_from(["a", "b", "c", "*"])
_dns_patterns = st.lists(_LABELS, min_size=1, max_size=3).map(".".join)
_dns_names = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map(".".join)
_pattern_lists = st.lists(_dns_patterns, max_size=3, unique=True)
_SAN_TYPES = ["dns_name", "ip_address", "email", "uri", "upn"]


def _dns_rule(allowed, required, denied):
    granted = {*allowed, *required}
    lists = {
        "allowed": allowed,
        "required": required,
        "denied": [pattern for pattern in denied if pattern not in granted],
    }
    rule = {"type": "dns_name"} | {mode: found for mode, found in lists.items() if found}
    return {"subject_alt_names": [rule] if len(rule) > 1 else []}


@given(_pattern_lists, _pattern_lists, st.lists(_dns_names, max_size=4))
def test_denied_beats_allowed(allowed, denied, names):
    document = _dns_rule(allowed, [], denied)
    violations = against(document, dns(*names))
    refused = {int(v.field[len("subject_alt_names[")]) for v in violations}
    rule = (document["subject_alt_names"] or [{}])[0]
    for index, name in enumerate(names):
        banned = any(_fits(pattern, name) for pattern in rule.get("denied", []))
        granted = any(_fits(pattern, name) for pattern in allowed)
        if banned or (allowed and not granted) or not rule:
            assert index in refused
        else:
            assert index not in refused


def _fits(pattern: str, name: str) -> bool:
    want, have = pattern.split("."), name.split(".")
    return len(want) == len(have) and all(w in ("*", h) for w, h in zip(want, have, strict=True))


@given(
    _pattern_lists,
    _pattern_lists,
    _pattern_lists,
    st.lists(_dns_names, max_size=4, unique=True),
    st.randoms(use_true_random=False),
)
def test_order_of_rules_and_names_does_not_matter(allowed, required, denied, names, random):
    def shuffled(items):
        return random.sample(items, len(items))

    first = against(_dns_rule(allowed, required, denied), dns(*names))
    mixed = _dns_rule(shuffled(allowed), shuffled(required), shuffled(denied))
    second = against(mixed, dns(*shuffled(names)))
    assert sorted((v.code, v.value) for v in first) == sorted((v.code, v.value) for v in second)


@given(st.lists(st.tuples(st.sampled_from(_SAN_TYPES), st.text(max_size=40)), max_size=3))
def test_evaluation_fails_closed_on_hostile_names(pairs):
    document = {
        "subject_alt_names": [
            {"type": "dns_name", "allowed": ["*.example.com"]},
            {"type": "ip_address", "allowed": ["10.0.0.0/8"]},
            {"type": "email", "allowed": ["*@example.com"]},
            {"type": "uri", "allowed": ["spiffe://example.org/ns"]},
        ]
    }
    accepted = {
        "dns_name": lambda value: value.endswith(".example.com"),
        "ip_address": lambda value: value.startswith("10."),
        "email": lambda value: value.lower().endswith("@example.com"),
        "uri": lambda value: value.lower().startswith("spiffe://example.org/ns"),
        "upn": lambda _value: False,
    }
    refused = {v.field for v in against(document, leaf(subject_alt_names=tuple(pairs)))}
    for index, (kind, value) in enumerate(pairs):
        path = f"subject_alt_names[{index}]"
        if not accepted[kind](value):
            assert f"{path}.value" in refused or f"{path}.type" in refused


@given(st.text(max_size=40))
def test_names_that_cannot_be_read_are_denied_where_anything_is_denied(value):
    document = {"subject_alt_names": [{"type": "dns_name", "denied": ["a.example"]}]}
    found = against(document, dns(value))
    readable = value and all(c.isascii() and (c.isalnum() or c in "-.*") for c in value)
    assert found or readable


@pytest.mark.parametrize(
    "hostile",
    [
        "www.example.com\n",
        "evil.org\nwww.example.com",
        "www.example.com\x00.evil.org",
        "www.example.com.",
        " www.example.com",
        "evilexample.com",
        "www\uff0eexample\uff0ecom",
    ],
)
def test_ac05_anchoring_holds_against_line_ends_and_lookalikes(hostile):
    document = {
        "subject": [{"type": "common_name", "allowed": ["*.example.com"]}],
        "subject_alt_names": [{"type": "dns_name", "allowed": ["*.example.com"]}],
    }
    content = dns(hostile, subject=(("common_name", hostile),))
    assert codes(against(document, content)) == [
        "policy.subject_not_allowed",
        "policy.san_not_allowed",
    ]


def test_a_verdict_that_neither_passed_nor_says_why_counts_as_broken():
    (violation,) = violations_of([Verdict("x", "y", passed=False)])
    assert violation.code == "x"


def test_every_rule_is_reported_whether_met_or_broken():
    verdicts = evaluate(parse_rules(PRESETS["tls-server"].rules), LEAF)
    assert {verdict.rule for verdict in verdicts} >= {
        "subject.common_name.allowed",
        "subject_alt_names.dns_name.allowed",
        "key_usages.required",
        "extended_key_usages.required",
        "key_algorithms",
        "validity.max",
        "basic_constraints.is_ca",
    }
    assert all(verdict.passed and verdict.violation is None for verdict in verdicts)


def test_evaluation_of_a_typical_leaf_takes_microseconds():
    rules = parse_rules(PRESETS["tls-server"].rules)
    best = min(timeit.repeat(lambda: evaluate(rules, LEAF), number=200, repeat=5)) / 200
    assert best < 0.001  # measured 30 us; the bound leaves room for a busy machine


# --- what is kept -----------------------------------------------------------------------------


def test_verdicts_kept_for_one_purpose_answer_for_no_other():
    few = parse_rules({"extended_key_usages": {"allowed": ["server_auth"]}})
    more = parse_rules({"extended_key_usages": {"allowed": ["server_auth", "client_auth"]}})
    short = parse_rules({"validity": {"max": "1h"}})
    server, both = ("server_auth",), ("server_auth", "client_auth")

    def refused(rules, **changes):
        return codes(violations_of(evaluate(rules, leaf(**changes))))

    for _ in range(2):
        assert not refused(few, extended_key_usage=server)
        assert not refused(more, extended_key_usage=both)
        assert refused(few, extended_key_usage=both) == ["policy.extended_key_usage_not_allowed"]
        assert refused(short) == ["policy.validity_too_long"]
        assert not refused(short, not_after=LEAF.not_before + timedelta(minutes=59))
        assert refused(few, extended_key_usage=server, is_ca=True) == ["policy.ca_denied"]


def test_a_fixed_rule_tells_keys_apart_that_ask_for_the_same_usages():
    usages = frozenset({"key_encipherment"})
    for _ in range(2):
        for algorithm in KeyAlgorithm:
            content = leaf(key_usage=usages, key_algorithm=algorithm)
            assert ("rule.key_usage_fits" in codes(violations_of(hard_rules(content)))) != (
                algorithm.is_rsa
            )
            issuing = leaf(key_usage=frozenset({"key_cert_sign"}), key_algorithm=algorithm)
            assert "rule.key_usage_fits" in codes(violations_of(hard_rules(issuing)))
            issuing = replace(issuing, is_ca=True)
            assert "rule.key_usage_fits" not in codes(violations_of(hard_rules(issuing)))


@pytest.mark.parametrize(
    ("rule", "hint"),
    [
        ({"denied": ["**.example.com"]}, "Accepted: anything but **.example.com."),
        (
            {"allowed": ["**.example.com"], "denied": ["*.admin.example.com"]},
            "Accepted: **.example.com, but not *.admin.example.com.",
        ),
    ],
)
def test_a_denied_value_is_not_among_those_called_accepted(rule, hint):
    document = {"subject_alt_names": [{"type": "dns_name"} | rule]}
    for name in ("a.admin.example.com", "other.test"):
        for violation in against(document, dns(name)):
            assert violation.hint == hint
