"""The subjectAltName that a certificate request asks for: each name is read, or refused by name."""

import ipaddress
from dataclasses import replace

from cryptography import x509
from cryptography.hazmat import asn1

from pki import csr_violations, structures
from pki.addresses import visible
from pki.csr_extras import shown
from pki.csr_frame import shown_hex
from pki.csr_violations import Findings
from pki.findings import UnusableName, Violation
from pki.names import MAX_ALT_NAMES, canonical_san
from pki.oid_names import named
from pki.parsing import ParserFailed, parsed
from pki.template import TypeValue

_TEXTS = {0x81: ("email", "rfc822Name"), 0x82: ("dns_name", "dNSName"), 0x86: ("uri", "URI")}
_ADDRESS = 0x87
_FOREIGN = {
    0xA0: "otherName",
    0xA3: "x400Address",
    0xA4: "directoryName",
    0xA5: "ediPartyName",
    0x88: "registeredID",
}
_ADDRESS_LENGTHS = (4, 16)
_ELEMENT = "subjectAltName (2.5.29.17)"


def read_alt_names(value: bytes, findings: Findings) -> dict[TypeValue, int]:
    """Return canonical (type, value) pairs, each with its place in the list; faults go into ``findings``.

    Args:
        value: DER of GeneralNames (RFC 5280 section 4.2.1.6).
        findings: where what is wrong goes.

    Raises:
        ParserFailed: the value is no SEQUENCE.
    """
    names = parsed(lambda: structures.sequence_elements(value))
    if len(names) > MAX_ALT_NAMES:
        hint = f"At most {MAX_ALT_NAMES}; policies allow fewer."
        findings.violations.append(
            replace(csr_violations.TOO_MANY_NAMES, value=str(len(names)), hint=hint)
        )
        return {}
    read: dict[TypeValue, int] = {}
    for position, name in enumerate(names):
        where = f"subject_alt_names[{position}].value"
        try:
            kind, text = _pair(name, where)
            read.setdefault((kind, canonical_san(kind, text, field=where)), position)
        except UnusableName as error:
            findings.violations += [_in_words(item) for item in error.violations]
    return read


def _pair(name: bytes, where: str) -> TypeValue:
    """Return type and value of a GeneralName as sent.

    Raises:
        UnusableName: of a type that is not certified, or malformed.
    """
    content = bytes(parsed(lambda: asn1.decode_der(asn1.TLV, name)).data)
    if name[0] in _TEXTS:
        kind, label = _TEXTS[name[0]]
        if content.isascii():
            return kind, content.decode("ascii")
        shown_text = visible(content.decode("latin-1"))
        raise _fault(
            where, f"{label} {shown_text}", "It has characters outside ASCII.", "A-labels."
        )
    if name[0] == _ADDRESS:
        if len(content) in _ADDRESS_LENGTHS:
            return "ip_address", str(ipaddress.ip_address(content))
        reason = f"An address has 4 or 16 octets, not {len(content)}."
        hint = "The address alone, without a mask."
        raise _fault(where, f"iPAddress {shown_hex(content)}", reason, hint)
    foreign = _FOREIGN.get(name[0])
    if foreign is None:
        hint = "dNSName, iPAddress, rfc822Name, uniformResourceIdentifier."
        reason = "There is no such kind of GeneralName."
        raise _fault(where, shown_hex(name), reason, hint)
    shown_value = f"{foreign} {_readable(name, content)}"
    reason = f"Alternative names of type {foreign} are not certified: {shown_value}."
    hint = "dNSName, iPAddress, rfc822Name, uniformResourceIdentifier."
    raise UnusableName([Violation("csr.name_type_not_allowed", where, shown_value, reason, hint)])


def _fault(where: str, value: str, reason: str, hint: str) -> UnusableName:
    return UnusableName([Violation("csr.name_malformed", where, value, reason, hint)])


def _readable(name: bytes, content: bytes) -> str:
    """Return the value of a name of another type, for people."""
    try:
        return parsed(lambda: _decoded(name, content))
    except ParserFailed:
        return shown_hex(content)


def _decoded(name: bytes, content: bytes) -> str:
    if name[0] == 0xA0:  # noqa: PLR2004 - [0] otherName: type-id, [0] value
        type_id, wrapped = structures.sequence_elements(b"\x30" + name[1:])
        value = bytes(asn1.decode_der(asn1.TLV, wrapped).data)
        return f"{named(asn1.decode_der(x509.ObjectIdentifier, type_id))} {shown(value)}"
    if name[0] == 0x88:  # noqa: PLR2004 - [8] registeredID
        return asn1.decode_der(x509.ObjectIdentifier, b"\x06" + name[1:]).dotted_string
    if name[0] == 0xA4:  # noqa: PLR2004 - [4] directoryName
        attributes = structures.name_attributes(content)
        return ", ".join(
            f"{named(one.type)} {shown(asn1.encode_der(one.value))}" for one in attributes[:10]
        )
    return shown_hex(content)


def _in_words(violation: Violation) -> Violation:
    """Return a violation whose reason names the extension and the name."""
    if violation.code == "csr.name_type_not_allowed":
        return replace(violation, reason=f"{_ELEMENT}: {violation.reason}")
    return replace(
        violation, reason=f"{_ELEMENT}: {violation.value} cannot be certified. {violation.reason}"
    )
