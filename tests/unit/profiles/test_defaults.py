"""Defaults are parsed strictly and checked against the policy."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.errors import InvalidInput
from apps.policies.rules import parse_rules
from apps.profiles.defaults import parse_defaults, violations_against
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm

_FULL = {
    "ttl": "2160h",
    "subject": {
        "organization": "Acme",
        "organizational_unit": ["Payments", "Ops"],
        "country": "DE",
    },
    "key_algorithm": "ec-p384",
    "signature_algorithm": "ecdsa-sha384",
    "key_usages": ["digital_signature"],
    "extended_key_usages": ["server_auth"],
    "basic_constraints": {"is_ca": True, "path_length": 0},
}


def test_a_document_is_read():
    defaults = parse_defaults(_FULL)
    assert defaults.ttl == timedelta(days=90)
    assert defaults.subject == (
        ("organization", "Acme"),
        ("organizational_unit", "Payments"),
        ("organizational_unit", "Ops"),
        ("country", "DE"),
    )
    assert defaults.key_algorithm is KeyAlgorithm.EC_P384
    assert defaults.signature_algorithm is SignatureAlgorithm.ECDSA_SHA384
    assert (defaults.is_ca, defaults.path_length) == (True, 0)


def test_the_stored_form_is_canonical_and_read_back_the_same():
    defaults = parse_defaults(_FULL)
    assert defaults.document == _FULL | {"ttl": "90d"}
    again = parse_defaults(defaults.document)
    assert again == defaults
    assert again.document == defaults.document


def test_an_empty_document_says_nothing():
    defaults = parse_defaults({})
    assert defaults.document == {}
    assert defaults.key_usages is None


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ([], "defaults"),
        ({"lifetime": "1d"}, "defaults.lifetime"),
        ({"ttl": 90}, "defaults.ttl"),
        ({"ttl": "soon"}, "defaults.ttl"),
        ({"subject": []}, "defaults.subject"),
        ({"subject": {"nickname": "x"}}, "defaults.subject.nickname"),
        ({"subject": {"organization": 7}}, "defaults.subject.organization"),
        ({"subject": {"country": "DEU"}}, "defaults.subject[0].country"),
        ({"key_algorithm": "rsa-1024"}, "defaults.key_algorithm"),
        ({"signature_algorithm": "md5"}, "defaults.signature_algorithm"),
        ({"key_usages": "digital_signature"}, "defaults.key_usages"),
        ({"key_usages": ["sign"]}, "defaults.key_usages[0]"),
        ({"extended_key_usages": ["ocsp_signing"]}, "defaults.extended_key_usages[0]"),
        ({"basic_constraints": True}, "defaults.basic_constraints"),
        ({"basic_constraints": {"is_ca": "yes"}}, "defaults.basic_constraints.is_ca"),
        ({"basic_constraints": {"path_length": 0}}, "defaults.basic_constraints.path_length"),
        (
            {"basic_constraints": {"is_ca": True, "path_length": -1}},
            "defaults.basic_constraints.path_length",
        ),
    ],
)
def test_a_fault_is_named_by_path(document, path):
    with pytest.raises(InvalidInput) as caught:
        parse_defaults(document)
    assert path in [violation.field for violation in caught.value.violations]


def test_each_default_is_held_against_its_own_section():
    rules = parse_rules(
        {
            "subject": [
                {"type": "common_name", "required": ["*"]},
                {"type": "organization", "allowed": ["Acme"]},
            ],
            "key_usages": {"allowed": ["key_agreement"]},
            "extended_key_usages": {"required": ["client_auth"]},
            "key_algorithms": ["ed25519"],
            "signature_algorithms": ["ed25519"],
            "validity": {"max": "30d"},
        }
    )
    found = {v.field: v.code for v in violations_against(parse_defaults(_FULL), rules)}
    assert found == {
        "defaults.subject[1].type": "policy.subject_type_not_allowed",
        "defaults.subject[2].type": "policy.subject_type_not_allowed",
        "defaults.subject[3].type": "policy.subject_type_not_allowed",
        "defaults.key_usages": "policy.key_usage_not_allowed",
        "defaults.extended_key_usages": "policy.extended_key_usage_required",
        "defaults.key_algorithm": "policy.key_algorithm_not_allowed",
        "defaults.signature_algorithm": "policy.signature_algorithm_not_allowed",
        "defaults.ttl": "policy.validity_too_long",
        "defaults.basic_constraints.is_ca": "policy.ca_denied",
    }


def test_what_defaults_leave_out_is_not_missed():
    rules = parse_rules(
        {
            "subject": [
                {"type": "common_name", "required": ["*"]},
                {"type": "organization", "required": ["Acme"]},
            ],
            "subject_alt_names": [{"type": "dns_name", "required": ["*.example.com"]}],
            "key_usages": {"required": ["digital_signature"]},
            "basic_constraints": {"is_ca": "required"},
        }
    )
    assert violations_against(parse_defaults({"subject": {"organization": "Acme"}}), rules) == ()


def test_a_default_of_a_required_attribute_must_fit():
    rules = parse_rules(
        {"subject": [{"type": "organization", "required": ["Acme"], "allowed": ["Other"]}]}
    )
    found = violations_against(parse_defaults({"subject": {"organization": "Other"}}), rules)
    assert [v.code for v in found] == ["policy.subject_required"]


def test_the_fallback_lifetime_is_held_against_the_policy_too():
    rules = parse_rules({"validity": {"max": "30d"}})
    (violation,) = violations_against(parse_defaults({}), rules)
    assert violation.field == "defaults.ttl"
    assert violation.hint == "At most 30 days."


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["organization", "common_name", "country", "is_ca", "path_length", "x"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(_FULL)), _json, max_size=4))
def test_any_json_is_read_or_refused_with_reasons(document):
    try:
        defaults = parse_defaults(document)
    except InvalidInput as error:
        reasons = len(error.violations)
    else:
        reasons = None
        assert parse_defaults(defaults.document) == defaults
    assert reasons != 0
