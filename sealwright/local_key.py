"""Private keys and CSRs made on the client's machine."""

import ipaddress
from collections.abc import Iterable
from pathlib import Path

import idna
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import NameOID

from sealwright import files
from sealwright.errors import SealwrightClientError

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
        SealwrightClientError: unknown algorithm.
    """
    if algorithm in _CURVES:
        return ec.generate_private_key(_CURVES[algorithm])
    if algorithm == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm == "ed448":
        return ed448.Ed448PrivateKey.generate()
    if algorithm in ALGORITHMS:
        return rsa.generate_private_key(65537, int(algorithm.removeprefix("rsa-")))
    raise SealwrightClientError(
        f"A key of algorithm {algorithm!r} cannot be made here; one of: {', '.join(ALGORITHMS)}."
    )


def csr_pem(
    key: CertificateIssuerPrivateKeyTypes,
    *,
    common_name: str = "",
    dns: Iterable[str] = (),
    ip: Iterable[str] = (),
    email: Iterable[str] = (),
    uri: Iterable[str] = (),
) -> str:
    """Return a CSR with the names given, as PEM.

    Raises:
        SealwrightClientError: a name cannot be written into a CSR.
    """
    builder = x509.CertificateSigningRequestBuilder(_subject(common_name))
    names: list[x509.GeneralName] = [
        *map(_dns, dns),
        *map(_ip, ip),
        *map(_email, email),
        *map(_uri, uri),
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
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    files.write_secret(target, pem)


def _dns(name: str) -> x509.DNSName:
    """Return a host name; one with other letters than ASCII in its A-label form (RFC 5280 7.2)."""
    if name.isascii():
        return x509.DNSName(name)
    try:
        return x509.DNSName(idna.encode(name, uts46=True).decode())
    except idna.IDNAError as error:
        raise SealwrightClientError(f"--dns: {name!r} is not a host name.") from error


def _ip(address: str) -> x509.IPAddress:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError as error:
        raise SealwrightClientError(f"--ip: {address!r} is not an IP address.") from error


def _email(address: str) -> x509.RFC822Name:
    try:
        return x509.RFC822Name(address)
    except ValueError as error:
        raise SealwrightClientError(
            f"--email: {address!r} is not a mail address in ASCII."
        ) from error


def _uri(value: str) -> x509.UniformResourceIdentifier:
    try:
        return x509.UniformResourceIdentifier(value)
    except ValueError as error:
        raise SealwrightClientError(f"--uri: {value!r} is not a URI in ASCII.") from error


def _subject(common_name: str) -> x509.Name:
    try:
        return x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else []
        )
    except ValueError as error:
        raise SealwrightClientError("--cn: at most 64 characters.") from error
