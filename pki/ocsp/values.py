"""Which words do OCSP requests and responses share?"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from cryptography import x509

from pki import der
from pki.der_values import object_identifier, public_key_octets, subject_octets
from pki.reasons import RevocationReason

BASIC_RESPONSE = object_identifier("1.3.6.1.5.5.7.48.1.1")
NONCE = object_identifier("1.3.6.1.5.5.7.48.1.2")
ACCEPTABLE_RESPONSES = object_identifier("1.3.6.1.5.5.7.48.1.4")
HASH_OIDS = {
    "sha1": object_identifier("1.3.14.3.2.26"),
    "sha256": object_identifier("2.16.840.1.101.3.4.2.1"),
    "sha384": object_identifier("2.16.840.1.101.3.4.2.2"),
    "sha512": object_identifier("2.16.840.1.101.3.4.2.3"),
}
CONTEXT_1, CONTEXT_2 = 0xA1, 0xA2


@dataclass(frozen=True, slots=True)
class CertId:
    """Which certificate is asked about (RFC 6960 section 4.1.1).

    Attributes:
        hash_algorithm: ``sha1``, ``sha256``, ``sha384`` or ``sha512``; the hex of the OBJECT
            IDENTIFIER for any other, which no issuer of ours can match.
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
    subject = subject_octets(issuer_certificate)
    bits = key_bits(issuer_certificate)
    return {
        name: (
            hashlib.new(name, subject, usedforsecurity=False).digest(),
            hashlib.new(name, bits, usedforsecurity=False).digest(),
        )
        for name in HASH_OIDS
    }


def key_bits(certificate: x509.Certificate) -> bytes:
    """Return the value of subjectPublicKey without tag, length and unused-bits octet."""
    spki = public_key_octets(certificate)
    *_, bits = der.children(spki, der.element_at(spki))
    return spki[bits.content + 1 : bits.end]
