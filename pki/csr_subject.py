"""The subject of a certificate request: every string type that OpenSSL and Go read, and repairs.

Names are re-encoded on the way into a certificate (``names.x509_name``), so the string type of the
request is of no consequence. What changes the text, or the shape of the name, leaves a note.
"""

from dataclasses import dataclass, field, replace

from cryptography.hazmat import asn1

from pki import names, structures
from pki.addresses import visible
from pki.csr_extras import Extra, shown
from pki.csr_frame import shown_hex
from pki.csr_violations import csr_violation
from pki.findings import Note, UnusableCSR, Violation
from pki.oid_names import named
from pki.parsing import ParserFailed, parsed
from pki.template import TypeValue

_UTF8, _NUMERIC, _PRINTABLE, _T61, _IA5, _UNIVERSAL, _BMP = 0x0C, 0x12, 0x13, 0x14, 0x16, 0x1C, 0x1E
_STRINGS = {
    _UTF8: ("UTF8String", "utf-8"),
    _NUMERIC: ("NumericString", "ascii"),
    _PRINTABLE: ("PrintableString", "ascii"),
    # What Go and OpenSSL take it for; its own code pages are of no use any more.
    _T61: ("T61String", "latin-1"),
    _IA5: ("IA5String", "ascii"),
    _UNIVERSAL: ("UniversalString", "utf-32-be"),
    _BMP: ("BMPString", "utf-16-be"),
}
_USUAL = frozenset({_UTF8, _PRINTABLE, _IA5})
_DIGITS = frozenset("0123456789 ")
_PRINTABLES = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?"
)
# Not in the alphabet of PrintableString (X.680 section 41.4), but written and read by many.
_TOLERATED = frozenset("*&")
_COUNTRY_LETTERS = 2


@dataclass(slots=True)
class Subject:
    """What was read of a subject: attributes as asked for, and everything to say about them."""

    pairs: list[TypeValue] = field(default_factory=list)
    extras: list[Extra] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)


def read_subject(name_der: bytes) -> Subject:
    """Return the attributes of a Name in the order sent.

    Raises:
        UnusableCSR: the bytes are no Name.
    """
    try:
        rdns = parsed(lambda: _rdns(name_der))
    except ParserFailed:
        reason = f"The subject is malformed: no Name (RFC 5280 section 4.1.2.4): {shown(name_der)}."
        raise UnusableCSR([csr_violation("unreadable_subject", reason, where="subject")]) from None
    subject = Subject()
    for rdn in rdns:
        if len(rdn) > 1:
            subject.notes.append(_split(rdn))
        for attribute in rdn:
            _read_attribute(attribute, subject)
    found = names.subject_violations(subject.pairs)
    subject.violations += map(_in_words, found)
    return subject


def _rdns(name_der: bytes) -> list[list[structures.AttributeTypeAndValue]]:
    return [
        [
            structures.decode(structures.AttributeTypeAndValue, attribute)
            for attribute in structures.set_elements(rdn)
        ]
        for rdn in structures.sequence_elements(name_der)
    ]


def _split(rdn: list[structures.AttributeTypeAndValue]) -> Note:
    kinds = " and ".join(named(attribute.type) for attribute in rdn[:5])
    return Note(
        "csr.rdn_split",
        f"The attributes {kinds} of one relative distinguished name became one each.",
        "Multi-valued relative distinguished names are read differently by different programs.",
    )


def _read_attribute(attribute: structures.AttributeTypeAndValue, subject: Subject) -> None:
    """Add one attribute, repaired, as an extra, or with what is wrong with it."""
    kind, element = names.attribute_of(attribute.type), named(attribute.type)
    der = asn1.encode_der(attribute.value)
    if kind is None:
        subject.extras.append(
            Extra(
                "subject_attribute",
                element,
                shown(der),
                "Certificates here have no such attribute.",
                f"subject.{attribute.type.dotted_string}",
            )
        )
        return
    where = f"subject[{len(subject.pairs)}].{kind}"
    text = _text(der, element, where, subject)
    if text is not None:
        _repair(kind, element, text, subject)


def _text(der: bytes, element: str, where: str, subject: Subject) -> str | None:
    """Return the text of a string; ``None``, with a violation, where it has none."""
    type_name, codec = _STRINGS.get(der[0], ("", ""))
    octets = bytes(parsed(lambda: asn1.decode_der(asn1.TLV, der)).data)
    if not codec:
        reason = f"The subject attribute {element} is no string: {shown_hex(der)}."
        hint = "UTF8String or PrintableString."
        subject.violations.append(
            Violation("name.string_type", where, shown_hex(der), reason, hint)
        )
        return None
    try:
        text = octets.decode(codec)
        strange = _strange(der[0], text)
    except UnicodeDecodeError:
        text, strange = octets.hex(), "octets that are no text of this type"
    if strange:
        reason = (
            f"The subject attribute {element} = {visible(text)} is a {type_name} with {strange}."
        )
        hint = "UTF8String takes every character."
        subject.violations.append(Violation("name.string_type", where, visible(text), reason, hint))
        return None
    if text and (
        der[0] not in _USUAL or (der[0] == _PRINTABLE and not _PRINTABLES.issuperset(text))
    ):
        subject.notes.append(
            Note(
                "csr.name_reencoded",
                f"The subject attribute {element} = {visible(text)} was a {type_name}.",
                "Certificates have UTF8String or PrintableString (RFC 5280 section 4.1.2.4).",
            )
        )
    return text


def _strange(tag: int, text: str) -> str:
    """Return the characters that a string type cannot hold, as Go judges it; else nothing."""
    allowed: frozenset[str] | None = None
    if tag == _PRINTABLE:
        allowed = _PRINTABLES | _TOLERATED
    elif tag == _NUMERIC:
        allowed = _DIGITS
    if allowed is None or allowed.issuperset(text):
        return ""
    found = " ".join(dict.fromkeys(visible(one) for one in text if one not in allowed))
    return f"characters outside its alphabet ({found[:50]})"


def _repair(kind: str, element: str, text: str, subject: Subject) -> None:
    """Add the attribute: without spaces around it, in capitals where it is a country."""

    def note(what: str, why: str) -> None:
        subject.notes.append(Note("csr.name_repaired", what, why))

    trimmed = text.strip(" ")
    if not trimmed:
        note(f"The subject attribute {element} was dropped.", "Its value is empty.")
        return
    if trimmed != text:
        note(
            f"The subject attribute {element} = {visible(trimmed)} lost the spaces around it.",
            "They do not count when names are compared (X.520 section 6.1).",
        )
    if kind == "country" and len(trimmed) == _COUNTRY_LETTERS and trimmed.isascii():
        if trimmed != trimmed.upper():
            note(
                f"The subject attribute {element} = {visible(trimmed)} was put in capitals.",
                "ISO 3166 country codes are written in capitals.",
            )
        trimmed = trimmed.upper()
    subject.pairs.append((kind, trimmed))


def _in_words(violation: Violation) -> Violation:
    """Return a violation of ``subject[n].kind`` whose reason names the attribute and its value."""
    _, dot, kind = violation.field.partition(".")
    if violation.code == "name.several_common_names":
        reason = f"The subject attribute {named(names.attribute_oid('common_name'))} occurs more "
        return replace(violation, reason=f"{reason}than once: {visible(violation.value)}.")
    if not dot:
        return violation
    element = f"The subject attribute {named(names.attribute_oid(kind))} = {violation.value}"
    return replace(violation, reason=f"{element} cannot be certified. {violation.reason}")
