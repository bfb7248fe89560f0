"""Extensions that a certificate request asks for (extensionRequest, RFC 2985 section 5.4.2).

Names and usages are read. Everything else a certificate gets from policy and profile, so other
extensions are extras, whatever they say.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.x509.oid import ExtensionOID

from pki import csr_violations, structures
from pki.csr_alt_names import read_alt_names
from pki.csr_extras import Extra, shown
from pki.csr_frame import EXTENSION_REQUESTS, Attribute, Extension, extensions_in, shown_hex
from pki.csr_violations import Findings
from pki.extensions import EXTENDED_KEY_USAGE_OIDS
from pki.findings import Violation
from pki.oid_names import named
from pki.parsing import ParserFailed, parsed
from pki.template import EXTENDED_KEY_USAGES, KEY_USAGES, RESERVED_USAGES, TypeValue

_USAGE_NAMES = {oid: name for name, oid in EXTENDED_KEY_USAGE_OIDS.items()}
# RFC 5280 section 4.2.1.3 defines these two only together with keyAgreement.
_AGREEMENT_ONLY = frozenset({"encipher_only", "decipher_only"})
_STATUS_REQUEST = 5
_BIT_STRING = 0x03
_OCTET = 8
# RFC 5280 has no bound; the text of a number with thousands of digits takes Python too long.
_MAX_PATH_LENGTH = 2**31 - 1


@dataclass(slots=True)
class RequestedExtensions:
    """What the extensions of a request ask for; ``None`` where it is silent.

    Alternative names come with their places in the list that was sent.
    """

    subject_alt_names: Mapping[TypeValue, int] = field(default_factory=dict)
    key_usage: frozenset[str] | None = None
    extended_key_usage: tuple[str, ...] | None = None
    is_ca: bool | None = None
    path_length: int | None = None
    must_staple: bool = False


def read_extensions(attributes: Iterable[Attribute], findings: Findings) -> RequestedExtensions:
    """Return what the extensions ask for; what is wrong with them goes into ``findings``.

    Raises:
        UnusableCSR: an extensionRequest is malformed.
    """
    asked = RequestedExtensions()
    lists = [extensions_in(one) for one in attributes if one.oid in EXTENSION_REQUESTS]
    for extension in _merged(lists, findings):
        reader = _READERS.get(extension.oid)
        if reader is None:
            findings.extras.append(_extra(extension))
            continue
        try:
            reader(extension, asked, findings)
        except ParserFailed:
            findings.fail(_malformed(extension))
    return asked


def _merged(lists: list[list[Extension]], findings: Findings) -> list[Extension]:
    """Return each extension once; Microsoft's tools send the same ones in two attributes."""
    merged: dict[x509.ObjectIdentifier, Extension] = {}
    for found in lists:
        times = Counter(extension.oid for extension in found)
        for oid, count in times.items():
            if count > 1:
                reason = f"The extension {named(oid)} occurs more than once."
                findings.violations.append(
                    replace(csr_violations.DUPLICATE, value=named(oid), reason=reason)
                )
        for extension in found:
            first = merged.setdefault(extension.oid, extension)
            if first.value != extension.value and times[extension.oid] == 1:
                findings.violations.append(_contradiction(first, extension))
    return list(merged.values())


def _contradiction(one: Extension, other: Extension) -> Violation:
    element = named(one.oid)
    said = f"{shown(one.value)} and {shown(other.value)}"
    reason = f"Two extension requests contradict each other about {element}: {said}."
    return replace(csr_violations.CONTRADICTION, value=f"{element} {said}", reason=reason)


def _extra(extension: Extension) -> Extra:
    if extension.oid == ExtensionOID.SUBJECT_KEY_IDENTIFIER:
        why = "It is always computed from the key."
    else:
        why = "Extensions come from policy and profile, not from requests."
    return Extra(
        "extension",
        named(extension.oid),
        shown(extension.value),
        why,
        "extensions",
        critical=extension.critical,
    )


def _malformed(extension: Extension) -> Violation:
    element, value = named(extension.oid), shown_hex(extension.value)
    reason = f"The extension {element} is malformed: {value or 'empty'}."
    hint = _FORMS.get(extension.oid, csr_violations.UNREADABLE_EXTENSIONS.hint)
    return replace(
        csr_violations.UNREADABLE_EXTENSIONS,
        value=f"{element} {value}",
        reason=reason,
        hint=f"Expected: {hint}",
    )


_FORMS = {
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME: "a SEQUENCE of GeneralName (RFC 5280 section 4.2.1.6).",
    ExtensionOID.KEY_USAGE: "a BIT STRING (RFC 5280 section 4.2.1.3).",
    ExtensionOID.EXTENDED_KEY_USAGE: (
        "a SEQUENCE of object identifiers (RFC 5280 section 4.2.1.12)."
    ),
    ExtensionOID.BASIC_CONSTRAINTS: (
        "a SEQUENCE of cA and pathLenConstraint (RFC 5280 section 4.2.1.9)."
    ),
}


def _read_alt_names(extension: Extension, asked: RequestedExtensions, findings: Findings) -> None:
    if extension.value == b"\x30\x00":
        why = "It names nothing."
        element = named(extension.oid)
        extra = Extra("extension", element, "", why, "subject_alt_names", extension.critical)
        findings.extras.append(extra)
        return
    asked.subject_alt_names = read_alt_names(extension.value, findings)


def _read_key_usage(extension: Extension, asked: RequestedExtensions, _: Findings) -> None:
    names = _named_bits(extension.value)
    if "key_agreement" not in names:
        names -= _AGREEMENT_ONLY
    # No bit at all would mean "no use"; such a request is silent about it.
    asked.key_usage = names or None


def _named_bits(value: bytes) -> frozenset[str]:
    """Return the usages of a BIT STRING, also of one with zero bits at its end, which DER forbids."""
    content = bytes(parsed(lambda: asn1.decode_der(asn1.TLV, value)).data)
    if value[0] != _BIT_STRING or not content or content[0] >= _OCTET:
        raise ParserFailed("no BIT STRING")
    size = max(0, _OCTET * (len(content) - 1) - content[0])
    bits = [content[1 + n // _OCTET] >> (_OCTET - 1 - n % _OCTET) & 1 for n in range(size)]
    return frozenset(name for name, bit in zip(KEY_USAGES, bits, strict=False) if bit)


def _read_extended_key_usage(
    extension: Extension, asked: RequestedExtensions, findings: Findings
) -> None:
    known = []
    for der in parsed(lambda: structures.sequence_elements(extension.value)):
        oid = parsed(lambda: asn1.decode_der(x509.ObjectIdentifier, der))  # noqa: B023 - called at once
        if oid in _USAGE_NAMES:
            known.append(_USAGE_NAMES[oid])
            continue
        possible = [name for name in EXTENDED_KEY_USAGES if name not in RESERVED_USAGES]
        why = f"Purposes that certificates here may have: {', '.join(possible)}."
        findings.extras.append(Extra("usage", named(oid), "", why, "extended_key_usage"))
    asked.extended_key_usage = tuple(dict.fromkeys(known)) or None


def _read_basic_constraints(extension: Extension, asked: RequestedExtensions, _: Findings) -> None:
    read = parsed(lambda: structures.decode(structures.BasicConstraints, extension.value))
    if read.path_length is not None and not 0 <= read.path_length <= _MAX_PATH_LENGTH:
        raise ParserFailed("a negative or absurd path length")
    asked.is_ca, asked.path_length = bool(read.ca), read.path_length


def _read_tls_feature(extension: Extension, asked: RequestedExtensions, findings: Findings) -> None:
    """Read the one feature in use, status_request ("must-staple", RFC 7633 section 4.2.3.1)."""
    try:
        features = [
            parsed(lambda: asn1.decode_der(int, der))  # noqa: B023 - called at once
            for der in parsed(lambda: structures.sequence_elements(extension.value))
        ]
    except ParserFailed:
        features = []
    if features == [_STATUS_REQUEST]:
        asked.must_staple = True
    else:
        findings.extras.append(_extra(extension))


_READERS: dict[
    x509.ObjectIdentifier, Callable[[Extension, RequestedExtensions, Findings], None]
] = {
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME: _read_alt_names,
    ExtensionOID.KEY_USAGE: _read_key_usage,
    ExtensionOID.EXTENDED_KEY_USAGE: _read_extended_key_usage,
    ExtensionOID.BASIC_CONSTRAINTS: _read_basic_constraints,
    ExtensionOID.TLS_FEATURE: _read_tls_feature,
}
