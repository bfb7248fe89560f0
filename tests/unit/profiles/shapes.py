"""Content shaped from a usual CSR, profile and issuer, for tests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from apps.policies.rules import NO_RULES
from apps.profiles.defaults import parse_defaults
from apps.profiles.requested_content import IssuerLimits, RequestedContent
from apps.profiles.shaping import shape
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm
from pki.csr import ParsedCSR

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
