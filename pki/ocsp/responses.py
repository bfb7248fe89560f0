"""Writer for signed OCSP responses about one or more certificates (RFC 6960 section 4.2).

The library's builder answers about one certificate only. O-02 to O-06.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Literal, NamedTuple

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from pki import keys, structures
from pki.algorithms import SignatureAlgorithm
from pki.findings import UnusableCertificate, Violation
from pki.ocsp.structures import (
    BasicOCSPResponse,
    CertID,
    CertStatus,
    OCSPResponse,
    ResponseBytes,
    ResponseData,
    RevokedInfo,
    SingleResponse,
)
from pki.ocsp.values import BASIC_RESPONSE, HASH_OIDS, CertId, SingleStatus
from pki.reasons import RevocationReason
from pki.structures import AlgorithmIdentifier, algorithm_identifier

_ErrorName = Literal[
    "malformed_request", "internal_error", "try_later", "sig_required", "unauthorized"
]
_SUCCESSFUL = b"\x0a\x01\x00"  # ENUMERATED 0


def error_response(name: _ErrorName) -> bytes:
    """Return a response that carries an error status and nothing else (O-02)."""
    status = ocsp.OCSPResponseStatus[name.upper()]
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)


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
    updates = _time(this_update), None if next_update is None else _time(next_update)
    data = asn1.encode_der(
        ResponseData(
            responder_id=responder.key_hash,
            produced_at=_time(produced_at),
            responses=[_single_response(status, *updates) for status in statuses],
            response_extensions=(
                None if nonce is None else [structures.extension(x509.OCSPNonce(nonce))]
            ),
        )
    )
    basic = BasicOCSPResponse(
        tbs_response_data=structures.raw(data),
        signature_algorithm=structures.raw(algorithm_identifier(signature_algorithm)),
        signature=asn1.BitString(keys.sign(private_key, data, signature_algorithm), 0),
        certs=[responder_certificate],
    )
    return asn1.encode_der(
        OCSPResponse(
            response_status=structures.raw(_SUCCESSFUL),
            response_bytes=ResponseBytes(
                response_type=BASIC_RESPONSE, response=asn1.encode_der(basic)
            ),
        )
    )


class _Responder(NamedTuple):
    """What every response of one responder repeats."""

    key_hash: bytes
    not_before: datetime
    not_after: datetime


@lru_cache(maxsize=64)
def _responder(certificate: x509.Certificate) -> _Responder:
    # byKey needs no name matching; RFC 6960 section 4.2.1 fixes SHA-1 for it, as RFC 5280
    # section 4.2.1.2 (1) does for a key identifier.
    key_identifier = x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())
    return _Responder(
        key_hash=key_identifier.digest,
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


def _time(moment: datetime) -> asn1.GeneralizedTime:
    """Return a GeneralizedTime in whole seconds (RFC 6960 section 4.2.2.1, RFC 5280 4.1.2.5.2).

    Raises:
        ValueError: a naive datetime.
    """
    return asn1.GeneralizedTime(moment.replace(microsecond=0))


def _single_response(
    status: SingleStatus,
    this_update: asn1.GeneralizedTime,
    next_update: asn1.GeneralizedTime | None,
) -> SingleResponse:
    return SingleResponse(
        cert_id=structures.raw(status.cert_id.encoded or encode_cert_id(status.cert_id)),
        cert_status=_cert_status(status),
        this_update=this_update,
        next_update=next_update,
    )


def _cert_status(status: SingleStatus) -> CertStatus:
    if status.status == "good":
        return asn1.Variant(asn1.Null(), "good")
    if status.status == "unknown":
        return asn1.Variant(asn1.Null(), "unknown")
    if status.revoked_at is None:
        raise ValueError("a revoked certificate was revoked at some time")
    info = RevokedInfo(
        revocation_time=_time(status.revoked_at), revocation_reason=_reason(status.reason)
    )
    return asn1.Variant(info, "revoked")


def _reason(reason: RevocationReason | None) -> list[asn1.TLV] | None:
    """Return the CRLReason; RFC 5280 section 5.3.1 wants none instead of ``unspecified``."""
    if reason is None or reason == RevocationReason.UNSPECIFIED:
        return None
    return [structures.raw(x509.CRLReason(x509.ReasonFlags(reason.value)).public_bytes())]


def encode_cert_id(cert_id: CertId) -> bytes:
    """Return a CertID, DER, as most clients write it: NULL as parameters of the hash algorithm."""
    return asn1.encode_der(
        CertID(
            hash_algorithm=AlgorithmIdentifier(
                algorithm=HASH_OIDS[cert_id.hash_algorithm], parameters=asn1.Null()
            ),
            issuer_name_hash=cert_id.issuer_name_hash,
            issuer_key_hash=cert_id.issuer_key_hash,
            serial_number=cert_id.serial_number,
        )
    )
