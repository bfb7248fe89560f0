"""Which names can be read from their bytes, and what do they say?

Requests and certificates of the usual kind hold nothing but plain texts. Reading those here
costs a fraction of the library's objects; it is asked about everything else.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from pki import der, der_values
from pki.der_values import object_identifier
from pki.findings import Violation
from pki.names import attribute_oid, read_subject
from pki.template import SUBJECT_ATTRIBUTES, TypeValue

_ATTRIBUTES = {object_identifier(attribute_oid(name)): name for name in SUBJECT_ATTRIBUTES}
# Tags of UTF8String, PrintableString and IA5String.
_PRINTABLE_STRING = 0x13
_PRINTABLE = re.compile(r"[A-Za-z0-9 '()+,\-./:=?]*", re.ASCII)
_PLAIN_STRINGS = dict.fromkeys((0x0C, 0x13, 0x16), "utf-8")
SUBJECT_ALT_NAME = object_identifier(ExtensionOID.SUBJECT_ALTERNATIVE_NAME.dotted_string)
_EXTENSION_REQUEST = object_identifier("1.2.840.113549.1.9.14")
# GeneralName alternatives that are texts (RFC 5280 section 4.2.1.6), and the one that is not.
TEXT_NAMES = {0x81: "email", 0x82: "dns_name", 0x86: "uri"}
IP_ADDRESS = 0x87
# Where an RDN of less than 128 octets has its attribute's type.
_IN_RDN = 4
_LONG_FORM = 0x80
_MAX_HEADER = 6
_CACHED = 512
MAX_ALT_NAMES = 250
"""Far above what policy allows; bounds the work that one request can cause. More are not read here."""


@dataclass(frozen=True, slots=True)
class AlternativeNames:
    """A subjectAltName extension; the type of a name that is not one of ours is empty."""

    names: tuple[TypeValue, ...]
    critical: bool


def read_encoded_subject(
    subject_der: bytes, parsed: Callable[[], x509.Name]
) -> tuple[tuple[TypeValue, ...], tuple[Violation, ...]]:
    """Return what ``names.read_subject`` returns.

    Args:
        subject_der: a Name that the library accepted as part of a request or certificate.
        parsed: returns it as the library reads it; asked for what is not plain.
    """
    plain = plain_subject(subject_der, *der.bounds(subject_der))
    return read_subject(parsed()) if plain is None else (plain, ())


def plain_subject(data: bytes, start: int, end: int) -> tuple[TypeValue, ...] | None:
    """Return the pairs of the RDNs that fill ``data[start:end]``.

    Returns:
        ``None`` unless each of them is one attribute of ours, a plain string, and shorter than
        128 octets.
    """
    pairs: list[TypeValue] = []
    offset = start
    try:
        while offset < end:
            # SET { SEQUENCE { type, value } }; each of the three ends where the value does.
            size = data[offset + 1]
            string = offset + _IN_RDN + 2 + data[offset + _IN_RDN + 1]
            text, after = string + 2, offset + 2 + size
            if (
                data[offset] != der.SET
                or data[offset + 2] != der.SEQUENCE
                or data[offset + 3] != size - 2
                or size >= _LONG_FORM
                or text + data[string + 1] != after
            ):
                return None
            attribute = _ATTRIBUTES[data[offset + _IN_RDN : string]]
            value = str(data[text:after], _PLAIN_STRINGS[data[string]])
            if data[string] == _PRINTABLE_STRING and not _PRINTABLE.fullmatch(value):
                return None
            pairs.append((attribute, value))
            offset = after
    except (IndexError, KeyError, UnicodeDecodeError):
        return None
    return tuple(pairs) if offset == end else None


def has_alt_names(extension: bytes) -> bool:
    """Tell whether an Extension, DER, is a subjectAltName."""
    content, _ = der.bounds(extension)
    return extension.startswith(SUBJECT_ALT_NAME, content)


def read_encoded_alt_names(extension: bytes) -> AlternativeNames | None:
    """Return the names of a subjectAltName extension.

    Args:
        extension: an Extension that says it is one; otherwise any bytes.

    Returns:
        ``None`` unless these are just the bytes that we would write for the names, and all of
        them are of our types, shorter than 128 octets, and at most 250.
    """
    for critical in (False, True):
        head = _head_of_extension(len(extension), critical)
        if head is not None and extension.startswith(head):
            names = _plain_names(extension, len(head), len(extension))
            return None if names is None else AlternativeNames(names, critical)
    return None


def plain_alt_names_asked(data: bytes, start: int, end: int) -> tuple[TypeValue, ...] | None:
    """Return the alternative names that the attributes of a request ask for.

    Args:
        data: a request.
        start: of its attributes, in their context tag (RFC 2986 section 4.1).
        end: of its attributes.

    Returns:
        ``None`` unless there is one attribute, an extensionRequest for one extension, and that
        one is such as ``read_encoded_alt_names`` reads, with names in it.
    """
    for critical in (False, True):
        head = _head_of_request(end - start, critical)
        if head is not None and data.startswith(head, start):
            return _plain_names(data, start + len(head), end) or None
    return None


def _plain_names(data: bytes, start: int, end: int) -> tuple[TypeValue, ...] | None:
    """Return the GeneralNames that fill ``data[start:end]``, if they are plain."""
    found: list[TypeValue] = []
    offset = start
    try:
        while offset < end:
            tag, size = data[offset], data[offset + 1]
            if size >= _LONG_FORM or len(found) == MAX_ALT_NAMES:
                return None
            content = data[offset + 2 : offset + 2 + size]
            offset += 2 + size
            if tag == IP_ADDRESS:
                found.append(("ip_address", str(ipaddress.ip_address(content))))
            else:
                found.append((TEXT_NAMES[tag], str(content, "ascii")))
    except (IndexError, KeyError, ValueError):
        return None
    return tuple(found) if offset == end else None


# --- what stands before the names -------------------------------------------------------------

# Elements around the GeneralNames, from the outside in: tag, and what stands before the next one.
_Layers = tuple[tuple[int, bytes], ...]

_NAMES: _Layers = ((der_values.OCTET_STRING, b""), (der.SEQUENCE, b""))
_EXTENSION: _Layers = ((der.SEQUENCE, SUBJECT_ALT_NAME), *_NAMES)
_CRITICAL: _Layers = ((der.SEQUENCE, SUBJECT_ALT_NAME + der_values.BOOLEAN_TRUE), *_NAMES)
_ATTRIBUTE: _Layers = (
    (der.CONTEXT_0, b""),
    (der.SEQUENCE, _EXTENSION_REQUEST),
    (der.SET, b""),
    (der.SEQUENCE, b""),
)


@lru_cache(maxsize=_CACHED)
def _head_of_extension(size: int, critical: bool) -> bytes | None:
    """Return what a subjectAltName extension of ``size`` octets has before its names."""
    return _head(_CRITICAL if critical else _EXTENSION, size)


@lru_cache(maxsize=_CACHED)
def _head_of_request(size: int, critical: bool) -> bytes | None:
    """Return what attributes of ``size`` octets have before the names, all that they ask for."""
    return _head(_ATTRIBUTE + (_CRITICAL if critical else _EXTENSION), size)


def _head(layers: _Layers, size: int) -> bytes | None:
    """Return the octets before the innermost content of nested elements, ``size`` octets in all.

    DER writes a length in one way only, so these octets leave nothing open but that content.

    Returns:
        ``None`` when no such elements have that size.
    """
    head = b""
    try:
        for tag, first in layers:
            head += _header(tag, size - len(head)) + first
    except ValueError:
        return None
    return head


def _header(tag: int, size: int) -> bytes:
    """Return identifier and length octets of an element that has ``size`` octets with these.

    Raises:
        ValueError: no element has that size.
    """
    for content in range(size - 2, size - _MAX_HEADER - 1, -1):
        header = der_values.header(tag, content)
        if len(header) + content == size:
            return header
    raise ValueError
