"""Containers for certificates and keys: PEM, P7B and PKCS#12.

PKCS#12 follows M-07: PBES2 with AES-256-CBC under PBKDF2-HMAC-SHA-256, MAC with SHA-256; on request
the protection that devices from before about 2018 read: triple DES and SHA-1.
"""

import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Sequence
from typing import Annotated

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    KeySerializationEncryption,
    PrivateFormat,
    pkcs7,
    pkcs12,
)

from pki import structures
from pki.algorithms import key_algorithm_of
from pki.findings import UnsupportedBundle, UnusableCertificate, Violation
from pki.parsing import load_certificate
from pki.structures import AlgorithmIdentifier

# One guess at the password must cost as much through the MAC as through the encryption. The
# library's own MAC takes 2 048 rounds, which would make it the cheaper attack. Readers have limits:
# .NET 9 takes 300 000 rounds for one key and the MAC, earlier ones 600 000 for all three together;
# Java 5 000 000 each. macOS and OpenSSL read what these do.
PKCS12_ROUNDS = 150_000
# What OpenSSL 1.1 and Windows wrote themselves; slow devices are made to wait no longer.
PKCS12_LEGACY_ROUNDS = 2048
PKCS12_SALT_BYTES = 16
MAX_CERTIFICATE_PEM = 64 * 1024

JKS_REFUSAL = (
    "JKS is a proprietary format with broken protection. Use PKCS#12: it is Java's default "
    "keystore type since Java 9 and every keytool reads it."
)
ML_DSA_REFUSAL = (
    "PKCS#12 files with ML-DSA keys can be read by almost nothing yet. Export the private key "
    "as PKCS#8 and the chain as PEM."
)

_UNREADABLE_FOR_JAVA = (
    "Java (keytool, KeyStore) cannot open the file: it takes passwords of printable ASCII "
    "characters only. Choose such a password if Java has to read it."
)
_PEM_LINE = 64


def to_pem(ders: Sequence[bytes]) -> str:
    """Return PEM blocks in the given order, each ending in a newline (RFC 7468 section 5)."""
    return "".join(pem_block("CERTIFICATE", data) for data in ders)


def pem_block(label: str, data: bytes) -> str:
    """Return one PEM block, ending in a newline (RFC 7468 section 2).

    The library writes PEM only of what it has parsed; refused requests are shown as well.

    Args:
        label: ``CERTIFICATE``, ``CERTIFICATE REQUEST`` or ``X509 CRL``.
        data: DER, or anything else.
    """
    text = binascii.b2a_base64(data, newline=False).decode()
    lines = [text[start : start + _PEM_LINE] for start in range(0, len(text), _PEM_LINE)]
    return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""))


_BOUNDARY = re.compile(r"-----(BEGIN|END) ([A-Z0-9 ]*)-----")
_BASE64_LINE = re.compile(r"[A-Za-z0-9+/]+={0,2}")


def from_pem(text: str, maximum: int) -> list[bytes]:
    """Return the certificates in a text, DER, in its order.

    Text between the blocks is passed over, as tools print subjects there; a block that is no
    certificate is refused (RFC 7468 sections 2 and 5).

    Args:
        text: PEM, with any newline convention.
        maximum: refuse more certificates than this.

    Raises:
        UnusableCertificate: no certificate, too many, too large, a block of another kind,
            cut short or not base64, or a block whose content is no certificate.
    """
    if len(text) > maximum * MAX_CERTIFICATE_PEM:
        raise _unusable("certificate.too_large", "The text is too large for certificates.")
    found: list[bytes] = []
    body: list[str] | None = None
    for raw in text.splitlines():
        line = raw.strip()
        boundary = _BOUNDARY.fullmatch(line)
        if boundary is None:
            if body is not None:
                body.append(line)
            continue
        body = _at_boundary(boundary, body, found)
        if len(found) > maximum:
            raise _unusable("certificate.too_many", f"More than {maximum} certificates.")
    if body is not None:
        raise _unusable("certificate.pem", "A PEM block has no end.")
    if not found:
        raise _unusable("certificate.missing", "There is no PEM certificate in the text.")
    return found


def _at_boundary(
    boundary: re.Match[str], body: list[str] | None, found: list[bytes]
) -> list[str] | None:
    """Open or close a block; a closed one is added to ``found``."""
    kind, label = boundary.groups()
    if label != "CERTIFICATE":
        hint = "Never paste a private key here. " if "PRIVATE KEY" in label else ""
        raise _unusable(
            "certificate.pem_label", f"{hint}Only CERTIFICATE blocks are taken, not {label[:40]}."
        )
    if (kind == "BEGIN") != (body is None):
        raise _unusable("certificate.pem", "PEM blocks are not closed one after the other.")
    if body is None:
        return []
    found.append(_certificate_of(body))
    return None


def _certificate_of(lines: list[str]) -> bytes:
    text = "".join(lines)
    if not _BASE64_LINE.fullmatch(text):
        raise _unusable("certificate.pem", "A PEM block is not base64.")
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
        load_certificate(data)
    except ValueError as error:
        raise _unusable("certificate.unreadable", "A PEM block holds no certificate.") from error
    return data


def _unusable(code: str, reason: str) -> UnusableCertificate:
    return UnusableCertificate([Violation(code, "certificates", "", reason)])


def to_p7b(ders: Sequence[bytes]) -> bytes:
    """Return a certs-only CMS SignedData, DER (RFC 5652 section 5.1, M-03).

    Raises:
        UnsupportedBundle: no certificate at all.
        UnusableCertificate: not a certificate.
    """
    if not ders:
        raise _unsupported("A P7B file holds at least one certificate.")
    return pkcs7.serialize_certificates([load_certificate(data) for data in ders], Encoding.DER)


@asn1.sequence
class _ContentInfo:
    content_type: x509.ObjectIdentifier
    content: Annotated[bytes, asn1.Explicit(0)]


@asn1.sequence
class _DigestInfo:
    digest_algorithm: AlgorithmIdentifier
    digest: bytes


@asn1.sequence
class _MacData:
    mac: _DigestInfo
    mac_salt: bytes
    iterations: int


@asn1.sequence
class _PFX:
    """PFX (RFC 7292 section 4)."""

    version: int
    auth_safe: _ContentInfo
    mac_data: _MacData


def to_pkcs12(
    key: PrivateKeyTypes,
    certificate_der: bytes,
    chain_ders: Sequence[bytes],
    password: bytes,
    friendly_name: str,
    *,
    legacy: bool = False,
) -> bytes:
    """Return a PKCS#12 file for OpenSSL, Java, Windows and macOS (RFC 7292, M-07).

    Costs about 0.15 s of CPU: that is what one guess at the password costs, too.

    Args:
        key: belongs to the certificate.
        certificate_der: DER.
        chain_ders: issuers above it, DER, nearest first.
        password: UTF-8, not empty; Java opens the file with ASCII passwords only.
        friendly_name: alias that keystores show; may be empty.
        legacy: protect it with triple DES and SHA-1 (PKCS#12 KDF, 2 048 rounds), for old devices
            that read nothing else; a password can be guessed a hundred times as fast.

    Raises:
        UnsupportedBundle: ML-DSA key, or a password that is empty or not UTF-8.
        UnusableCertificate: not a certificate, or not one of this key.
    """
    algorithm = key_algorithm_of(key.public_key())
    if algorithm is not None and algorithm.is_post_quantum:
        raise _unsupported(ML_DSA_REFUSAL)
    certificate = load_certificate(certificate_der)
    if certificate.public_key() != key.public_key():
        raise _unusable("certificate.key_mismatch", "The certificate is of another key.")
    # The library types its parameter more narrowly than the union that key loading returns.
    pfx = pkcs12.serialize_key_and_certificates(
        friendly_name.encode() or None,
        key,  # type: ignore[arg-type]
        certificate,
        [load_certificate(data) for data in chain_ders],
        _encryption(password, legacy=legacy),
    )
    return pfx if legacy else _with_strong_mac(pfx, password)


def pkcs12_notes(password: str) -> tuple[str, ...]:
    """Return what whoever opens a PKCS#12 file with this password should know beforehand."""
    if password.isascii() and password.isprintable():
        return ()
    return (_UNREADABLE_FOR_JAVA,)


def _encryption(password: bytes, *, legacy: bool) -> KeySerializationEncryption:
    if not password:
        raise _unsupported("A PKCS#12 file needs a password: without one its key is in the clear.")
    try:
        password.decode()
    except UnicodeDecodeError as error:
        raise _unsupported("The password is not text in UTF-8.") from error
    if legacy:
        return (
            PrivateFormat.PKCS12.encryption_builder()
            .kdf_rounds(PKCS12_LEGACY_ROUNDS)
            .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
            .hmac_hash(hashes.SHA1())  # noqa: S303 - asked for, by the name of legacy
            .build(password)
        )
    return (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(PKCS12_ROUNDS)
        .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(hashes.SHA256())
        .build(password)
    )


def _with_strong_mac(pfx: bytes, password: bytes) -> bytes:
    """Return the file with its MacData made again, with a longer salt and as many rounds as the keys.

    The library has no option for this. The MAC covers the content of the OCTET STRING inside
    authSafe (RFC 7292 section 4).
    """
    file = structures.decode(_PFX, pfx)
    salt = os.urandom(PKCS12_SALT_BYTES)
    mac_key = _mac_key(password.decode(), salt, PKCS12_ROUNDS)
    file.mac_data.mac.digest = hmac.digest(mac_key, file.auth_safe.content, "sha256")
    file.mac_data.mac_salt = salt
    file.mac_data.iterations = PKCS12_ROUNDS
    return asn1.encode_der(file)


def _mac_key(password: str, salt: bytes, rounds: int) -> bytes:
    """Return the 32-octet MAC key of RFC 7292 appendix B.2 with SHA-256 and purpose 3.

    One digest is as long as the key, so the steps for further blocks never apply.
    """
    block = hashes.SHA256().block_size
    secret = password.encode("utf-16-be") + b"\x00\x00"
    key = b"\x03" * block + _repeated(salt, block) + _repeated(secret, block)
    for _ in range(rounds):
        key = hashlib.sha256(key).digest()
    return key


def _repeated(data: bytes, block: int) -> bytes:
    """Return ``data`` repeated to the next multiple of ``block`` octets."""
    size = -(-len(data) // block) * block
    return (data * (size // len(data) + 1))[:size]


def _unsupported(reason: str) -> UnsupportedBundle:
    return UnsupportedBundle([Violation("bundle.unsupported", "format", "", reason)])
