"""Presets accept ordinary requests and refuse others."""

from datetime import timedelta

import pytest

from apps.policies.evaluation import evaluate, hard_rules, violations_of
from apps.policies.presets import PRESETS
from apps.policies.rules import parse_rules
from apps.profiles.defaults import parse_defaults, violations_against
from apps.profiles.requested_content import IssuerLimits, RequestedContent
from apps.profiles.shaping import shape
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm
from pki.csr import ParsedCSR
from tests.unit.policies.samples import NOW, codes

_ISSUER = IssuerLimits(
    NOW + timedelta(days=3650), (SignatureAlgorithm.ECDSA_SHA256,), SignatureAlgorithm.ECDSA_SHA256
)
_NAMED = (("organization", "Acme"), ("organizational_unit", "Ops"), ("country", "DE"))
_PLACED = (("state", "Hesse"), ("locality", "Frankfurt"))


def outcome(preset, *, key=KeyAlgorithm.EC_P256, requested=None, **asked):
    """Return the codes of all that stands against a CSR under a preset."""
    chosen = PRESETS[preset]
    csr = ParsedCSR(der=b"", public_key=None, public_key_der=b"spki", key_algorithm=key, **asked)
    shaped = shape(
        requested or RequestedContent(),
        parse_defaults(chosen.defaults),
        csr=csr,
        public_key_der=csr.public_key_der,
        key_algorithm=key,
        issuer=_ISSUER,
        now=NOW,
    )
    verdicts = (*hard_rules(shaped.leaf), *evaluate(parse_rules(chosen.rules), shaped.leaf))
    return codes((*shaped.violations, *violations_of(verdicts)))


def cn(name):
    return (("common_name", name),)


def test_there_are_eight():
    assert list(PRESETS) == [
        "tls-server",
        "tls-client",
        "code-signing",
        "device",
        "user",
        "email-protection",
        "dual-purpose-server",
        "intermediate-ca",
    ]


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.key)
def test_defaults_meet_their_own_rules(preset):
    assert violations_against(parse_defaults(preset.defaults), parse_rules(preset.rules)) == ()
    assert preset.label
    assert preset.description.endswith(".")


@pytest.mark.parametrize("key", list(KeyAlgorithm))
@pytest.mark.parametrize("host", ["demo.example.com", "localhost", "127.0.0.1", "a.b.c.example"])
def test_tls_server_accepts_a_csr_with_a_common_name_alone(key, host):
    assert outcome("tls-server", key=key, subject=cn(host)) == []


@pytest.mark.parametrize("subject", [(), _NAMED, (*_NAMED, *_PLACED, *cn("demo.example.com"))])
def test_tls_server_accepts_hosts_and_addresses_with_or_without_subject(subject):
    names = (
        ("dns_name", "demo.example.com"),
        ("dns_name", "localhost"),
        ("ip_address", "127.0.0.1"),
        ("ip_address", "::1"),
    )
    assert outcome("tls-server", subject=subject, subject_alt_names=names) == []


def test_tls_server_accepts_the_usages_that_clients_commonly_ask_for():
    asked = {
        "key_usage": frozenset({"digital_signature", "key_encipherment"}),
        "extended_key_usage": ("server_auth",),
        "is_ca": False,
    }
    names = (("dns_name", "demo.example.com"),)
    for key in (KeyAlgorithm.RSA_2048, KeyAlgorithm.EC_P256, KeyAlgorithm.ML_DSA_65):
        assert outcome("tls-server", key=key, subject_alt_names=names, **asked) == []


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"subject": cn("demo.example.com"), "is_ca": True}, "policy.ca_denied"),
        (
            {"subject": cn("demo.example.com"), "extended_key_usage": ("code_signing",)},
            "policy.extended_key_usage_not_allowed",
        ),
        (
            {"subject": cn("demo.example.com"), "extended_key_usage": ("ocsp_signing",)},
            "rule.extended_key_usage_granted",
        ),
        (
            {"subject": cn("demo.example.com"), "key_usage": frozenset({"key_cert_sign"})},
            "policy.key_usage_not_allowed",
        ),
        ({"subject_alt_names": (("dns_name", "*.example.com"),)}, "policy.wildcard_not_allowed"),
        ({"subject_alt_names": (("email", "ada@example.com"),)}, "policy.san_type_not_allowed"),
        ({"subject": (("user_id", "ada"),)}, "policy.subject_type_not_allowed"),
        (
            {
                "subject": cn("demo.example.com"),
                "requested": RequestedContent(ttl=timedelta(days=399)),
            },
            "policy.validity_too_long",
        ),
    ],
)
def test_tls_server_refuses_what_a_server_has_no_need_of(asked, expected):
    assert expected in outcome("tls-server", **asked)


@pytest.mark.parametrize("key", list(KeyAlgorithm))
@pytest.mark.parametrize(
    "asked",
    [
        {"subject": cn("payments worker")},
        {"subject": cn("client.example.com")},
        {"subject_alt_names": (("uri", "spiffe://example.org/ns/prod/sa/web"),)},
        {
            "subject": cn("x"),
            "subject_alt_names": (("dns_name", "x.example.com"), ("email", "a@b.example")),
        },
    ],
)
def test_tls_client_accepts_free_names_and_spiffe_ids(key, asked):
    assert outcome("tls-client", key=key, **asked) == []


def test_tls_client_refuses_server_certificates():
    found = outcome("tls-client", subject=cn("x"), extended_key_usage=("server_auth",))
    assert "policy.extended_key_usage_not_allowed" in found


@pytest.mark.parametrize(
    ("preset", "asked"),
    [
        ("code-signing", {"subject": cn("Acme Releases")}),
        ("device", {"subject": (*cn("sensor-7"), ("serial_number", "A-17"))}),
        (
            "user",
            {"subject": cn("Ada Lovelace"), "subject_alt_names": (("email", "ada@example.com"),)},
        ),
        ("email-protection", {"subject_alt_names": (("email", "ada@example.com"),)}),
        ("dual-purpose-server", {"subject": cn("broker.example.com")}),
        ("intermediate-ca", {"subject": cn("Acme Issuing CA")}),
    ],
)
def test_each_other_preset_accepts_its_ordinary_request(preset, asked):
    assert outcome(preset, key=KeyAlgorithm.EC_P384, **asked) == []


def test_code_signing_asks_for_long_rsa_keys():
    found = outcome("code-signing", key=KeyAlgorithm.RSA_2048, subject=cn("Acme"))
    assert found == ["policy.key_algorithm_not_allowed"]


def test_intermediate_ca_bounds_the_path():
    found = outcome("intermediate-ca", subject=cn("Acme CA"), is_ca=True, path_length=1)
    assert found == ["policy.path_length_too_long"]


def test_email_protection_asks_for_a_mailbox():
    assert outcome("email-protection", subject=cn("Ada")) == ["policy.san_required"]


_TAKES_URIS = [
    preset.key
    for preset in PRESETS.values()
    if any(rule["type"] == "uri" for rule in preset.rules["subject_alt_names"])
]


@pytest.mark.parametrize("preset", _TAKES_URIS)
@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        "javascript://www.example.com/%0aalert(1)",
        "vbscript:msgbox(1)",
        "data:text/html;base64,PHNjcmlwdD4=",
        "feed:javascript:alert(1)",
        "x-javascript:alert(1)",
        "jar:https://www.example.com/a.jar!/b.html",
        "ms-msdt:/id%20PCWDiagnostic",
        "search-ms:query=a",
        "file://server/share",
    ],
)
def test_no_preset_certifies_a_uri_that_runs_as_a_script(preset, uri):
    found = outcome(preset, subject=cn("x"), subject_alt_names=(("uri", uri),))
    assert found == ["policy.san_denied"]


@pytest.mark.parametrize("preset", _TAKES_URIS)
@pytest.mark.parametrize(
    "uri",
    [
        "spiffe://example.org/ns/a/sa/b",
        "https://www.example.com:8443/a?b=c",
        "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "tag:example.org,2026:a",
    ],
)
def test_presets_certify_the_uris_that_name_things(preset, uri):
    found = outcome(preset, subject=cn("x"), subject_alt_names=(("uri", uri),))
    assert "policy.san_denied" not in found


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(
    "mark_up", ["<script>alert(1)</script>", "a<b", "\uff1cimg\uff1e", "<\u0338b>\u0338"]
)
def test_no_preset_certifies_mark_up_in_a_name(preset, mark_up):
    kinds = [rule["type"] for rule in PRESETS[preset].rules["subject"]]
    refused = 0
    for kind in set(kinds) - {"country", "domain_component", "serial_number", "email_address"}:
        found = outcome(preset, key=KeyAlgorithm.EC_P384, subject=((kind, mark_up),))
        assert "policy.subject_denied" in found, kind
        refused += 1
    assert refused >= len(("common_name", "organization", "organizational_unit"))
