"""Merge of requested content, CSR and defaults, which reports instead of raising."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apps.policies.evaluation import evaluate, violations_of
from apps.policies.rules import NO_RULES, parse_rules
from apps.profiles import fitting
from apps.profiles.defaults import parse_defaults
from apps.profiles.requested_content import DEFAULT_TTL, Defaults, IssuerLimits, RequestedContent
from apps.profiles.shaping import shape
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm
from pki.csr import ParsedCSR
from pki.durations import in_words
from pki.template import SAN_TYPES, SUBJECT_ATTRIBUTES

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ISSUER = IssuerLimits(
    NOW + timedelta(days=3650),
    (SignatureAlgorithm.ECDSA_SHA256, SignatureAlgorithm.ECDSA_SHA384),
    SignatureAlgorithm.ECDSA_SHA256,
)
CSR = ParsedCSR(
    der=b"csr",
    public_key=None,
    public_key_der=b"spki",
    key_algorithm=KeyAlgorithm.EC_P256,
    subject=(("common_name", "www.example.com"),),
    subject_alt_names=(("dns_name", "www.example.com"),),
)
SERVER = parse_defaults({"ttl": "90d", "extended_key_usages": ["server_auth"]})


def shaped(
    requested=None,
    defaults=SERVER,
    csr=CSR,
    issuer=ISSUER,
    key=KeyAlgorithm.EC_P256,
    rules=NO_RULES,
):
    return shape(
        requested or RequestedContent(),
        defaults,
        csr=csr,
        public_key_der=b"spki",
        key_algorithm=key,
        issuer=issuer,
        now=NOW,
        rules=rules,
    )


def faults(outcome):
    return [(violation.code, violation.field) for violation in outcome.violations]


def bare(**changes):
    return replace(CSR, **({"subject": (), "subject_alt_names": ()} | changes))


# --- who has the word -------------------------------------------------------------------------


def test_a_csr_contributes_key_and_names():
    leaf = shaped().leaf
    assert leaf.subject == CSR.subject
    assert leaf.subject_alt_names == CSR.subject_alt_names
    assert leaf.public_key_der == b"spki"
    assert leaf.extended_key_usage == ("server_auth",)
    assert leaf.signature_algorithm is SignatureAlgorithm.ECDSA_SHA256
    assert not leaf.is_ca


def test_requested_content_stands_alone_when_the_key_is_made_here():
    requested = RequestedContent(
        subject=(("common_name", "a.example.com"),),
        subject_alt_names=(("dns_name", "A.Example.COM"), ("ip_address", "2001:DB8::0:1")),
        key_usages=("digital_signature",),
        signature_algorithm=SignatureAlgorithm.ECDSA_SHA384,
    )
    leaf = shaped(requested, csr=None).leaf
    assert leaf.subject_alt_names == (("dns_name", "a.example.com"), ("ip_address", "2001:db8::1"))
    assert leaf.key_usage == {"digital_signature"}
    assert leaf.signature_algorithm is SignatureAlgorithm.ECDSA_SHA384


def test_requested_content_completes_a_csr_that_is_silent():
    requested = RequestedContent(
        subject=(("common_name", "x.example.com"),),
        subject_alt_names=(("dns_name", "x.example.com"),),
    )
    outcome = shaped(requested, csr=bare())
    assert outcome.violations == ()
    assert outcome.leaf.subject == requested.subject


def test_the_same_said_twice_is_no_contradiction():
    requested = RequestedContent(
        subject=CSR.subject,
        subject_alt_names=(("dns_name", "WWW.example.com"),),
        key_algorithm=KeyAlgorithm.EC_P256,
    )
    assert shaped(requested).violations == ()


@pytest.mark.parametrize(
    ("requested", "csr", "field"),
    [
        (RequestedContent(subject=(("common_name", "evil"),)), CSR, "subject"),
        (RequestedContent(subject=()), CSR, "subject"),
        (
            RequestedContent(subject_alt_names=(("dns_name", "evil.example"),)),
            CSR,
            "subject_alt_names",
        ),
        (RequestedContent(subject_alt_names=()), CSR, "subject_alt_names"),
        (RequestedContent(key_algorithm=KeyAlgorithm.RSA_2048), CSR, "key.algorithm"),
        (
            RequestedContent(key_usages=("key_agreement",)),
            replace(CSR, key_usage=frozenset({"digital_signature"})),
            "key_usages",
        ),
        (
            RequestedContent(extended_key_usages=("client_auth",)),
            replace(CSR, extended_key_usage=("server_auth",)),
            "extended_key_usages",
        ),
        (RequestedContent(is_ca=False), replace(CSR, is_ca=True), "basic_constraints.is_ca"),
        (
            RequestedContent(is_ca=True, path_length=0),
            replace(CSR, is_ca=True, path_length=1),
            "basic_constraints.path_length",
        ),
    ],
)
def test_requested_content_that_contradicts_the_csr_is_refused(requested, csr, field):
    assert ("request.contradicts_csr", field) in faults(shaped(requested, csr=csr))


# --- defaults ---------------------------------------------------------------------------------


def test_defaults_fill_only_the_attributes_left_out():
    defaults = parse_defaults({"subject": {"organization": "Acme", "country": "DE"}})
    csr = bare(subject=(("common_name", "www.example.com"), ("country", "FR")))
    leaf = shaped(defaults=defaults, csr=csr).leaf
    assert leaf.subject == (
        ("organization", "Acme"),
        ("common_name", "www.example.com"),
        ("country", "FR"),
    )


def test_default_attributes_run_from_broad_to_narrow_and_the_common_name_comes_last():
    defaults = parse_defaults(
        {
            "subject": {
                "common_name": "fallback",
                "organizational_unit": ["b", "a"],
                "organization": "Acme",
                "country": "DE",
            }
        }
    )
    assert shaped(defaults=defaults, csr=bare()).leaf.subject == (
        ("country", "DE"),
        ("organization", "Acme"),
        ("organizational_unit", "b"),
        ("organizational_unit", "a"),
        ("common_name", "fallback"),
    )


def test_a_renewal_takes_nothing_from_defaults():
    defaults = parse_defaults(
        {
            "subject": {"organization": "Acme"},
            "key_usages": ["digital_signature"],
            "basic_constraints": {"is_ca": True},
        }
    )
    leaf = shaped(RequestedContent(fill_in=False), defaults=defaults).leaf
    assert leaf.subject == CSR.subject
    assert leaf.key_usage == frozenset()
    assert not leaf.is_ca


def test_an_empty_list_asks_for_none_and_is_not_filled():
    leaf = shaped(RequestedContent(extended_key_usages=()), csr=bare()).leaf
    assert leaf.extended_key_usage == ()


def test_usages_asked_for_by_the_csr_come_before_defaults():
    csr = replace(CSR, extended_key_usage=("client_auth",), key_usage=frozenset({"key_agreement"}))
    leaf = shaped(csr=csr).leaf
    assert leaf.extended_key_usage == ("client_auth",)
    assert leaf.key_usage == {"key_agreement"}


def test_ca_defaults_apply_with_their_path_length():
    defaults = parse_defaults({"basic_constraints": {"is_ca": True, "path_length": 0}})
    leaf = shaped(defaults=defaults).leaf
    assert (leaf.is_ca, leaf.path_length) == (True, 0)
    leaf = shaped(defaults=defaults, csr=replace(CSR, is_ca=False)).leaf
    assert (leaf.is_ca, leaf.path_length) == (False, None)


def test_pv26_a_ca_request_stays_visible_to_policy():
    assert shaped(csr=replace(CSR, is_ca=True)).leaf.is_ca


# --- key usages and keys ----------------------------------------------------------------------

_BOTH = frozenset({"digital_signature", "key_encipherment"})


@pytest.mark.parametrize(
    "algorithm", [KeyAlgorithm.EC_P256, KeyAlgorithm.ED25519, KeyAlgorithm.ML_DSA_44]
)
def test_usages_of_the_csr_that_the_key_cannot_serve_are_dropped_and_noted(algorithm):
    outcome = shaped(csr=replace(CSR, key_usage=_BOTH, key_algorithm=algorithm), key=algorithm)
    assert outcome.leaf.key_usage == {"digital_signature"}
    assert outcome.notes[0].code == "request.usage_not_of_key"
    assert "key_encipherment" in outcome.notes[0].what


def test_usages_of_the_profile_that_the_key_cannot_serve_are_dropped():
    outcome = shaped(defaults=parse_defaults({"key_usages": sorted(_BOTH)}))
    assert outcome.leaf.key_usage == {"digital_signature"}
    assert outcome.notes == ()


def test_rsa_keeps_key_encipherment():
    defaults = parse_defaults({"key_usages": sorted(_BOTH)})
    assert shaped(defaults=defaults, key=KeyAlgorithm.RSA_2048).leaf.key_usage == _BOTH


def test_x17_usages_are_never_dropped_to_nothing():
    csr = replace(CSR, key_usage=frozenset({"key_encipherment"}))
    assert shaped(csr=csr).leaf.key_usage == {"key_encipherment"}


def test_what_the_requester_says_outright_is_left_for_the_rules_to_refuse():
    assert shaped(RequestedContent(key_usages=tuple(_BOTH))).leaf.key_usage == _BOTH


# --- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("common_name", "name"),
    [
        ("demo.example.com", ("dns_name", "demo.example.com")),
        ("Demo.Example.com", ("dns_name", "demo.example.com")),
        ("localhost", ("dns_name", "localhost")),
        ("127.0.0.1", ("ip_address", "127.0.0.1")),
        ("bücher.example", ("dns_name", "xn--bcher-kva.example")),
    ],
)
def test_a_host_in_the_common_name_becomes_the_alternative_name(common_name, name):
    outcome = shaped(csr=bare(subject=(("common_name", common_name),)))
    assert outcome.leaf.subject_alt_names == (name,)
    assert [note.code for note in outcome.notes] == ["request.common_name_listed"]


@pytest.mark.parametrize(
    ("csr", "requested"),
    [
        (bare(subject=(("common_name", "My Server"),)), RequestedContent()),
        (
            bare(subject=(("common_name", "demo.example.com"),)),
            RequestedContent(extended_key_usages=("client_auth",)),
        ),
        (bare(subject=(("organization", "demo.example.com"),)), RequestedContent()),
        (bare(subject=(("common_name", "demo.example.com"),)), RequestedContent(is_ca=True)),
    ],
)
def test_no_other_common_name_does(csr, requested):
    assert shaped(requested, csr=csr).leaf.subject_alt_names == ()


def test_names_given_are_not_added_to():
    csr = replace(CSR, subject=(("common_name", "other.example.com"),))
    assert shaped(csr=csr).leaf.subject_alt_names == CSR.subject_alt_names


def test_repeated_names_appear_once_in_order():
    names = (("dns_name", "b.example"), ("dns_name", "a.example"), ("dns_name", "B.example"))
    leaf = shaped(RequestedContent(subject_alt_names=names), csr=None).leaf
    assert leaf.subject_alt_names == (("dns_name", "b.example"), ("dns_name", "a.example"))


def test_ac04_unusable_names_are_reported_together():
    requested = RequestedContent(
        subject=(("common_name", "a\x00b"), ("country", "DEU")),
        subject_alt_names=(("dns_name", "a_b.example"), ("dns_name", "ok.example"), ("x", "y")),
    )
    outcome = shaped(requested, csr=None)
    assert {field for _, field in faults(outcome)} == {
        "subject[0].common_name",
        "subject[1].country",
        "subject_alt_names[0].value",
        "subject_alt_names[2].value",
    }
    assert outcome.leaf.subject_alt_names == (("dns_name", "ok.example"),)


# --- validity ---------------------------------------------------------------------------------


def lifetime(leaf):
    return leaf.not_after - leaf.not_before + SECOND


def test_x06_the_lifetime_counts_both_ends_and_includes_backdating():
    leaf = shaped(RequestedContent(ttl=timedelta(days=30))).leaf
    assert lifetime(leaf) == timedelta(days=30)
    assert leaf.not_before == NOW - timedelta(minutes=5)


@pytest.mark.parametrize("seconds", [2, 11, 60, 3600])
def test_short_lifetimes_are_backdated_by_a_part_only(seconds):
    leaf = shaped(RequestedContent(ttl=timedelta(seconds=seconds))).leaf
    assert lifetime(leaf) == timedelta(seconds=seconds)
    assert leaf.not_after > NOW
    assert NOW - leaf.not_before <= timedelta(seconds=seconds) / 12


def test_the_profile_gives_the_lifetime_else_ninety_days():
    assert lifetime(shaped(defaults=parse_defaults({"ttl": "7d"})).leaf) == timedelta(days=7)
    assert lifetime(shaped(defaults=Defaults()).leaf) == DEFAULT_TTL == timedelta(days=90)


def test_x06_the_end_is_cut_to_that_of_the_issuer_and_noted():
    issuer = replace(ISSUER, not_after=NOW + timedelta(days=3))
    outcome = shaped(issuer=issuer)
    assert outcome.leaf.not_after == issuer.not_after
    assert outcome.violations == ()
    assert issuer.not_after.isoformat() in outcome.notes[-1].what


def test_a_self_signed_leaf_has_no_issuer_to_be_cut_to():
    assert lifetime(shaped(issuer=replace(ISSUER, not_after=None)).leaf) == timedelta(days=90)


def test_an_expired_issuer_is_reported():
    outcome = shaped(issuer=replace(ISSUER, not_after=NOW))
    assert faults(outcome) == [("request.issuer_expired", "not_after")]


def test_dates_are_taken_as_given():
    requested = RequestedContent(
        not_before=NOW + timedelta(days=1), not_after=NOW + timedelta(days=2)
    )
    leaf = shaped(requested).leaf
    assert (leaf.not_before, leaf.not_after) == (requested.not_before, requested.not_after)


def test_one_date_is_completed():
    start = shaped(RequestedContent(not_before=NOW + timedelta(days=1))).leaf
    assert lifetime(start) == timedelta(days=90)
    end = shaped(RequestedContent(not_after=NOW + timedelta(days=1))).leaf
    assert end.not_before == NOW - timedelta(minutes=5)


@pytest.mark.parametrize(
    ("requested", "fault"),
    [
        (
            RequestedContent(ttl=timedelta(days=1), not_after=NOW + timedelta(days=1)),
            ("request.ttl_and_dates", "ttl"),
        ),
        (
            RequestedContent(ttl=timedelta(days=1), not_before=NOW),
            ("request.ttl_and_dates", "ttl"),
        ),
        (RequestedContent(ttl=timedelta(0)), ("request.ttl_out_of_range", "ttl")),
        (RequestedContent(ttl=timedelta(days=-1)), ("request.ttl_out_of_range", "ttl")),
        (RequestedContent(ttl=timedelta.max), ("request.ttl_out_of_range", "ttl")),
        (
            RequestedContent(not_before=NOW - timedelta(hours=1, seconds=1)),
            ("request.not_before_out_of_range", "not_before"),
        ),
        (
            RequestedContent(not_before=NOW + timedelta(days=30, seconds=1)),
            ("request.not_before_out_of_range", "not_before"),
        ),
        (RequestedContent(not_after=NOW), ("request.not_after_out_of_range", "not_after")),
    ],
)
def test_times_that_cannot_be_are_reported(requested, fault):
    outcome = shaped(requested)
    assert fault in faults(outcome)
    assert outcome.leaf.not_before < outcome.leaf.not_after


def within(longest=None, shortest=None):
    bounds = {"max": longest, "min": shortest}
    return parse_rules({"validity": {name: text for name, text in bounds.items() if text}})


def granted(outcome, rules):
    """Return the lifetime if neither the content nor the policy has anything against it."""
    found = (*outcome.violations, *violations_of(evaluate(rules, outcome.leaf)))
    assert [violation.code for violation in found] == []
    return lifetime(outcome.leaf)


@pytest.mark.parametrize("elapsed", [-3, 0, 1, 30, 3600])
@pytest.mark.parametrize("days", [1, 30, 90])
def test_an_end_up_to_the_maximum_from_now_is_granted_and_nothing_longer(days, elapsed):
    """``elapsed``: seconds since the client added the duration to its clock, which may be ahead."""
    rules = within("90d")
    end = NOW + timedelta(days=days, seconds=-elapsed)
    outcome = shaped(RequestedContent(not_after=end), rules=rules)
    assert granted(outcome, rules) <= timedelta(days=90)
    assert outcome.leaf.not_after == end
    assert outcome.leaf.not_before <= NOW + timedelta(seconds=4)
    if days < 90:
        assert outcome.leaf.not_before == NOW - timedelta(minutes=5)


def test_a_period_of_exactly_the_maximum_is_granted():
    rules = within("90d")
    for start in (NOW - timedelta(minutes=1), NOW, NOW + timedelta(days=3)):
        requested = RequestedContent(not_before=start, not_after=start + timedelta(days=90))
        outcome = shaped(requested, rules=rules)
        assert granted(outcome, rules) == timedelta(days=90)
        assert outcome.leaf.not_after == requested.not_after


@pytest.mark.parametrize(
    "requested",
    [
        RequestedContent(ttl=timedelta(days=91)),
        RequestedContent(not_after=NOW + timedelta(days=91)),
        RequestedContent(not_before=NOW, not_after=NOW + timedelta(days=91)),
    ],
)
def test_more_than_the_maximum_is_refused_in_the_words_of_the_requester(requested):
    rules = within("90d")
    (violation,) = violations_of(evaluate(rules, shaped(requested, rules=rules).leaf))
    assert violation.code == "policy.validity_too_long"
    assert "91 days" in violation.reason
    assert violation.hint == "At most 90 days."


def test_backdating_follows_the_lifetime_granted():
    leaf = shaped(RequestedContent(not_after=NOW + timedelta(minutes=10))).leaf
    assert lifetime(leaf) <= timedelta(minutes=11)
    assert leaf.not_before < NOW


@pytest.mark.parametrize(
    ("default", "rules", "expected"),
    [
        ("365d", within("90d"), timedelta(days=90)),
        ("1h", within(None, "7d"), timedelta(days=7)),
        ("1h", within("90d", "7d"), timedelta(days=7)),
        (None, within("30d"), timedelta(days=30)),
    ],
)
@pytest.mark.parametrize("renewal", [False, True])
def test_a_lifetime_that_nobody_asked_for_is_moved_into_the_bounds(
    default, rules, expected, renewal
):
    defaults = parse_defaults({"ttl": default} if default else {})
    requested = RequestedContent()
    if renewal:
        requested = RequestedContent(ttl=defaults.ttl or DEFAULT_TTL, fill_in=False)
    outcome = shaped(requested, defaults=defaults, rules=rules)
    assert granted(outcome, rules) == expected
    (note,) = outcome.notes
    assert in_words(expected) in note.what
    start_only = RequestedContent(not_before=NOW + timedelta(days=1))
    assert granted(shaped(start_only, defaults=defaults, rules=rules), rules) == expected


def test_a_lifetime_that_was_asked_for_is_granted_without_a_note_on_the_default():
    outcome = shaped(
        RequestedContent(ttl=timedelta(days=1)),
        defaults=parse_defaults({"ttl": "365d"}),
        rules=within("90d"),
    )
    assert (lifetime(outcome.leaf), outcome.notes) == (timedelta(days=1), ())


_FRESH = replace(ISSUER, not_before=NOW - timedelta(seconds=10))


@pytest.mark.parametrize(
    "requested",
    [
        RequestedContent(),
        RequestedContent(ttl=timedelta(days=2)),
        RequestedContent(not_after=NOW + timedelta(days=2)),
        RequestedContent(not_before=NOW - timedelta(minutes=30)),
        RequestedContent(not_before=NOW - timedelta(minutes=30), not_after=NOW + timedelta(days=2)),
    ],
)
def test_nothing_begins_before_its_issuer(requested):
    outcome = shaped(requested, issuer=_FRESH)
    assert outcome.violations == ()
    assert outcome.leaf.not_before == _FRESH.not_before
    told = [note.code for note in outcome.notes]
    assert told == (["request.start_moved"] if requested.not_before else [])
    if requested.not_after is None:
        asked = requested.ttl or timedelta(days=90)
        assert lifetime(outcome.leaf) <= asked


def test_an_issuer_that_begins_after_the_end_is_reported():
    issuer = replace(ISSUER, not_before=NOW + timedelta(days=9))
    outcome = shaped(RequestedContent(not_after=NOW + timedelta(days=2)), issuer=issuer)
    assert faults(outcome) == [("request.issuer_not_valid_yet", "not_after")]


# --- defaults outside of a policy that was tightened ------------------------------------------


@pytest.mark.parametrize("section", ["key_usages", "extended_key_usages"])
@pytest.mark.parametrize("renewal", [False, True])
def test_usages_that_nobody_asked_for_are_reduced_to_those_granted(section, renewal):
    default, kept = {
        "key_usages": (["digital_signature", "content_commitment"], "digital_signature"),
        "extended_key_usages": (["server_auth", "client_auth"], "server_auth"),
    }[section]
    requested = RequestedContent()
    if renewal:
        requested = RequestedContent(fill_in=False, **{section: tuple(default)})
    for rule in ({"required": [kept]}, {"denied": [default[1]]}):
        outcome = shaped(
            requested,
            defaults=parse_defaults({section: default}),
            rules=parse_rules({section: rule}),
        )
        leaf = outcome.leaf
        usages = leaf.key_usage if section == "key_usages" else leaf.extended_key_usage
        assert set(usages) == {kept}
        assert [note.code for note in outcome.notes] == ["request.usage_left_out"]
        assert default[1] in outcome.notes[0].what


def test_the_last_default_usage_is_left_for_the_policy_to_refuse():
    rules = parse_rules({"extended_key_usages": {"required": ["client_auth"]}})
    outcome = shaped(rules=rules)
    assert outcome.leaf.extended_key_usage == ("server_auth",)
    assert outcome.notes == ()


def test_a_default_signature_that_policy_refuses_gives_way_to_another_of_the_issuer():
    rules = parse_rules({"signature_algorithms": ["rsa-sha256", "ecdsa-sha384"]})
    outcome = shaped(rules=rules)
    assert outcome.leaf.signature_algorithm is SignatureAlgorithm.ECDSA_SHA384
    assert outcome.notes == ()  # nobody had chosen
    chosen = shaped(defaults=parse_defaults({"signature_algorithm": "ecdsa-sha256"}), rules=rules)
    assert chosen.leaf.signature_algorithm is SignatureAlgorithm.ECDSA_SHA384
    assert [note.code for note in chosen.notes] == ["request.signature_algorithm_changed"]


@pytest.mark.parametrize(
    ("default", "accepted", "expected"),
    [
        ("ec-p256", ["rsa-2048", "ec-p384", "ec-p521"], "ec-p384"),
        ("ec-p521", ["rsa-2048", "ec-p384", "ec-p256"], "ec-p384"),
        ("rsa-2048", ["rsa-4096", "rsa-3072"], "rsa-3072"),
        ("ed25519", ["rsa-4096", "rsa-3072"], "rsa-4096"),
        ("ec-p256", ["ec-p256", "rsa-2048"], "ec-p256"),
    ],
)
def test_a_default_key_that_policy_refuses_gives_way_to_its_neighbour(default, accepted, expected):
    rules = parse_rules({"key_algorithms": accepted})
    chosen, note = fitting.key_algorithm(KeyAlgorithm(default), rules)
    assert chosen == expected
    assert (note is None) == (default == expected)


# --- signatures -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("requested", "defaults"),
    [
        (RequestedContent(signature_algorithm=SignatureAlgorithm.ED25519), SERVER),
        (RequestedContent(), parse_defaults({"signature_algorithm": "rsa-sha256"})),
    ],
)
def test_signatures_that_the_issuer_cannot_make_are_reported(requested, defaults):
    outcome = shaped(requested, defaults=defaults)
    assert faults(outcome) == [("request.signature_algorithm_not_of_issuer", "signature_algorithm")]
    assert outcome.leaf.signature_algorithm is ISSUER.default_signature_algorithm


# --- always an answer -------------------------------------------------------------------------

_texts = st.text(max_size=20)
_times = st.datetimes(timezones=st.just(UTC))
_requested_contents = st.builds(
    RequestedContent,
    subject=st.none()
    | st.lists(st.tuples(st.sampled_from(SUBJECT_ATTRIBUTES), _texts), max_size=3).map(tuple),
    subject_alt_names=st.none()
    | st.lists(st.tuples(st.sampled_from((*SAN_TYPES, "upn")), _texts), max_size=3).map(tuple),
    key_algorithm=st.none() | st.sampled_from(KeyAlgorithm),
    signature_algorithm=st.none() | st.sampled_from(SignatureAlgorithm),
    ttl=st.none() | st.timedeltas(),
    not_before=st.none() | _times,
    not_after=st.none() | _times,
    is_ca=st.none() | st.booleans(),
    path_length=st.none() | st.integers(-3, 3),
    fill_in=st.booleans(),
)


@example(RequestedContent(ttl=timedelta(seconds=1.5)), None, NOW)
@given(_requested_contents, st.sampled_from([None, CSR, bare()]), st.sampled_from([NOW, None]))
def test_any_requested_content_is_answered_and_the_same_one_the_same_way(
    requested, csr, issuer_end
):
    issuer = replace(ISSUER, not_after=issuer_end)
    first, second = (shaped(requested, csr=csr, issuer=issuer) for _ in range(2))
    assert first == second
    assert first.leaf.not_before < first.leaf.not_after
    assert all(violation.reason for violation in first.violations)
