"""Which names can be read from their bytes, and what do they say?

Requests and certificates of the usual kind hold nothing but plain texts. Reading those here
costs a fraction of the library's objects; it is asked about everything else.
"""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from pki import der, der_values
from pki.der_values import object_identifier
from pki.findings import Violation
from pki.names import attribute_oid, read_subject
from pki.template import SUBJECT_ATTRIBUTES, TypeValue

# More names are the library's to read: it is quicker with many, and nobody certifies them.
_MAX_ALT_NAMES = 250

_ATTRIBUTES = {object_identifier(attribute_oid(name)): name for name in SUBJECT_ATTRIBUTES}
# Tags of UTF8String, PrintableString and IA5String.
_PLAIN_STRINGS = dict.fromkeys((0x0C, 0x13, 0x16), "utf-8")
_SAN = object_identifier(ExtensionOID.SUBJECT_ALTERNATIVE_NAME.dotted_string)
# GeneralName alternatives that are texts (RFC 5280 section 4.2.1.6), and the one that is not.
_TEXT_NAMES = {0x81: "email", 0x82: "dns_name", 0x86: "uri"}
_IP_ADDRESS = 0x87


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
    pairs: list[TypeValue] = []
    try:
        for rdn in der.split(subject_der):
            (attribute,) = der.split(rdn)
            oid, value = der.split(attribute)
            pairs.append((_ATTRIBUTES[oid], str(der.content(value), _PLAIN_STRINGS[value[0]])))
    except (ValueError, KeyError):
        return read_subject(parsed())
    return tuple(pairs), ()


def has_alt_names(extension: bytes) -> bool:
    """Tell whether an Extension, DER, is a subjectAltName."""
    length = extension[1]
    return extension.startswith(_SAN, 2 if length < 0x80 else length - 0x7E)  # noqa: PLR2004 - after a short or long length, X.690 section 8.1.3


def read_encoded_alt_names(extension: bytes) -> AlternativeNames | None:
    """Return the names of a subjectAltName extension.

    Args:
        extension: an Extension that says it is one; otherwise any bytes.

    Returns:
        ``None`` unless these are just the bytes that we would write for the names, and all of
        them are of our types.
    """
    found: list[TypeValue] = []
    encoded: list[bytes] = []
    try:
        _, *critical, value = der.split(extension)
        names = der.split(der.content(value))
        if len(names) > _MAX_ALT_NAMES:
            return None
        for name in names:
            tag, content = name[0], der.content(name)
            found.append(_alt_name(tag, content))
            encoded.append(der.encode(tag, content))
    except (ValueError, KeyError):
        return None
    ours = der_values.extension(_SAN, der.encode(der.SEQUENCE, *encoded), critical=bool(critical))
    return AlternativeNames(tuple(found), bool(critical)) if extension == ours else None


def _alt_name(tag: int, content: bytes) -> TypeValue:
    if tag == _IP_ADDRESS:
        return "ip_address", str(ipaddress.ip_address(content))
    return _TEXT_NAMES[tag], str(content, "ascii")
