"""ASN.1 structures read and written as exact bytes, declared with cryptography's ASN.1 module.

``cryptography.x509`` turns most fields into values. The structures here are for the few places
where the octets themselves count: names compared byte for byte, AlgorithmIdentifiers, and
messages with more fields than the library supports.
"""

from functools import lru_cache
from typing import Annotated, TypeVar

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.x509.oid import SignatureAlgorithmOID

from pki.algorithms import SignatureAlgorithm

_Structure = TypeVar("_Structure")
_SEQUENCE, _SET = b"\x30", b"\x31"


@asn1.sequence
class AlgorithmIdentifier:
    """AlgorithmIdentifier without parameters, or with NULL (RFC 5280 section 4.1.1.2)."""

    algorithm: x509.ObjectIdentifier
    parameters: asn1.Null | None


@asn1.sequence
class Certificate:
    """Certificate (RFC 5280 section 4.1)."""

    tbs_certificate: asn1.TLV
    signature_algorithm: asn1.TLV
    signature: asn1.BitString


@asn1.sequence
class Validity:
    """Validity (RFC 5280 section 4.1.2.5)."""

    not_before: asn1.UTCTime | asn1.GeneralizedTime
    not_after: asn1.UTCTime | asn1.GeneralizedTime


@asn1.sequence
class TBSCertificate:
    """TBSCertificate (RFC 5280 section 4.1.1.1)."""

    version: Annotated[int, asn1.Explicit(0), asn1.Default(0)]
    serial_number: int
    signature: asn1.TLV
    issuer: asn1.TLV
    validity: Validity
    subject: asn1.TLV
    subject_public_key_info: asn1.TLV
    issuer_unique_id: Annotated[asn1.BitString | None, asn1.Implicit(1)]
    subject_unique_id: Annotated[asn1.BitString | None, asn1.Implicit(2)]
    extensions: Annotated[list[asn1.TLV] | None, asn1.Explicit(3)]


@asn1.sequence
class SubjectPublicKeyInfo:
    """SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7)."""

    algorithm: asn1.TLV
    subject_public_key: asn1.BitString


@asn1.sequence
class AttributeTypeAndValue:
    """AttributeTypeAndValue (RFC 5280 section 4.1.2.4)."""

    type: x509.ObjectIdentifier
    value: asn1.TLV


@asn1.sequence
class Extension:
    """Extension (RFC 5280 section 4.1).

    DER leaves a false ``critical`` out; some OCSP clients write it.
    """

    extension_id: x509.ObjectIdentifier
    critical: bool | None
    value: bytes


@asn1.sequence
class CertificationRequest:
    """CertificationRequest (RFC 2986 section 4.2)."""

    info: asn1.TLV
    signature_algorithm: asn1.TLV
    signature: asn1.BitString


@asn1.sequence
class CertificationRequestInfo:
    """CertificationRequestInfo (RFC 2986 section 4.1)."""

    version: int
    subject: asn1.TLV
    subject_public_key_info: asn1.TLV
    attributes: Annotated[list[asn1.TLV], asn1.Implicit(0)]


@asn1.sequence
class Attribute:
    """Attribute of a request (RFC 2986 section 4.1); ``values`` is the whole SET."""

    type: x509.ObjectIdentifier
    values: asn1.TLV


@asn1.sequence
class ExtensionRequestValue:
    """A SEQUENCE around one field; its content is that of a SET OF with one value."""

    extensions: list[asn1.TLV]


@asn1.sequence
class BasicConstraints:
    """BasicConstraints (RFC 5280 section 4.2.1.9).

    DER leaves a false ``ca`` out; some libraries write it.
    """

    ca: bool | None
    path_length: int | None


# The library decodes classes that are a SEQUENCE. A Name is a SEQUENCE OF, so it is wrapped.
@asn1.sequence
class _WrappedName:
    rdn_sequence: list[asn1.SetOf[AttributeTypeAndValue]]


@asn1.sequence
class _WrappedList:
    elements: list[asn1.TLV]


@asn1.sequence
class _Wrapped:
    element: asn1.TLV


def decode(kind: type[_Structure], data: bytes) -> _Structure:
    """Return ``data`` as one of these structures.

    Raises:
        ValueError: the bytes are not one, or bytes follow it.
    """
    return asn1.decode_der(kind, data)


def raw(data: bytes) -> asn1.TLV:
    """Return DER that is at hand as a field of a structure."""
    return asn1.decode_der(asn1.TLV, data)


def tbs_certificate(certificate: x509.Certificate) -> TBSCertificate:
    """Return the fields of a certificate as they are encoded."""
    return decode(TBSCertificate, certificate.tbs_certificate_bytes)


def name_attributes(name_der: bytes) -> list[AttributeTypeAndValue]:
    """Return the attributes of a Name, from the first RDN to the last.

    Raises:
        ValueError: the bytes are no Name.
    """
    rdns = decode(_WrappedName, _wrapped(name_der)).rdn_sequence
    return [attribute for rdn in rdns for attribute in rdn.as_list()]


def sequence_elements(data: bytes) -> list[bytes]:
    """Return the elements of a SEQUENCE OF, DER each.

    Raises:
        ValueError: the bytes are no SEQUENCE OF.
    """
    return [asn1.encode_der(element) for element in decode(_WrappedList, _wrapped(data)).elements]


def set_elements(data: bytes) -> list[bytes]:
    """Return the elements of a SET OF in the order sent, DER each.

    DER sorts them, which many writers of names and requests forget. ``SetOf`` would refuse that.

    Raises:
        ValueError: the bytes are no SET OF.
    """
    if data[:1] != _SET:
        raise ValueError("no SET")
    return sequence_elements(_SEQUENCE + data[1:])


def _wrapped(data: bytes) -> bytes:
    return asn1.encode_der(_Wrapped(element=raw(data)))


def extension(value: x509.ExtensionType) -> Extension:
    """Return a value as a non-critical Extension."""
    return Extension(extension_id=value.oid, critical=None, value=value.public_bytes())


def signed(tbs_der: bytes, algorithm_der: bytes, signature: bytes) -> bytes:
    """Return a Certificate of its three parts, DER."""
    return asn1.encode_der(
        Certificate(
            tbs_certificate=raw(tbs_der),
            signature_algorithm=raw(algorithm_der),
            signature=asn1.BitString(signature, 0),
        )
    )


def public_key_bits(spki_der: bytes) -> bytes:
    """Return the value of subjectPublicKey without tag, length and unused-bits octet."""
    return decode(SubjectPublicKeyInfo, spki_der).subject_public_key.as_bytes()


_SIGNATURE_OIDS = {
    SignatureAlgorithm.RSA_SHA256: SignatureAlgorithmOID.RSA_WITH_SHA256,
    SignatureAlgorithm.RSA_SHA384: SignatureAlgorithmOID.RSA_WITH_SHA384,
    SignatureAlgorithm.RSA_SHA512: SignatureAlgorithmOID.RSA_WITH_SHA512,
    SignatureAlgorithm.ECDSA_SHA256: SignatureAlgorithmOID.ECDSA_WITH_SHA256,
    SignatureAlgorithm.ECDSA_SHA384: SignatureAlgorithmOID.ECDSA_WITH_SHA384,
    SignatureAlgorithm.ECDSA_SHA512: SignatureAlgorithmOID.ECDSA_WITH_SHA512,
    SignatureAlgorithm.ED25519: SignatureAlgorithmOID.ED25519,
    SignatureAlgorithm.ED448: SignatureAlgorithmOID.ED448,
    SignatureAlgorithm.ML_DSA_44: SignatureAlgorithmOID.ML_DSA_44,
    SignatureAlgorithm.ML_DSA_65: SignatureAlgorithmOID.ML_DSA_65,
    SignatureAlgorithm.ML_DSA_87: SignatureAlgorithmOID.ML_DSA_87,
}
SIGNATURE_ALGORITHMS = {oid: algorithm for algorithm, oid in _SIGNATURE_OIDS.items()}
"""Our signature algorithms by object identifier."""


@lru_cache(maxsize=len(SignatureAlgorithm))
def algorithm_identifier(algorithm: SignatureAlgorithm) -> bytes:
    """Return the AlgorithmIdentifier of a signature, DER.

    RFC 4055 section 5 wants NULL parameters for RSA; RFC 5758 section 3.2, RFC 8410 section 3
    and RFC 9881 section 2 want none for the other families.
    """
    parameters = asn1.Null() if algorithm.value.startswith("rsa-") else None
    return asn1.encode_der(
        AlgorithmIdentifier(algorithm=_SIGNATURE_OIDS[algorithm], parameters=parameters)
    )


def der_header(tag: int, size: int) -> bytes:
    """Return identifier and length octets for a content of ``size`` octets (X.690 8.1.3)."""
    if size < 0x80:  # noqa: PLR2004 - the boundary of the short form, X.690 section 8.1.3.4
        return bytes((tag, size))
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets
