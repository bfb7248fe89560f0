"""A certificate request taken apart into its fields, exactly as they were sent (RFC 2986).

The library's own loader refuses what OpenSSL and Go read: attributes out of order, values that DER
leaves out, text in other string types. So the fields are read by structures that are declared with
the library's ASN.1 module, and each field is judged by itself (ADR 0021). The signature counts over
the octets in ``Frame.info_der``, never over a repaired copy.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat import asn1

from pki import structures
from pki.csr_violations import csr_violation
from pki.findings import UnusableCSR, Violation
from pki.oid_names import named
from pki.parsing import ParserFailed, parsed

EXTENSION_REQUESTS = frozenset({"1.2.840.113549.1.9.14", "1.3.6.1.4.1.311.2.1.14"})
"""Attributes with extensions: of PKCS#9 (RFC 2985 section 5.4.2), and Microsoft's elder one."""

_SEQUENCE, _INTEGER, _CONTEXT_0 = b"\x30", b"\x02", b"\xa0"
_EXTENSION_REQUEST = x509.ObjectIdentifier("1.2.840.113549.1.9.14")


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute with the DER of its values, in the order sent."""

    oid: str
    values: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Extension:
    """A requested extension with the DER in its OCTET STRING."""

    oid: x509.ObjectIdentifier
    critical: bool
    value: bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """The fields of a request; all ``_der`` are octets as sent.

    Attributes:
        der: the whole request.
        info_der: what its signature covers.
        version: 0 in a request that follows RFC 2986.
        subject_der: Name.
        public_key_der: SubjectPublicKeyInfo.
        attributes: in the order sent.
        signature_oid: of signatureAlgorithm.
        signature_algorithm_der: AlgorithmIdentifier.
        signature: the value of the BIT STRING.
    """

    der: bytes
    info_der: bytes
    version: int
    subject_der: bytes
    public_key_der: bytes
    attributes: tuple[Attribute, ...]
    signature_oid: x509.ObjectIdentifier
    signature_algorithm_der: bytes
    signature: bytes


def read_frame(der: bytes) -> Frame:
    """Return the fields of a request whose DER has passed ``der_guard``.

    Raises:
        UnusableCSR: the bytes have another structure; names the field.
    """
    try:
        outer = parsed(lambda: structures.decode(structures.CertificationRequest, der))
    except ParserFailed:
        raise UnusableCSR([_no_request(der)]) from None
    info_der = asn1.encode_der(outer.info)
    algorithm_der = asn1.encode_der(outer.signature_algorithm)
    try:
        info = parsed(lambda: structures.decode(structures.CertificationRequestInfo, info_der))
    except ParserFailed:
        raise UnusableCSR([_field_fault(info_der)]) from None
    fault = _malformed("signatureAlgorithm", "an AlgorithmIdentifier", algorithm_der)
    return Frame(
        der=der,
        info_der=info_der,
        version=info.version,
        subject_der=asn1.encode_der(info.subject),
        public_key_der=asn1.encode_der(info.subject_public_key_info),
        attributes=tuple(_attribute(asn1.encode_der(item)) for item in info.attributes),
        signature_oid=algorithm_oid(algorithm_der, fault),
        signature_algorithm_der=algorithm_der,
        signature=outer.signature.as_bytes(),
    )


def algorithm_oid(algorithm_der: bytes, fault: Violation) -> x509.ObjectIdentifier:
    """Return the object identifier of an AlgorithmIdentifier.

    Raises:
        UnusableCSR: it has none; with ``fault``.
    """
    try:
        first, *_ = parsed(lambda: structures.sequence_elements(algorithm_der))
        return parsed(lambda: asn1.decode_der(x509.ObjectIdentifier, first))
    except (ParserFailed, ValueError):
        raise UnusableCSR([fault]) from None


def extensions_in(attribute: Attribute) -> list[Extension]:
    """Return the extensions of an extensionRequest attribute.

    Raises:
        UnusableCSR: the attribute is malformed.
    """
    found: list[Extension] = []
    for value in attribute.values:
        try:
            for item in parsed(lambda: structures.sequence_elements(value)):  # noqa: B023 - called at once
                read = parsed(lambda: structures.decode(structures.Extension, item))  # noqa: B023
                found.append(Extension(read.extension_id, bool(read.critical), read.value))
        except ParserFailed:
            element = f"attribute {named(attribute.oid)}"
            raise UnusableCSR([_malformed(element, "a SEQUENCE OF Extension", value)]) from None
    return found


def library_request(
    frame: Frame, extensions: Sequence[Extension] = ()
) -> x509.CertificateSigningRequest:
    """Return a request of the library with this key, algorithm and these extensions, in strict DER.

    Some values can be read by the library only inside a request. It is never verified: its
    signature covers other octets.

    Raises:
        ParserFailed: the library refuses it.
    """

    def load() -> x509.CertificateSigningRequest:
        written = [
            structures.raw(
                asn1.encode_der(
                    structures.Extension(
                        extension_id=one.oid, critical=one.critical or None, value=one.value
                    )
                )
            )
            for one in extensions
        ]
        info = structures.CertificationRequestInfo(
            version=0,
            subject=structures.raw(b"\x30\x00"),
            subject_public_key_info=structures.raw(frame.public_key_der),
            attributes=[structures.raw(_extension_request(written))] if written else [],
        )
        return x509.load_der_x509_csr(
            asn1.encode_der(
                structures.CertificationRequest(
                    info=structures.raw(asn1.encode_der(info)),
                    signature_algorithm=structures.raw(frame.signature_algorithm_der),
                    signature=asn1.BitString(frame.signature, 0),
                )
            )
        )

    return parsed(load)


def _extension_request(written: list[asn1.TLV]) -> bytes:
    values = asn1.encode_der(structures.ExtensionRequestValue(extensions=written))
    return asn1.encode_der(
        structures.Attribute(type=_EXTENSION_REQUEST, values=structures.raw(b"\x31" + values[1:]))
    )


def _attribute(der: bytes) -> Attribute:
    try:
        read = parsed(lambda: structures.decode(structures.Attribute, der))
        values = parsed(lambda: structures.set_elements(asn1.encode_der(read.values)))
    except ParserFailed:
        raise UnusableCSR([_malformed("attributes", "type and SET of values", der)]) from None
    return Attribute(read.type.dotted_string, tuple(values))


def _no_request(der: bytes) -> Violation:
    """Return why bytes are no CertificationRequest, with what they are if that is easy to tell."""
    try:
        parsed(lambda: x509.load_der_x509_certificate(der))
    except ParserFailed:
        reason = "This is not a PKCS#10 certificate request: CertificationRequest (RFC 2986 "
        reason += "section 4.2) is info, signatureAlgorithm and signature."
        return csr_violation("unreadable", reason, "DER, or a PEM block CERTIFICATE REQUEST.")
    reason = "This is a certificate, not a PKCS#10 certificate request."
    return csr_violation("unreadable", reason, "The request that was made with the same key.")


_FIELDS = (
    ("version", "an INTEGER", _INTEGER),
    ("subject", "a Name", _SEQUENCE),
    ("subjectPublicKeyInfo", "a SEQUENCE", _SEQUENCE),
    ("attributes", "[0]", _CONTEXT_0),
)


def _field_fault(info_der: bytes) -> Violation:
    """Return which field of CertificationRequestInfo is missing, malformed or too much."""
    try:
        sent = parsed(lambda: structures.sequence_elements(info_der))
    except ParserFailed:
        return _malformed("certificationRequestInfo", "a SEQUENCE", info_der)
    for number, (field, form, tag) in enumerate(_FIELDS):
        if number == len(sent):
            # OpenSSL reads a request without attributes, Go does not; RFC 2986 has no OPTIONAL.
            reason = f"certificationRequestInfo ends before its field {field} ({form})."
            hint = "RFC 2986 section 4.1: an empty [0] where there are no attributes (a0 00)."
            return csr_violation("field_missing", reason, hint, where=field)
        if sent[number][:1] != tag:
            return _malformed(field, form, sent[number])
    if len(sent) > len(_FIELDS):
        return _malformed("certificationRequestInfo", "four fields", sent[len(_FIELDS)])
    return _malformed("certificationRequestInfo", "as RFC 2986 section 4.1 has it", info_der)


def _malformed(field: str, form: str, der: bytes) -> Violation:
    shown = shown_hex(der)
    reason = f"{field} is malformed: {form} is expected here, not {shown}."
    return Violation("csr.unreadable", "csr", shown, reason, "RFC 2986 section 4.")


_SHOWN_OCTETS = 40


def shown_hex(der: bytes) -> str:
    """Return octets for a report, cut to forty."""
    return der[:_SHOWN_OCTETS].hex() + ("..." if len(der) > _SHOWN_OCTETS else "")
