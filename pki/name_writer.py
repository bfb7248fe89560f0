"""How are decided names written in DER? Subjects and alternative names, without library objects.

Each certificate has names of its own, so nothing here can be prepared; the library's way takes
some fifty calls for one name.
"""

import ipaddress
from collections.abc import Iterable, Sequence

from pki import der
from pki.der_values import extension, object_identifier
from pki.encoded_names import IP_ADDRESS, SUBJECT_ALT_NAME, TEXT_NAMES
from pki.findings import UnusableName
from pki.names import attribute_oid, subject_violations
from pki.template import SUBJECT_ATTRIBUTES, TypeValue

_UTF8_STRING, _PRINTABLE_STRING, _IA5_STRING = 0x0C, 0x13, 0x16
# Attributes whose types are not DirectoryStrings (RFC 5280 appendix A.1).
_STRING_TYPES = {
    "country": _PRINTABLE_STRING,
    "serial_number": _PRINTABLE_STRING,
    "domain_component": _IA5_STRING,
    "email_address": _IA5_STRING,
}
_ATTRIBUTES = {
    name: (object_identifier(attribute_oid(name)), _STRING_TYPES.get(name, _UTF8_STRING))
    for name in SUBJECT_ATTRIBUTES
}
_TAGS = {name: tag for tag, name in TEXT_NAMES.items()}


def encoded_subject(pairs: Sequence[TypeValue]) -> bytes:
    """Return the Name of a subject, DER: the bytes of ``names.x509_name``.

    Raises:
        UnusableName: an attribute is unknown, empty, too long or malformed; all are listed.
    """
    violations = subject_violations(pairs)
    if violations:
        raise UnusableName(violations)
    names = []
    for attribute, value in pairs:
        oid, string_type = _ATTRIBUTES[attribute]
        text = der.encode(string_type, value.encode())
        names.append(der.encode(der.SET, der.encode(der.SEQUENCE, oid, text)))
    return der.encode(der.SEQUENCE, *names)


def encoded_alt_names(pairs: Iterable[TypeValue], *, critical: bool) -> bytes:
    """Return the Extension of canonical alternative names, DER, in order.

    Raises:
        ValueError: a name is not ASCII, or an address none.
    """
    names = []
    for kind, value in pairs:
        if kind == "ip_address":
            names.append(der.encode(IP_ADDRESS, ipaddress.ip_address(value).packed))
        else:
            names.append(der.encode(_TAGS[kind], value.encode("ascii")))
    return extension(SUBJECT_ALT_NAME, der.encode(der.SEQUENCE, *names), critical=critical)
