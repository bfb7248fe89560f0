"""How is an OCSP request read?

By hand, because the library reads requests about one certificate only, and every CertID must
be echoed octet by octet. RFC 6960 section 4.1, RFC 9654 (nonce); O-01, O-03, O-06, O-07.
"""

import base64
import binascii
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from pki import der, der_guard
from pki.der_values import OCTET_STRING, integer
from pki.findings import PkiError, Violation
from pki.ocsp.values import (
    ACCEPTABLE_RESPONSES,
    BASIC_RESPONSE,
    CONTEXT_1,
    CONTEXT_2,
    HASH_OIDS,
    NONCE,
    CertId,
    OcspRequest,
)

MAX_REQUEST_BYTES = 4096
MAX_CERT_IDS = 10
# RFC 9654 section 2.1 raised the bound of RFC 8954 from 32 octets.
MAX_NONCE_BYTES = 128
# Issuers stay within 20; more can be asked about, but not without end.
MAX_SERIAL_OCTETS = 64

_BOOLEAN = 0x01
_VERSION_1 = der.encode(der.CONTEXT_0, integer(0))
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
        return _request(data)
    except MalformedRequest:
        raise
    except PkiError as error:
        raise MalformedRequest(error.violations) from error
    except ValueError as error:
        raise _malformed("The request is not DER.") from error


def _malformed(reason: str) -> MalformedRequest:
    return MalformedRequest([Violation("ocsp.malformed_request", "request", "", reason)])


class _Fields:
    """Takes the elements inside a constructed one in order, each by its expected tag."""

    def __init__(self, data: bytes, parent: der.Element) -> None:
        self._data = data
        self._elements = list(der.children(data, parent))
        self._next = 0

    def optional(self, tag: int) -> der.Element | None:
        """Take the next element if it has this tag."""
        if self._next < len(self._elements) and self._elements[self._next].tag == tag:
            self._next += 1
            return self._elements[self._next - 1]
        return None

    def required(self, tag: int) -> der.Element:
        """Take the next element, which must have this tag."""
        element = self.optional(tag)
        if element is None:
            raise _malformed("The request does not have the structure of an OCSPRequest.")
        return element

    def done(self) -> None:
        """Refuse anything that is left."""
        if self._next != len(self._elements):
            raise _malformed("The request holds more than an OCSPRequest has.")


def _request(data: bytes) -> OcspRequest:
    whole = _Fields(data, _expect(der.element_at(data), der.SEQUENCE))
    tbs = _Fields(data, whole.required(der.SEQUENCE))
    whole.optional(der.CONTEXT_0)  # optionalSignature
    whole.done()
    version = tbs.optional(der.CONTEXT_0)
    if version is not None and data[version.start : version.end] != _VERSION_1:
        raise _malformed("Only version 1 of OCSP requests exists.")
    tbs.optional(CONTEXT_1)  # requestorName
    wanted = list(der.children(data, tbs.required(der.SEQUENCE)))
    extensions = tbs.optional(CONTEXT_2)
    tbs.done()
    if not 1 <= len(wanted) <= MAX_CERT_IDS:
        raise _malformed(f"A request asks about 1 to {MAX_CERT_IDS} certificates.")
    nonce = None
    for found in _extensions(data, extensions):
        if found.oid == NONCE:
            nonce = _nonce(found.value)
        elif found.critical and not _accepts_basic_responses(found):
            raise _malformed("The request has a critical extension that is not understood.")
    return OcspRequest(tuple(_single_request(data, one) for one in wanted), nonce)


def _expect(element: der.Element, tag: int) -> der.Element:
    if element.tag != tag:
        raise _malformed("The request does not have the structure of an OCSPRequest.")
    return element


def _single_request(data: bytes, element: der.Element) -> CertId:
    fields = _Fields(data, _expect(element, der.SEQUENCE))
    cert_id = fields.required(der.SEQUENCE)
    extensions = fields.optional(der.CONTEXT_0)
    fields.done()
    if any(found.critical for found in _extensions(data, extensions)):
        raise _malformed("The request has a critical extension that is not understood.")
    return _cert_id(data, cert_id)


def _cert_id(data: bytes, element: der.Element) -> CertId:
    fields = _Fields(data, element)
    hashing = _Fields(data, fields.required(der.SEQUENCE))
    name_hash = fields.required(OCTET_STRING)
    key_hash = fields.required(OCTET_STRING)
    serial = fields.required(der.INTEGER)
    fields.done()
    if serial.end - serial.content > MAX_SERIAL_OCTETS:
        raise _malformed(f"A serial number has more than {MAX_SERIAL_OCTETS} octets.")
    oid = hashing.required(der.OBJECT_IDENTIFIER)
    oid_octets = data[oid.start : oid.end]
    return CertId(
        hash_algorithm=_HASH_NAMES.get(oid_octets) or oid_octets.hex(),
        issuer_name_hash=data[name_hash.content : name_hash.end],
        issuer_key_hash=data[key_hash.content : key_hash.end],
        serial_number=int.from_bytes(data[serial.content : serial.end], "big", signed=True),
        encoded=data[element.start : element.end],
    )


class _Extension(NamedTuple):
    oid: bytes
    critical: bool
    value: bytes


def _extensions(data: bytes, tagged: der.Element | None) -> list[_Extension]:
    """Return the extensions inside an explicit tag; each kind once (RFC 5280 section 4.2)."""
    if tagged is None:
        return []
    outer = _Fields(data, tagged)
    sequence = outer.required(der.SEQUENCE)
    outer.done()
    found = [_extension(data, element) for element in der.children(data, sequence)]
    if len({one.oid for one in found}) != len(found):
        raise _malformed("The request repeats an extension.")
    return found


def _extension(data: bytes, element: der.Element) -> _Extension:
    fields = _Fields(data, _expect(element, der.SEQUENCE))
    oid = fields.required(der.OBJECT_IDENTIFIER)
    critical = fields.optional(_BOOLEAN)
    value = fields.required(OCTET_STRING)
    fields.done()
    return _Extension(
        oid=data[oid.start : oid.end],
        critical=critical is not None and any(data[critical.content : critical.end]),
        value=data[value.content : value.end],
    )


def _nonce(value: bytes) -> bytes:
    """Return the nonce inside its OCTET STRING (RFC 9654 section 2.1)."""
    inner = der.element_at(value)
    nonce = value[inner.content : inner.end]
    if value != der.encode(OCTET_STRING, nonce) or not 1 <= len(nonce) <= MAX_NONCE_BYTES:
        raise _malformed(f"A nonce has 1 to {MAX_NONCE_BYTES} octets.")
    return nonce


def _accepts_basic_responses(found: _Extension) -> bool:
    """Tell whether this is AcceptableResponses and our only type is among them (section 4.4.3)."""
    if found.oid != ACCEPTABLE_RESPONSES:
        return False
    accepted = der.children(found.value, der.element_at(found.value))
    return any(found.value[one.start : one.end] == BASIC_RESPONSE for one in accepted)
