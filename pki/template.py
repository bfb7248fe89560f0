"""The content of a certificate as plain values, before it is encoded.

Profile, policy and request decide a ``Leaf`` or ``CaCertificate``. A certificate says nothing
but what these values say; nothing is copied from the request.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pki.algorithms import KeyAlgorithm, SignatureAlgorithm

# Names of subject attributes, general names and usages are those of the policy rules.
SUBJECT_ATTRIBUTES = (
    "common_name",
    "organization",
    "organizational_unit",
    "country",
    "state",
    "locality",
    "street_address",
    "postal_code",
    "serial_number",
    "domain_component",
    "user_id",
    "email_address",
)
SAN_TYPES = ("dns_name", "ip_address", "email", "uri")
KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
EXTENDED_KEY_USAGES = (
    "server_auth",
    "client_auth",
    "code_signing",
    "email_protection",
    "time_stamping",
    "ocsp_signing",
)
RESERVED_USAGES = frozenset({"ocsp_signing", "time_stamping"})
"""Purposes of an authority's own certificates: no request is granted them."""

TypeValue = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Leaf:
    """The content of an end-entity (or subordinate CA) certificate, except its serial number.

    Attributes:
        subject: ordered (attribute, value) pairs; attributes from ``SUBJECT_ATTRIBUTES``.
        subject_alt_names: ordered (type, value) pairs; types from ``SAN_TYPES``; DNS names as
            lower-case A-labels, addresses in canonical text.
        public_key_der: SubjectPublicKeyInfo, DER.
        key_algorithm: algorithm of that key.
        signature_algorithm: what the issuer signs with.
        key_usage: names from ``KEY_USAGES``.
        extended_key_usage: names from ``EXTENDED_KEY_USAGES``, in order.
        not_before: aware UTC, whole seconds.
        not_after: aware UTC, whole seconds, inclusive.
        is_ca: basicConstraints cA.
        path_length: pathLenConstraint, only with ``is_ca``.
        must_staple: TLS feature status_request (RFC 7633): the server staples OCSP responses.
    """

    subject: tuple[TypeValue, ...]
    subject_alt_names: tuple[TypeValue, ...]
    public_key_der: bytes
    key_algorithm: KeyAlgorithm
    signature_algorithm: SignatureAlgorithm
    key_usage: frozenset[str]
    extended_key_usage: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    is_ca: bool = False
    path_length: int | None = None
    must_staple: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form kept with a request and shown by ``evaluate``."""
        return {
            "subject": [*map(list, self.subject)],
            "subject_alt_names": [*map(list, self.subject_alt_names)],
            "public_key": self.public_key_der.hex(),
            "key_algorithm": self.key_algorithm.value,
            "signature_algorithm": self.signature_algorithm.value,
            "key_usage": sorted(self.key_usage),
            "extended_key_usage": list(self.extended_key_usage),
            "not_before": self.not_before.isoformat(),
            "not_after": self.not_after.isoformat(),
            "is_ca": self.is_ca,
            "path_length": self.path_length,
            "must_staple": self.must_staple,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Leaf":
        """Return the leaf that ``as_dict`` described."""
        return cls(
            subject=tuple((a, v) for a, v in data["subject"]),
            subject_alt_names=tuple((t, v) for t, v in data["subject_alt_names"]),
            public_key_der=bytes.fromhex(data["public_key"]),
            key_algorithm=KeyAlgorithm(data["key_algorithm"]),
            signature_algorithm=SignatureAlgorithm(data["signature_algorithm"]),
            key_usage=frozenset(data["key_usage"]),
            extended_key_usage=tuple(data["extended_key_usage"]),
            not_before=datetime.fromisoformat(data["not_before"]),
            not_after=datetime.fromisoformat(data["not_after"]),
            is_ca=data["is_ca"],
            path_length=data["path_length"],
            must_staple=data.get("must_staple", False),  # younger than the oldest rows
        )

    def with_validity(self, not_before: datetime, not_after: datetime) -> "Leaf":
        """Return the same content with another validity."""
        return replace(self, not_before=not_before, not_after=not_after)


@dataclass(frozen=True, slots=True)
class Publication:
    """Where relying parties find an issuer's status and certificate (RFC 5280 section 4.2.2.1).

    Attributes:
        crl_urls: CRL distribution points, one per URL set, in order.
        ocsp_urls: AIA id-ad-ocsp.
        ca_issuers_urls: AIA id-ad-caIssuers.
    """

    crl_urls: tuple[str, ...] = ()
    ocsp_urls: tuple[str, ...] = ()
    ca_issuers_urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NameConstraints:
    """Permitted and excluded subtrees (RFC 5280 section 4.2.1.10); types from ``SAN_TYPES``."""

    permitted: tuple[TypeValue, ...] = ()
    excluded: tuple[TypeValue, ...] = ()
