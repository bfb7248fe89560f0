"""Subjects and alternative names: rules, canonical form, and conversion from and to X.509.

Subjects are ordered (attribute, value) pairs, alternative names (type, value) pairs, as in
``pki.template``. ``pki.addresses`` has the rules for a single address.
"""

import ipaddress
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from cryptography import x509
from cryptography.x509.oid import NameOID

from pki.addresses import (
    canonical_dns_name,
    canonical_email,
    canonical_ip,
    canonical_uri,
    has_invisible,
    visible,
)
from pki.findings import UnusableName, Violation
from pki.structures import name_attributes
from pki.template import TypeValue

# The library warns while it reads an over-long name. Lengths are checked here.
warnings.filterwarnings("ignore", message="Attribute's length must be", category=UserWarning)

_OIDS: dict[str, x509.ObjectIdentifier] = {
    "common_name": NameOID.COMMON_NAME,
    "organization": NameOID.ORGANIZATION_NAME,
    "organizational_unit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "country": NameOID.COUNTRY_NAME,
    "state": NameOID.STATE_OR_PROVINCE_NAME,
    "locality": NameOID.LOCALITY_NAME,
    "street_address": NameOID.STREET_ADDRESS,
    "postal_code": NameOID.POSTAL_CODE,
    "serial_number": NameOID.SERIAL_NUMBER,
    "domain_component": NameOID.DOMAIN_COMPONENT,
    "user_id": NameOID.USER_ID,
    "email_address": NameOID.EMAIL_ADDRESS,
}
_ATTRIBUTES = {oid: name for name, oid in _OIDS.items()}

# Upper bounds in characters: RFC 5280 appendix A.1, X.520 annex C for the last four.
_BOUNDS = {
    "common_name": 64,
    "organization": 64,
    "organizational_unit": 64,
    "country": 2,
    "state": 128,
    "locality": 128,
    "serial_number": 64,
    "email_address": 255,
    "domain_component": 63,
    "street_address": 128,
    "postal_code": 40,
    "user_id": 256,
}

# RFC 4514 section 3 where it has a short name, else the descriptor of the LDAP registry.
_SHORT_NAMES = {
    "common_name": "CN",
    "organization": "O",
    "organizational_unit": "OU",
    "country": "C",
    "state": "ST",
    "locality": "L",
    "street_address": "STREET",
    "postal_code": "postalCode",
    "serial_number": "serialNumber",
    "domain_component": "DC",
    "user_id": "UID",
    "email_address": "emailAddress",
}

# Identifier octets of the string types (X.680 section 8.4).
_READABLE_STRINGS = {b"\x0c", b"\x13", b"\x16"}  # UTF8String, PrintableString, IA5String
_OTHER_STRINGS = {
    b"\x03": "BIT STRING",
    b"\x04": "OCTET STRING",
    b"\x12": "NumericString",
    b"\x14": "T61String",
    b"\x17": "UTCTime",
    b"\x18": "GeneralizedTime",
    b"\x1a": "VisibleString",
    b"\x1c": "UniversalString",
    b"\x1e": "BMPString",
}

MAX_ALT_NAMES = 250
"""Far above what policies allow; bounds the work that one request can cause."""

_CACHED = 512
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
_PRINTABLE = re.compile(r"[A-Za-z0-9 '()+,\-./:=?]+", re.ASCII)
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?", re.ASCII)

_GENERAL_NAMES: dict[str, type[x509.DNSName | x509.RFC822Name | x509.UniformResourceIdentifier]] = {
    "dns_name": x509.DNSName,
    "email": x509.RFC822Name,
    "uri": x509.UniformResourceIdentifier,
}
_SAN_KINDS: dict[type[x509.GeneralName], str] = {
    x509.IPAddress: "ip_address",
    **{wrapper: kind for kind, wrapper in _GENERAL_NAMES.items()},
}
_CANONICAL: dict[str, Callable[[str], str]] = {
    "dns_name": canonical_dns_name,
    "ip_address": canonical_ip,
    "email": canonical_email,
    "uri": canonical_uri,
}


def canonical_san(kind: str, value: str, *, field: str = "subject_alt_names") -> str:
    """Return the one form in which an alternative name is compared, stored and encoded.

    Args:
        kind: one of ``pki.template.SAN_TYPES``.
        value: as the requester wrote it; Unicode host names become A-labels.
        field: path that a violation names.

    Raises:
        UnusableName: the value is not what ``kind`` says, or a trick (AC-04, X-16).
    """
    if kind not in _CANONICAL:
        raise UnusableName(
            [
                Violation(
                    code="name.type_not_supported",
                    field=field,
                    value=kind,
                    reason="Names of this type are not supported.",
                    hint=", ".join(_CANONICAL),
                )
            ]
        )
    try:
        return _canonical(kind, value)
    except UnusableName as error:
        raise UnusableName([_at(field, violation) for violation in error.violations]) from None


@lru_cache(maxsize=4 * _CACHED)
def _canonical(kind: str, value: str) -> str:
    """Apply the rule of a type. Cached, because one issuance asks about each name several times."""
    return _CANONICAL[kind](value)


def _at(field: str, violation: Violation) -> Violation:
    return Violation(violation.code, field, violation.value, violation.reason, violation.hint)


def subject_violations(
    pairs: Sequence[TypeValue], *, field: str = "subject"
) -> tuple[Violation, ...]:
    """Return every reason why ``pairs`` cannot be a subject (X-08, AC-04)."""
    subject = tuple((attribute, value) for attribute, value in pairs)
    try:
        _require_sound(subject)
    except UnusableName:
        return _subject_violations(subject, field)
    return ()


@lru_cache(maxsize=_CACHED)
def _require_sound(subject: tuple[TypeValue, ...]) -> None:
    """Raise ``UnusableName`` for an unsound subject. The cache keeps only sound ones."""
    found = _subject_violations(subject, "subject")
    if found:
        raise UnusableName(found)


def _subject_violations(pairs: tuple[TypeValue, ...], field: str) -> tuple[Violation, ...]:
    found: list[Violation] = []
    for position, (attribute, value) in enumerate(pairs):
        found += _attribute_violations(attribute, value, f"{field}[{position}]")
    if sum(attribute == "common_name" for attribute, _ in pairs) > 1:
        found.append(
            Violation(
                code="name.several_common_names",
                field=field,
                value=", ".join(v for a, v in pairs if a == "common_name"),
                reason="A subject has at most one common name.",
                hint="List further names as subject alternative names.",
            )
        )
    return tuple(found)


def _attribute_violations(attribute: str, value: str, field: str) -> list[Violation]:
    def broken(code: str, reason: str, hint: str = "") -> Violation:
        return Violation(f"name.{code}", f"{field}.{attribute}", visible(value), reason, hint)

    if attribute not in _OIDS:
        hint = ", ".join(_OIDS)
        return [broken("attribute_not_supported", "This subject attribute is not supported.", hint)]
    found = []
    if not value.strip():
        found.append(broken("empty", "The value is empty.", "A value, or leave it out."))
    elif value != value.strip():
        reason = "The value begins or ends with a space."
        found.append(broken("surrounding_space", reason, visible(value.strip())))
    if has_invisible(value):
        reason = "The value has control, formatting or unassigned characters."
        found.append(broken("invisible_character", reason, "Only characters that readers can see."))
    if _length(attribute, value) > _BOUNDS[attribute]:
        hint = f"At most {_BOUNDS[attribute]} characters."
        found.append(broken("too_long", "The value is longer than X.509 allows.", hint))
    if not found and not _has_form(attribute, value):
        found.append(broken("form", _FORMS[attribute][0], _FORMS[attribute][1]))
    return found


def _length(attribute: str, value: str) -> int:
    """Return characters; for the common name octets of UTF-8, which the library counts."""
    if attribute == "common_name":
        return len(value.encode("utf-8", "surrogatepass"))
    return len(value)


_FORMS = {
    "country": ("The country is not a two-letter code.", "ISO 3166 alpha-2 in capitals, like DE."),
    "serial_number": (
        "The serial number has characters outside PrintableString.",
        "A-Z a-z 0-9 '()+,-./:=? and space.",
    ),
    "domain_component": (
        "A domain component is one label of a host name.",
        "Letters, digits and hyphens.",
    ),
    "email_address": ("This is not an e-mail address.", "local-part@example.com"),
}


def _has_form(attribute: str, value: str) -> bool:
    """Tell whether a value fits the syntax of its attribute, where it has one."""
    if attribute == "country":
        return _COUNTRY.fullmatch(value) is not None
    if attribute == "serial_number":
        return _PRINTABLE.fullmatch(value) is not None
    if attribute == "domain_component":
        return _LABEL.fullmatch(value) is not None
    if attribute == "email_address":
        try:
            canonical_email(value)
        except UnusableName:
            return False
        return value.isascii()
    return True


def x509_name(pairs: Sequence[TypeValue]) -> x509.Name:
    """Return the encodable name, one attribute per RDN in the given order.

    Country and serial number become PrintableString, domain components and e-mail addresses
    IA5String, everything else UTF8String (X-08, RFC 5280 section 4.1.2.4).

    Raises:
        UnusableName: an attribute is unknown, empty, too long or malformed; all are listed.
    """
    _require_sound(tuple(pairs))
    # The library's defaults are the string types that this function promises.
    return x509.Name([x509.NameAttribute(_OIDS[attribute], value) for attribute, value in pairs])


def subject_pairs(name: x509.Name, *, field: str = "subject") -> tuple[TypeValue, ...]:
    """Return the (attribute, value) pairs of a name that someone else encoded.

    Raises:
        UnusableName: unsupported attributes, string types whose text is ambiguous
            (T61String, BMPString, UniversalString), or RDNs of several attributes.
    """
    pairs, found = read_subject(name, field=field)
    if found:
        raise UnusableName(found)
    return pairs


def read_subject(
    name: x509.Name, *, field: str = "subject"
) -> tuple[tuple[TypeValue, ...], tuple[Violation, ...]]:
    """Return the pairs that can be read, and what is wrong with the others."""
    pairs: list[TypeValue] = []
    found: list[Violation] = []
    # The library does not tell the string type of a value, so it comes from the encoding. A
    # parsed name has its attributes in the order in which they are encoded.
    tags = [encoded.value.tag_bytes for encoded in name_attributes(name.public_bytes())]
    tag = iter(tags)
    for position, rdn in enumerate(name.rdns):
        attributes = list(rdn)
        if len(attributes) > 1:
            found.append(_multi_valued(rdn, f"{field}[{position}]"))
        for attribute in attributes:
            kind = _ATTRIBUTES.get(attribute.oid)
            violation = _foreign_encoding(attribute, kind, next(tag), f"{field}[{position}]")
            if violation is not None:
                found.append(violation)
            elif kind is not None:
                pairs.append((kind, str(attribute.value)))
    return tuple(pairs), tuple(found)


def _multi_valued(rdn: x509.RelativeDistinguishedName, field: str) -> Violation:
    return Violation(
        code="name.multi_valued_rdn",
        field=field,
        value=visible(rdn.rfc4514_string()),
        reason="A relative distinguished name has several attributes.",
        hint="One attribute each.",
    )


def _foreign_encoding(
    attribute: x509.NameAttribute[str | bytes], kind: str | None, tag: bytes, field: str
) -> Violation | None:
    if kind is None:
        return Violation(
            code="name.attribute_not_supported",
            field=f"{field}.{attribute.oid.dotted_string}",
            value=visible(str(attribute.value)),
            reason="This subject attribute is not supported.",
            hint=", ".join(_OIDS),
        )
    if tag in _READABLE_STRINGS:
        return None
    return Violation(
        code="name.string_type",
        field=f"{field}.{kind}",
        value=visible(str(attribute.value)),
        reason=f"The value is a {_OTHER_STRINGS.get(tag, 'value of another type')}.",
        hint="UTF8String or PrintableString.",
    )


def attribute_of(oid: x509.ObjectIdentifier) -> str | None:
    """Return the subject attribute with an object identifier; ``None`` for unsupported ones."""
    return _ATTRIBUTES.get(oid)


def attribute_oid(attribute: str) -> str:
    """Return the dotted object identifier of a subject attribute; unknown ones are returned as is."""
    oid = _OIDS.get(attribute)
    return oid.dotted_string if oid is not None else attribute


def general_names(pairs: Iterable[TypeValue]) -> list[x509.GeneralName]:
    """Return the encodable form of canonical alternative names, in order."""
    return [general_name(kind, value) for kind, value in pairs]


def general_name(kind: str, value: str) -> x509.GeneralName:
    """Return the encodable form of one canonical alternative name."""
    if kind == "ip_address":
        return x509.IPAddress(ipaddress.ip_address(value))
    return _GENERAL_NAMES[kind](value)


def san_pair(name: x509.GeneralName) -> TypeValue | None:
    """Return (type, value) of an alternative name as encoded; ``None`` for unsupported types."""
    kind = _SAN_KINDS.get(type(name))
    return None if kind is None else (kind, str(name.value))


def rfc4514(pairs: Sequence[TypeValue]) -> str:
    """Return the text form that people read, last attribute first (RFC 4514 section 2)."""
    return ",".join(
        [
            f"{_SHORT_NAMES.get(attribute, attribute)}={_escaped(value)}"
            for attribute, value in reversed(pairs)
        ]
    )


def first_name(subject: Sequence[TypeValue], subject_alt_names: Sequence[TypeValue]) -> str:
    """Return the one name by which people know a certificate; empty when it has none at all.

    The common name, else the first alternative name, else the whole subject (RFC 4514).
    """
    common = (value for attribute, value in subject if attribute == "common_name" and value)
    others = (value for _, value in subject_alt_names if value)
    return next(common, "") or next(others, "") or rfc4514(subject)


def _escaped(value: str) -> str:
    """Escape as RFC 4514 section 2.4 asks."""
    text = re.sub(r'([\\,+"<>;=])', r"\\\1", value).replace("\0", "\\00")
    if text.startswith((" ", "#")):
        text = f"\\{text}"
    if text.endswith(" ") and value != " ":
        text = f"{text[:-1]}\\ "
    return text
