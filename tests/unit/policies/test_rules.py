"""Rule documents are parsed strictly, merged, and stored in canonical form."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.errors import InvalidInput
from apps.policies.presets import PRESETS
from apps.policies.rules import Rules, parse_rules
from tests.unit.policies.samples import codes


def _said(rules):
    """Return everything that rules say; they themselves are equal only to themselves."""
    return {item.name: getattr(rules, item.name) for item in fields(Rules)}


def faults(document):
    with pytest.raises(InvalidInput) as caught:
        parse_rules(document)
    return caught.value.violations


@pytest.mark.parametrize(
    ("document", "code", "path"),
    [
        ([], "policy.wrong_type", "rules"),
        (None, "policy.wrong_type", "rules"),
        ({"sans": []}, "policy.unknown_key", "rules.sans"),
        ({"subject": {}}, "policy.wrong_type", "rules.subject"),
        ({"subject": None}, "policy.wrong_type", "rules.subject"),
        ({"subject": ["x"]}, "policy.wrong_type", "rules.subject[0]"),
        ({"subject": [{"allowed": ["*"]}]}, "policy.missing", "rules.subject[0].type"),
        (
            {"subject": [{"type": "nickname", "allowed": ["*"]}]},
            "policy.unknown_value",
            "rules.subject[0].type",
        ),
        (
            {"subject": [{"type": "common_name", "alowed": ["*"]}]},
            "policy.unknown_key",
            "rules.subject[0].alowed",
        ),
        ({"subject": [{"type": "common_name"}]}, "policy.rule_empty", "rules.subject[0]"),
        (
            {"subject": [{"type": "common_name", "allowed": []}]},
            "policy.rule_empty",
            "rules.subject[0]",
        ),
        (
            {"subject": [{"type": "common_name", "allowed": [7]}]},
            "policy.wrong_type",
            "rules.subject[0].allowed[0]",
        ),
        (
            {"subject": [{"type": "common_name", "allowed": "abc"}]},
            "policy.wrong_type",
            "rules.subject[0].allowed",
        ),
        (
            {"subject": [{"type": "common_name", "allowed": ["*"], "wildcards": "allowed"}]},
            "policy.unknown_key",
            "rules.subject[0].wildcards",
        ),
        (
            {"subject_alt_names": [{"type": "dns_name", "allowed": ["a"], "wildcards": True}]},
            "policy.unknown_value",
            "rules.subject_alt_names[0].wildcards",
        ),
        (
            {"subject_alt_names": [{"type": "dns_name", "allowed": ["a", "A"]}]},
            "policy.duplicate",
            "rules.subject_alt_names[0].allowed[1]",
        ),
        (
            {"subject_alt_names": [{"type": "dns_name", "allowed": ["a_b"]}]},
            "policy.pattern_invalid",
            "rules.subject_alt_names[0].allowed[0]",
        ),
        (
            {"subject_alt_names": [{"type": "dns_name", "allowed": ["a"], "denied": ["a"]}]},
            "policy.contradiction",
            "rules.subject_alt_names.denied",
        ),
        (
            {"subject_alt_names": [{"type": "ip_address", "allowed": ["10.0.0.1/8"]}]},
            "policy.pattern_invalid",
            "rules.subject_alt_names[0].allowed[0]",
        ),
        (
            {"key_usages": {"allowed": ["signing"]}},
            "policy.unknown_value",
            "rules.key_usages.allowed[0]",
        ),
        (
            {"key_usages": {"allowed": ["crl_sign", "crl_sign"]}},
            "policy.duplicate",
            "rules.key_usages.allowed[1]",
        ),
        ({"key_usages": {"allowed": []}}, "policy.rule_empty", "rules.key_usages"),
        (
            {"key_usages": {"required": ["crl_sign"], "denied": ["crl_sign"]}},
            "policy.contradiction",
            "rules.key_usages.denied",
        ),
        (
            {"extended_key_usages": {"allowed": ["any"]}},
            "policy.unknown_value",
            "rules.extended_key_usages.allowed[0]",
        ),
        (
            {"extended_key_usages": {"allowed": ["ocsp_signing"]}},
            "policy.usage_reserved",
            "rules.extended_key_usages",
        ),
        ({"key_algorithms": ["rsa-1024"]}, "policy.unknown_value", "rules.key_algorithms[0]"),
        ({"key_algorithms": "ed25519"}, "policy.wrong_type", "rules.key_algorithms"),
        (
            {"signature_algorithms": ["md5"]},
            "policy.unknown_value",
            "rules.signature_algorithms[0]",
        ),
        ({"validity": {}}, "policy.rule_empty", "rules.validity"),
        ({"validity": {"max": "ninety"}}, "policy.value_invalid", "rules.validity.max"),
        ({"validity": {"max": 90}}, "policy.wrong_type", "rules.validity.max"),
        (
            {"validity": {"max": "1d", "min": "2d"}},
            "policy.contradiction",
            "rules.validity.min",
        ),
        (
            {"basic_constraints": {"is_ca": "maybe"}},
            "policy.unknown_value",
            "rules.basic_constraints.is_ca",
        ),
        (
            {"basic_constraints": {"is_ca": "allowed", "max_path_length": -2}},
            "policy.value_invalid",
            "rules.basic_constraints.max_path_length",
        ),
        (
            {"basic_constraints": {"is_ca": "allowed", "max_path_length": True}},
            "policy.value_invalid",
            "rules.basic_constraints.max_path_length",
        ),
    ],
)
def test_a_fault_is_named_by_code_and_path(document, code, path):
    assert (code, path) in [(fault.code, fault.field) for fault in faults(document)]


def test_all_faults_are_reported_at_once():
    found = faults(
        {
            "surprise": 1,
            "subject": [
                {"type": "nickname", "allowed": ["*"]},
                {"type": "country", "allowed": ["DEU"]},
            ],
            "key_algorithms": ["rsa-1024"],
            "validity": {"max": "0d"},
        }
    )
    assert codes(found) == [
        "policy.unknown_key",
        "policy.unknown_value",
        "policy.pattern_invalid",
        "policy.unknown_value",
        "policy.value_invalid",
    ]
    assert all(fault.reason for fault in found)


def test_rules_of_one_type_are_merged():
    rules = parse_rules(
        {
            "subject_alt_names": [
                {"type": "dns_name", "allowed": ["a.example.com", "b.example.com"]},
                {"type": "ip_address", "allowed": ["*"]},
                {
                    "type": "dns_name",
                    "allowed": ["b.example.com", "c.example.com"],
                    "denied": ["d.example.com"],
                    "wildcards": "allowed",
                },
            ]
        }
    )
    assert rules.document["subject_alt_names"] == [
        {
            "type": "dns_name",
            "allowed": ["a.example.com", "b.example.com", "c.example.com"],
            "denied": ["d.example.com"],
            "wildcards": "allowed",
        },
        {"type": "ip_address", "allowed": ["*"]},
    ]


def test_a_contradiction_between_merged_rules_is_found():
    found = faults(
        {
            "subject": [
                {"type": "organization", "required": ["Acme"]},
                {"type": "organization", "denied": ["Acme"]},
            ]
        }
    )
    assert codes(found) == ["policy.contradiction"]


def test_the_stored_form_is_canonical():
    document = {
        "basic_constraints": {"is_ca": "denied", "max_path_length": 3},
        "validity": {"max": "24h"},
        "subject_alt_names": [
            {
                "denied": [],
                "allowed": ["WWW.Example.COM."],
                "type": "dns_name",
                "wildcards": "denied",
            }
        ],
    }
    assert parse_rules(document).document == {
        "subject_alt_names": [{"type": "dns_name", "allowed": ["www.example.com"]}],
        "validity": {"max": "1d"},
        "basic_constraints": {"is_ca": "denied"},
    }


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.key)
def test_the_stored_form_is_read_back_as_the_same_rules(preset):
    rules = parse_rules(preset.rules)
    again = parse_rules(rules.document)
    assert _said(again) == _said(rules)
    assert again.document == rules.document


@pytest.mark.parametrize("section", ["subject", "subject_alt_names", "key_algorithms"])
def test_empty_and_absent_sections_are_kept_apart(section):
    assert getattr(parse_rules({}), section) is None
    empty = parse_rules({section: []})
    assert getattr(empty, section) is not None
    assert empty.document == {section: []}


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "allowed", "required", "denied", "wildcards", "max", "min", "is_ca", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
_sections = st.sampled_from(
    [
        "subject",
        "subject_alt_names",
        "key_usages",
        "extended_key_usages",
        "key_algorithms",
        "signature_algorithms",
        "validity",
        "basic_constraints",
    ]
)


@given(st.dictionaries(_sections, _json, max_size=4))
def test_any_json_is_read_or_refused_with_reasons(document):
    try:
        rules = parse_rules(document)
    except InvalidInput as error:
        reasons = len(error.violations)
    else:
        reasons = None
        assert _said(parse_rules(rules.document)) == _said(rules)
    assert reasons != 0
