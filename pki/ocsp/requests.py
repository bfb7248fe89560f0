"""Reader for OCSP requests about up to ten certificates (RFC 6960 section 4.1, RFC 9654).

The library reads requests about one certificate only, and every CertID must be echoed octet by
octet. O-01, O-03, O-06, O-07.
"""

import base64
import binascii
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from cryptography.hazmat import asn1
from cryptography.x509.oid import OCSPExtensionOID

from pki import der_guard, structures
from pki.findings import PkiError, Violation
from pki.ocsp.structures import CertID, OCSPRequest, Request
from pki.ocsp.values import BASIC_RESPONSE, HASH_OIDS, CertId, OcspRequest
from pki.parsing import parsed
from pki.structures import Extension

MAX_REQUEST_BYTES = 4096
MAX_CERT_IDS = 10
# RFC 9654 section 2.1 raised the bound of RFC 8954 from 32 octets.
MAX_NONCE_BYTES = 128
# Issuers stay within 20; more can be asked about, but not without end.
MAX_SERIAL_OCTETS = 64

_HASH_NAMES = {oid: name for name, oid in HASH_OIDS.items()}


class MalformedRequest(PkiError):
    """Bytes that are no OCSP request, or one beyond our bounds: answer ``malformed_request``."""


def decode_get_path(text: str) -> bytes:
    """Return the request that a GET carries in its path (RFC 6960 appendix A.1).

    Args:
        text: what follows the responder's base URL, percent-encoded or not. A slash in front
            is dropped: clients double it when the base URL ends with one (O-01).

    Raises:
        MalformedRequest: not base64, or longer than a request may be.
    """
    octets = text.encode("utf-8", "replace")
    # Every octet of the path may be percent-encoded: three for one; base64 is four for three.
    if len(octets) > MAX_REQUEST_BYTES * 4:
        raise _malformed("The request is too large.")
    try:
        return base64.b64decode(unquote_to_bytes(octets).lstrip(b"/"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _malformed("The path is not base64.") from error


def parse_request(data: bytes) -> OcspRequest:
    """Return an OCSP request; a signature on it is not looked at (RFC 6960 section 4.1.2).

    Raises:
        MalformedRequest: no DER of an OCSPRequest, more than 4 KiB, more than 10 CertIDs, a
            nonce that is empty or beyond 128 octets, or a critical extension that is not
            understood.
    """
    try:
        der_guard.scan(data, max_bytes=MAX_REQUEST_BYTES)
        return parsed(lambda: _request(data))
    except MalformedRequest:
        raise
    except PkiError as error:
        raise MalformedRequest(error.violations) from error
    except ValueError as error:
        raise _malformed("The request is not DER.") from error


def _malformed(reason: str) -> MalformedRequest:
    return MalformedRequest([Violation("ocsp.malformed_request", "request", "", reason)])


def _request(data: bytes) -> OcspRequest:
    tbs = structures.decode(OCSPRequest, data).tbs_request
    if tbs.version not in (None, 0):
        raise _malformed("Only version 1 of OCSP requests exists.")
    if not 1 <= len(tbs.request_list) <= MAX_CERT_IDS:
        raise _malformed(f"A request asks about 1 to {MAX_CERT_IDS} certificates.")
    nonce = None
    for found in _unrepeated(tbs.request_extensions):
        if found.extension_id == OCSPExtensionOID.NONCE:
            nonce = _nonce(found.value)
        elif found.critical and not _accepts_basic_responses(found):
            raise _malformed("The request has a critical extension that is not understood.")
    return OcspRequest(tuple(map(_cert_id, tbs.request_list)), nonce)


def _unrepeated(extensions: Sequence[Extension] | None) -> Sequence[Extension]:
    """Return extensions, of which each kind occurs once (RFC 5280 section 4.2)."""
    found = extensions or ()
    if len({one.extension_id for one in found}) != len(found):
        raise _malformed("The request repeats an extension.")
    return found


def _cert_id(request: Request) -> CertId:
    if any(found.critical for found in _unrepeated(request.single_request_extensions)):
        raise _malformed("The request has a critical extension that is not understood.")
    wanted = request.req_cert.parse(CertID)
    if wanted.serial_number.bit_length() >= 8 * MAX_SERIAL_OCTETS:
        raise _malformed(f"A serial number has more than {MAX_SERIAL_OCTETS} octets.")
    oid = wanted.hash_algorithm.algorithm
    return CertId(
        hash_algorithm=_HASH_NAMES.get(oid, oid.dotted_string),
        issuer_name_hash=wanted.issuer_name_hash,
        issuer_key_hash=wanted.issuer_key_hash,
        serial_number=wanted.serial_number,
        encoded=asn1.encode_der(request.req_cert),
    )


def _nonce(value: bytes) -> bytes:
    """Return the nonce inside its OCTET STRING (RFC 9654 section 2.1)."""
    nonce = structures.decode(bytes, value)
    if not 1 <= len(nonce) <= MAX_NONCE_BYTES:
        raise _malformed(f"A nonce has 1 to {MAX_NONCE_BYTES} octets.")
    return nonce


def _accepts_basic_responses(found: Extension) -> bool:
    """Tell whether this is AcceptableResponses and our only type is among them (section 4.4.3)."""
    if found.extension_id != OCSPExtensionOID.ACCEPTABLE_RESPONSES:
        return False
    return asn1.encode_der(BASIC_RESPONSE) in structures.sequence_elements(found.value)
