"""How are the values of CRLs and OCSP responses written in DER?

A writer of its own because both are made in quantity: a CRL of a million entries and an
OCSP response per handshake leave no room for an object per ASN.1 element. X.690 section 8.
"""

from datetime import UTC, datetime
from functools import lru_cache

from cryptography import x509

from pki import der
from pki.algorithms import SignatureAlgorithm

BOOLEAN_TRUE = b"\x01\x01\xff"
OCTET_STRING = 0x04

# RFC 5280 section 4.1.2.5: two-digit years mean 1950 to 2049.
_UTC_TIME_YEARS = range(1950, 2050)

# RFC 4055 section 5 wants NULL parameters for RSA; RFC 5758, 8410 and 9881 want none.
_RSA = "30 0d 06 09 2a 86 48 86 f7 0d 01 01 {} 05 00"
_ECDSA = "30 0a 06 08 2a 86 48 ce 3d 04 03 {}"
_EDWARDS = "30 05 06 03 2b 65 {}"
_ML_DSA = "30 0b 06 09 60 86 48 01 65 03 04 03 {}"
_ALGORITHM_IDENTIFIERS = {
    SignatureAlgorithm.RSA_SHA256: bytes.fromhex(_RSA.format("0b")),
    SignatureAlgorithm.RSA_SHA384: bytes.fromhex(_RSA.format("0c")),
    SignatureAlgorithm.RSA_SHA512: bytes.fromhex(_RSA.format("0d")),
    SignatureAlgorithm.ECDSA_SHA256: bytes.fromhex(_ECDSA.format("02")),
    SignatureAlgorithm.ECDSA_SHA384: bytes.fromhex(_ECDSA.format("03")),
    SignatureAlgorithm.ECDSA_SHA512: bytes.fromhex(_ECDSA.format("04")),
    SignatureAlgorithm.ED25519: bytes.fromhex(_EDWARDS.format("70")),
    SignatureAlgorithm.ED448: bytes.fromhex(_EDWARDS.format("71")),
    SignatureAlgorithm.ML_DSA_44: bytes.fromhex(_ML_DSA.format("11")),
    SignatureAlgorithm.ML_DSA_65: bytes.fromhex(_ML_DSA.format("12")),
    SignatureAlgorithm.ML_DSA_87: bytes.fromhex(_ML_DSA.format("13")),
}


def algorithm_identifier(algorithm: SignatureAlgorithm) -> bytes:
    """Return the AlgorithmIdentifier of a signature, DER."""
    return _ALGORITHM_IDENTIFIERS[algorithm]


def header(tag: int, size: int) -> bytes:
    """Return identifier and length octets for a content of ``size`` octets."""
    if size < 0x80:  # noqa: PLR2004 - the boundary of the short form, X.690 section 8.1.3.4
        return bytes((tag, size))
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets


def integer(value: int, tag: int = der.INTEGER) -> bytes:
    """Return a non-negative INTEGER (or ENUMERATED) in its fewest octets."""
    return der.encode(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


@lru_cache(maxsize=256)
def object_identifier(dotted: str) -> bytes:
    """Return an OBJECT IDENTIFIER from its dotted form."""
    first, second, *arcs = map(int, dotted.split("."))
    content = bytearray()
    for arc in (first * 40 + second, *arcs):
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(0x80 | (arc & 0x7F))
        content += bytes(reversed(septets))
    return der.encode(der.OBJECT_IDENTIFIER, bytes(content))


def time(moment: datetime) -> bytes:
    """Return a Time: UTCTime through 2049, GeneralizedTime from 2050 (RFC 5280 section 5.1.2.4).

    Raises:
        ValueError: a naive datetime.
    """
    if moment.tzinfo is not UTC:
        moment = _to_utc(moment)
    year = moment.year
    if year not in _UTC_TIME_YEARS:
        return generalized_time(moment)
    text = "%02d%02d%02d%02d%02d%02dZ" % (  # noqa: UP031 - half the cost of an f-string here
        year % 100,
        moment.month,
        moment.day,
        moment.hour,
        moment.minute,
        moment.second,
    )
    return b"\x17\x0d" + text.encode()


def generalized_time(moment: datetime) -> bytes:
    """Return a GeneralizedTime in whole seconds, UTC (RFC 5280 section 4.1.2.5.2).

    Raises:
        ValueError: a naive datetime.
    """
    if moment.tzinfo is not UTC:
        moment = _to_utc(moment)
    text = "%04d%02d%02d%02d%02d%02dZ" % (  # noqa: UP031 - half the cost of an f-string here
        moment.year,
        moment.month,
        moment.day,
        moment.hour,
        moment.minute,
        moment.second,
    )
    return b"\x18\x0f" + text.encode()


def extension(oid: bytes, value: bytes, *, critical: bool = False) -> bytes:
    """Return an Extension; ``oid`` and ``value`` are DER, a false ``critical`` stays unwritten."""
    wrapped = der.encode(OCTET_STRING, value)
    if critical:
        return der.encode(der.SEQUENCE, oid, BOOLEAN_TRUE, wrapped)
    return der.encode(der.SEQUENCE, oid, wrapped)


def subject_octets(certificate: x509.Certificate) -> bytes:
    """Return a certificate's subject exactly as it is encoded there.

    Names are compared byte by byte by relying parties (X-20, C-08), so an imported CA's
    unusual string types must survive.
    """
    return _tbs_fields(certificate)[_SUBJECT]


def public_key_octets(certificate: x509.Certificate) -> bytes:
    """Return a certificate's SubjectPublicKeyInfo exactly as it is encoded there."""
    return _tbs_fields(certificate)[_PUBLIC_KEY]


_SUBJECT, _PUBLIC_KEY = 4, 5


def _tbs_fields(certificate: x509.Certificate) -> list[bytes]:
    """Return the fields of a TBSCertificate from the serial number on (RFC 5280 section 4.1)."""
    fields = der.split(certificate.tbs_certificate_bytes)
    return fields[1:] if fields[0][0] == der.CONTEXT_0 else fields


def _to_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a naive datetime names no moment: give it a time zone")
    return moment.astimezone(UTC)
