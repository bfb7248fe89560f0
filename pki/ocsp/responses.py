"""How is an OCSP response written?

By hand, because the library's builder answers about one certificate only and costs more than
the signature. RFC 6960 section 4.2; O-02 to O-06.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Literal, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from pki import der, keys
from pki.algorithms import SignatureAlgorithm
from pki.der_values import (
    OCTET_STRING,
    algorithm_identifier,
    extension,
    generalized_time,
    integer,
)
from pki.findings import UnusableCertificate, Violation
from pki.ocsp.values import (
    BASIC_RESPONSE,
    CONTEXT_1,
    CONTEXT_2,
    HASH_OIDS,
    NONCE,
    CertId,
    SingleStatus,
    key_bits,
)
from pki.reasons import RevocationReason

_ERRORS = {
    "malformed_request": 1,
    "internal_error": 2,
    "try_later": 3,
    "sig_required": 5,
    "unauthorized": 6,
}
_ENUMERATED = 0x0A
_NULL = b"\x05\x00"
_SUCCESSFUL = integer(0, _ENUMERATED)
# certStatus: [0] IMPLICIT NULL and [2] IMPLICIT NULL.
_GOOD = b"\x80\x00"
_UNKNOWN = b"\x82\x00"


def error_response(
    name: Literal[
        "malformed_request", "internal_error", "try_later", "sig_required", "unauthorized"
    ],
) -> bytes:
    """Return a response that carries an error status and nothing else (O-02)."""
    return der.encode(der.SEQUENCE, integer(_ERRORS[name], _ENUMERATED))


def build_response(
    *,
    statuses: Sequence[SingleStatus],
    responder_certificate: x509.Certificate,
    private_key: PrivateKeyTypes,
    signature_algorithm: SignatureAlgorithm,
    this_update: datetime,
    next_update: datetime | None,
    produced_at: datetime,
    nonce: bytes | None = None,
) -> bytes:
    """Return a signed basic OCSP response, DER, with the responder's certificate in it.

    Args:
        statuses: one for each CertID of the request, in its order (O-03).
        responder_certificate: the issuing authority's own, or one it delegated to (O-05).
        private_key: of that certificate; may be a delegated one.
        signature_algorithm: one that the key can make.
        this_update: when the statuses were known to be right, aware.
        next_update: when newer ones will be there, aware; ``None`` for "always ask".
        produced_at: time of signing, aware.
        nonce: of the request, echoed.

    Raises:
        UnusableCertificate: the responder's certificate is not valid at ``produced_at``.
        UnusableKey: the key cannot make such signatures.
        ValueError: naive datetimes, no status at all, or a revoked one without its time.
    """
    if not statuses:
        raise ValueError("an OCSP response tells the status of at least one certificate")
    responder = _responder(responder_certificate)
    if not responder.not_before <= produced_at <= responder.not_after:
        raise UnusableCertificate([_expired_responder(responder)])
    times = generalized_time(this_update)
    if next_update is not None:
        times += der.encode(der.CONTEXT_0, generalized_time(next_update))
    data = der.encode(
        der.SEQUENCE,
        responder.identifier,
        generalized_time(produced_at),
        der.encode(der.SEQUENCE, *[_single_response(status, times) for status in statuses]),
        b"" if nonce is None else _nonce_extension(nonce),
    )
    basic = der.encode(
        der.SEQUENCE,
        data,
        algorithm_identifier(signature_algorithm),
        der.encode(der.BIT_STRING, b"\x00", keys.sign(private_key, data, signature_algorithm)),
        responder.certificates,
    )
    response_bytes = der.encode(der.SEQUENCE, BASIC_RESPONSE, der.encode(OCTET_STRING, basic))
    return der.encode(der.SEQUENCE, _SUCCESSFUL, der.encode(der.CONTEXT_0, response_bytes))


class _Responder(NamedTuple):
    """What every response of one responder repeats."""

    identifier: bytes
    certificates: bytes
    not_before: datetime
    not_after: datetime


@lru_cache(maxsize=64)
def _responder(certificate: x509.Certificate) -> _Responder:
    # byKey needs no name matching; RFC 6960 section 4.2.1 fixes SHA-1 for it.
    key_hash = hashlib.sha1(key_bits(certificate), usedforsecurity=False).digest()
    octets = certificate.public_bytes(Encoding.DER)
    return _Responder(
        identifier=der.encode(CONTEXT_2, der.encode(OCTET_STRING, key_hash)),
        certificates=der.encode(der.CONTEXT_0, der.encode(der.SEQUENCE, octets)),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def _expired_responder(responder: _Responder) -> Violation:
    return Violation(
        code="ocsp.responder_expired",
        field="responder_certificate",
        value=responder.not_after.isoformat(),
        reason="The responder's certificate is not valid at the time of signing.",
    )


def _single_response(status: SingleStatus, times: bytes) -> bytes:
    """Return a SingleResponse (RFC 6960 section 4.2.1); ``times`` are its last two fields."""
    if status.status == "good":
        told = _GOOD
    elif status.status == "unknown":
        told = _UNKNOWN
    elif status.revoked_at is None:
        raise ValueError("a revoked certificate was revoked at some time")
    else:
        told = generalized_time(status.revoked_at)
        if status.reason is not None and status.reason != RevocationReason.UNSPECIFIED:
            told += der.encode(der.CONTEXT_0, integer(status.reason.code, _ENUMERATED))
        told = der.encode(CONTEXT_1, told)
    return der.encode(der.SEQUENCE, _encoded_cert_id(status.cert_id), told, times)


def _encoded_cert_id(cert_id: CertId) -> bytes:
    if cert_id.encoded:
        return cert_id.encoded
    return der.encode(
        der.SEQUENCE,
        der.encode(der.SEQUENCE, HASH_OIDS[cert_id.hash_algorithm], _NULL),
        der.encode(OCTET_STRING, cert_id.issuer_name_hash),
        der.encode(OCTET_STRING, cert_id.issuer_key_hash),
        integer(cert_id.serial_number),
    )


def _nonce_extension(nonce: bytes) -> bytes:
    value = extension(NONCE, der.encode(OCTET_STRING, nonce))
    return der.encode(CONTEXT_1, der.encode(der.SEQUENCE, value))
