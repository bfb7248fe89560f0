"""ASN.1 structures of OCSP requests and responses (RFC 6960 section 4).

cryptography's ASN.1 module has no optional field of any type and no ENUMERATED. A field
``[n] EXPLICIT X OPTIONAL`` of such a type is declared as ``[n] IMPLICIT SEQUENCE OF ANY``: the
octets are the same, and the list has one element.
"""

from typing import Annotated, Literal, TypeAlias

from cryptography import x509
from cryptography.hazmat import asn1

from pki.structures import AlgorithmIdentifier, Extension


@asn1.sequence
class CertID:
    """CertID (section 4.1.1)."""

    hash_algorithm: AlgorithmIdentifier
    issuer_name_hash: bytes
    issuer_key_hash: bytes
    serial_number: int


@asn1.sequence
class Request:
    """Request; the CertID stays as it came, to be echoed."""

    req_cert: asn1.TLV
    single_request_extensions: Annotated[list[Extension] | None, asn1.Explicit(0)]


@asn1.sequence
class TBSRequest:
    """TBSRequest. Some clients write the version although it is the default."""

    version: Annotated[int | None, asn1.Explicit(0)]
    requestor_name: Annotated[list[asn1.TLV] | None, asn1.Implicit(1)]
    request_list: list[Request]
    request_extensions: Annotated[list[Extension] | None, asn1.Explicit(2)]


@asn1.sequence
class OCSPRequest:
    """OCSPRequest."""

    tbs_request: TBSRequest
    optional_signature: Annotated[list[asn1.TLV] | None, asn1.Implicit(0)]


@asn1.sequence
class RevokedInfo:
    """RevokedInfo (section 4.2.1)."""

    revocation_time: asn1.GeneralizedTime
    revocation_reason: Annotated[list[asn1.TLV] | None, asn1.Implicit(0)]


CertStatus: TypeAlias = (
    Annotated[asn1.Variant[asn1.Null, Literal["good"]], asn1.Implicit(0)]
    | Annotated[asn1.Variant[RevokedInfo, Literal["revoked"]], asn1.Implicit(1)]
    | Annotated[asn1.Variant[asn1.Null, Literal["unknown"]], asn1.Implicit(2)]
)


@asn1.sequence
class SingleResponse:
    """SingleResponse."""

    cert_id: asn1.TLV
    cert_status: CertStatus
    this_update: asn1.GeneralizedTime
    next_update: Annotated[asn1.GeneralizedTime | None, asn1.Explicit(0)]


@asn1.sequence
class ResponseData:
    """ResponseData of version 1, whose responder is named by its key."""

    responder_id: Annotated[bytes, asn1.Explicit(2)]
    produced_at: asn1.GeneralizedTime
    responses: list[SingleResponse]
    response_extensions: Annotated[list[Extension] | None, asn1.Explicit(1)]


@asn1.sequence
class BasicOCSPResponse:
    """BasicOCSPResponse."""

    tbs_response_data: asn1.TLV
    signature_algorithm: asn1.TLV
    signature: asn1.BitString
    certs: Annotated[list[x509.Certificate], asn1.Explicit(0)]


@asn1.sequence
class ResponseBytes:
    """ResponseBytes."""

    response_type: x509.ObjectIdentifier
    response: bytes


@asn1.sequence
class OCSPResponse:
    """OCSPResponse with the status ``successful``."""

    response_status: asn1.TLV
    response_bytes: Annotated[ResponseBytes, asn1.Explicit(0)]
