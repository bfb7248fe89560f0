"""Values that OCSP requests and responses share: CertIDs, statuses and the hashes of an issuer."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from cryptography import x509
from cryptography.hazmat import asn1

from pki import chain, structures
from pki.reasons import RevocationReason

# RFC 6960 section 4.2.1 (id-pkix-ocsp-basic).
BASIC_RESPONSE = x509.ObjectIdentifier("1.3.6.1.5.5.7.48.1.1")
HASH_OIDS = {
    "sha1": x509.ObjectIdentifier("1.3.14.3.2.26"),
    "sha256": x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1"),
    "sha384": x509.ObjectIdentifier("2.16.840.1.101.3.4.2.2"),
    "sha512": x509.ObjectIdentifier("2.16.840.1.101.3.4.2.3"),
}


@dataclass(frozen=True, slots=True)
class CertId:
    """Which certificate is asked about (RFC 6960 section 4.1.1).

    Attributes:
        hash_algorithm: ``sha1``, ``sha256``, ``sha384`` or ``sha512``; the dotted object
            identifier for any other, which matches none of our issuers.
        issuer_name_hash: digest of the issuer's subject, DER.
        issuer_key_hash: digest of the issuer's public key bits.
        serial_number: as asked; nothing says that such a certificate can exist.
        encoded: the CertID as it came, DER, to be echoed; empty when made by ourselves.
    """

    hash_algorithm: str
    issuer_name_hash: bytes
    issuer_key_hash: bytes
    serial_number: int
    encoded: bytes = field(default=b"", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class OcspRequest:
    """An OCSP request: one to ten CertIDs, and the nonce to echo."""

    cert_ids: tuple[CertId, ...]
    nonce: bytes | None


@dataclass(frozen=True, slots=True)
class SingleStatus:
    """The status of one certificate, as of ``this_update`` of the response.

    Attributes:
        cert_id: as it stood in the request.
        status: ``good`` only for certificates that the issuer really issued (O-04).
        revoked_at: aware datetime, with ``revoked`` only.
        reason: left out of the response when unspecified.
    """

    cert_id: CertId
    status: Literal["good", "revoked", "unknown"]
    revoked_at: datetime | None = None
    reason: RevocationReason | None = None


def issuer_hashes(issuer_certificate: x509.Certificate) -> dict[str, tuple[bytes, bytes]]:
    """Return ``{hash algorithm: (issuerNameHash, issuerKeyHash)}`` for every supported hash."""
    subject = chain.subject_bytes(issuer_certificate)
    fields = structures.tbs_certificate(issuer_certificate)
    bits = structures.public_key_bits(asn1.encode_der(fields.subject_public_key_info))
    return {
        name: (
            hashlib.new(name, subject, usedforsecurity=False).digest(),
            hashlib.new(name, bits, usedforsecurity=False).digest(),
        )
        for name in HASH_OIDS
    }
