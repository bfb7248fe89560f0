"""OCSP requests and responses (RFC 6960, RFC 9654)."""

from pki.ocsp.requests import MalformedRequest, decode_get_path, parse_request
from pki.ocsp.responses import build_response, encode_cert_id, error_response
from pki.ocsp.values import CertId, OcspRequest, SingleStatus, issuer_hashes

__all__ = [
    "CertId",
    "MalformedRequest",
    "OcspRequest",
    "SingleStatus",
    "build_response",
    "decode_get_path",
    "encode_cert_id",
    "error_response",
    "issuer_hashes",
    "parse_request",
]
