"""Private keys and CSRs made on the client's machine."""

import ipaddress
import os
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import NameOID

ALGORITHMS = (
    "ec-p256",
    "ec-p384",
    "ec-p521",
    "rsa-2048",
    "rsa-3072",
    "rsa-4096",
    "ed25519",
    "ed448",
)
_CURVES: dict[str, ec.EllipticCurve] = {
    "ec-p256": ec.SECP256R1(),
    "ec-p384": ec.SECP384R1(),
    "ec-p521": ec.SECP521R1(),
}


def make(algorithm: str) -> CertificateIssuerPrivateKeyTypes:
    """Return a new private key.

    Raises:
        ValueError: unknown algorithm.
    """
    if algorithm in _CURVES:
        return ec.generate_private_key(_CURVES[algorithm])
    if algorithm == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm == "ed448":
        return ed448.Ed448PrivateKey.generate()
    if algorithm in ALGORITHMS:
        return rsa.generate_private_key(65537, int(algorithm.removeprefix("rsa-")))
    raise ValueError(f"Unknown key algorithm {algorithm!r}; use one of: {', '.join(ALGORITHMS)}.")


def csr_pem(
    key: CertificateIssuerPrivateKeyTypes,
    *,
    common_name: str = "",
    dns: Iterable[str] = (),
    ip: Iterable[str] = (),
    email: Iterable[str] = (),
    uri: Iterable[str] = (),
) -> str:
    """Return a CSR with the names given, as PEM."""
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else []
    builder = x509.CertificateSigningRequestBuilder(x509.Name(attributes))
    names: list[x509.GeneralName] = [
        *map(x509.DNSName, dns),
        *(x509.IPAddress(ipaddress.ip_address(item)) for item in ip),
        *map(x509.RFC822Name, email),
        *map(x509.UniformResourceIdentifier, uri),
    ]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    plain = isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    signed = builder.sign(key, None if plain else hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def write(key: CertificateIssuerPrivateKeyTypes, target: Path) -> None:
    """Write the key as PKCS#8 PEM (mode 0600).

    Raises:
        FileExistsError: a key is never overwritten.
    """
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
