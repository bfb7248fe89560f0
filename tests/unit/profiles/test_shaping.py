"""Merge of requested content, CSR and defaults, which reports instead of raising."""

from dataclasses import replace
from datetime import UTC, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apps.policies.rules import parse_rules
from apps.profiles import fitting
from apps.profiles.defaults import parse_defaults
from apps.profiles.requested_content import RequestedContent
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm
from pki.template import SAN_TYPES, SUBJECT_ATTRIBUTES
from tests.unit.profiles.shapes import CSR, ISSUER, NOW, SERVER, bare, faults, shaped

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
