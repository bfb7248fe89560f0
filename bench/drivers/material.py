"""Certificate requests with fresh keys, generated before the clock starts."""

import uuid
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Request:
    """A P-256 CSR for one DNS name, and what its certificate has to carry."""

    name: str
    pem: str
    spki_der: bytes


def make(count: int) -> list[Request]:
    """Return ``count`` requests, each with a key and a name of its own."""
    return [_one() for _ in range(count)]


def _one() -> Request:
    key = ec.generate_private_key(ec.SECP256R1())
    name = f"{uuid.uuid4().hex[:20]}.bench.example.com"
    csr = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, SHA256())
    )
    return Request(
        name=name,
        pem=csr.public_bytes(Encoding.PEM).decode(),
        spki_der=key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    )
