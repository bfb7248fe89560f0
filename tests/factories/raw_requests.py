"""Certificate requests put together by hand from parts in any encoding, and really signed."""

import base64
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pki.algorithms import KeyAlgorithm
from tests.factories.keys import private_key
from tests.unit.pki import der
from tests.unit.pki.samples import (
    extension_request,
    object_id,
    raw_extension,
    raw_name,
)

HOST = "host.example.com"
UTF8, NUMERIC, PRINTABLE, T61, IA5, BMP = 0x0C, 0x12, 0x13, 0x14, 0x16, 0x1E
CN, SERIAL, COUNTRY, LOCALITY, STATE = "2.5.4.3", "2.5.4.5", "2.5.4.6", "2.5.4.7", "2.5.4.8"
ORGANIZATION, UNIT = "2.5.4.10", "2.5.4.11"
EMAIL, UNSTRUCTURED = "1.2.840.113549.1.9.1", "1.2.840.113549.1.9.2"
MS_REQUEST = "1.3.6.1.4.1.311.2.1.14"
CHALLENGE = "1.2.840.113549.1.9.7"
NULL, FALSE = b"\x05\x00", b"\x01\x01\x00"
HOST_NAME = (CN, UTF8, HOST.encode())

ECDSA_SHA256, RSA_SHA256 = "1.2.840.10045.4.3.2", "1.2.840.113549.1.1.11"
PSS = "1.2.840.113549.1.1.10"
SHA256, SHA3_256 = "2.16.840.1.101.3.4.2.1", "2.16.840.1.101.3.4.2.8"


def oid(dotted: str) -> bytes:
    return object_id(dotted)


def name(*attributes: tuple[str, int, bytes]) -> bytes:
    return raw_name(*attributes)


def rdns(*groups: Sequence[tuple[str, int, bytes]]) -> bytes:
    """Return a Name whose relative distinguished names have several attributes, unsorted."""
    return der.encode(
        0x30,
        *(
            der.encode(
                0x31,
                *(
                    der.encode(0x30, oid(kind), der.encode(tag, text))
                    for kind, tag, text in attributes
                ),
            )
            for attributes in groups
        ),
    )


def alt_names(*names: x509.GeneralName | bytes) -> bytes:
    """Return a subjectAltName extension; names may be given as DER."""
    parts = [
        one if isinstance(one, bytes) else der.content(_general(one)) for one in names or HOSTS
    ]
    return raw_extension("2.5.29.17", der.encode(0x30, *parts))


def _general(one: x509.GeneralName) -> bytes:
    return x509.SubjectAlternativeName([one]).public_bytes()


HOSTS = (x509.DNSName(HOST),)


def usages(bits: str = "030205a0") -> bytes:
    return raw_extension("2.5.29.15", bytes.fromhex(bits), critical=True)


def purposes(*dotted: str) -> bytes:
    return raw_extension("2.5.29.37", der.encode(0x30, *map(oid, dotted)))


def request(
    *attributes: bytes,
    subject: bytes | None = None,
    key: KeyAlgorithm = KeyAlgorithm.EC_P256,
    number: int = 0,
    spki: bytes | None = None,
    algorithm: bytes | None = None,
    digest: hashes.HashAlgorithm | None = None,
    pss: padding.PSS | None = None,
    version: int = 0,
    attributes_field: bool = True,
) -> bytes:
    """Return a signed request, DER, of parts as they are given; attributes stay in that order."""
    signer = private_key(key, number)
    public = signer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    info = der.encode(
        0x30,
        der.integer(version),
        name(HOST_NAME) if subject is None else subject,
        spki or public,
        der.encode(0xA0, *(attributes or [extension_request(alt_names())]))
        if attributes_field
        else b"",
    )
    digest = digest or hashes.SHA256()
    if isinstance(signer, rsa.RSAPrivateKey):
        signature = signer.sign(info, pss or padding.PKCS1v15(), digest)
        algorithm = algorithm or der.encode(0x30, oid(RSA_SHA256), NULL)
    else:
        assert isinstance(signer, ec.EllipticCurvePrivateKey)
        signature = signer.sign(info, ec.ECDSA(digest))
        algorithm = algorithm or der.encode(0x30, oid(ECDSA_SHA256))
    return der.encode(0x30, info, algorithm, der.encode(0x03, b"\x00", signature))


def pem(request_der: bytes, label: str = "CERTIFICATE REQUEST") -> bytes:
    body = base64.encodebytes(request_der).decode()
    return f"-----BEGIN {label}-----\n{body}-----END {label}-----\n".encode()


def asked(*extensions: bytes, **options: object) -> bytes:
    """Return a request with these extensions beside the host name."""
    return request(extension_request(*extensions, alt_names()), **options)


def named(*attributes: tuple[str, int, bytes], **options: object) -> bytes:
    """Return a request with these subject attributes before the common name."""
    return request(subject=name(*attributes, HOST_NAME), **options)


def pss_key_request(parameters: bytes) -> bytes:
    """Return a request for an id-RSASSA-PSS key."""
    key = private_key(KeyAlgorithm.RSA_2048)
    numbers = key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    spki = der.encode(
        0x30, der.encode(0x30, oid(PSS), parameters), der.encode(0x03, b"\x00", numbers)
    )
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    return request(key=KeyAlgorithm.RSA_2048, spki=spki, pss=scheme, algorithm=PSS_SHA256)


def pss_parameters(digest: str) -> bytes:
    """Return RSASSA-PSS-params with one digest throughout and 32 octets of salt (RFC 4055 3.1)."""
    algorithm = der.encode(0x30, oid(digest), NULL)
    return der.encode(
        0x30,
        der.encode(0xA0, algorithm),
        der.encode(0xA1, der.encode(0x30, oid("1.2.840.113549.1.1.8"), algorithm)),
        der.encode(0xA2, der.integer(32)),
    )


PSS_SHA256 = der.encode(0x30, oid(PSS), pss_parameters(SHA256))
