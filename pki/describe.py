"""What does this certificate, request or CRL say? Decoded for people to read.

Made for pages and terminals: it never raises on hostile content, and its texts are exactly
what the bytes hold, so whoever draws them has to escape them.
"""

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from pki import keys
from pki.algorithms import key_algorithm_of
from pki.describe_extensions import Block, Line, extension_block, rdns

_MAX_ENTRIES = 200


@dataclass(frozen=True, slots=True)
class Description:
    """Everything there is to show, in the order of the encoding."""

    blocks: tuple[Block, ...] = field(default_factory=tuple)


def describe_certificate(der: bytes) -> Description:
    """Return a certificate decoded; unreadable bytes give one block that says so."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        head = (
            Line("Subject", rdns(certificate.subject)),
            Line("Issuer", rdns(certificate.issuer)),
            Line("Serial number", (f"{certificate.serial_number:x}",), mono=True),
            Line("Not before", (_time(certificate.not_valid_before_utc),)),
            Line("Not after", (_time(certificate.not_valid_after_utc),)),
            Line("Signature algorithm", (_signature_name(certificate),)),
            Line("Version", (certificate.version.name,)),
        )
    except Exception as error:  # noqa: BLE001 - hostile bytes: any parser failure is an answer here
        return _unreadable("certificate", error)
    return Description(
        (
            Block("Certificate", head),
            _key_block(certificate.public_key),
            *_extension_blocks(lambda: certificate.extensions),
            _fingerprints(der),
        )
    )


def describe_csr(der: bytes) -> Description:
    """Return a PKCS#10 request decoded; unreadable bytes give one block that says so."""
    try:
        request = x509.load_der_x509_csr(der)
        head = (
            Line("Subject", rdns(request.subject)),
            Line("Signature algorithm", (_signature_name(request),)),
            Line("Proof of possession", (_possession(request),)),
        )
    except Exception as error:  # noqa: BLE001 - hostile bytes: any parser failure is an answer here
        return _unreadable("request", error)
    return Description(
        (
            Block("Request", head),
            _key_block(request.public_key),
            *_extension_blocks(lambda: request.extensions),
            _fingerprints(der),
        )
    )


def describe_crl(der: bytes) -> Description:
    """Return a CRL decoded, with at most its first 200 entries."""
    try:
        crl = x509.load_der_x509_crl(der)
        entries = tuple(_entry(entry) for entry in islice(crl, _MAX_ENTRIES))
        due = crl.next_update_utc
        head = (
            Line("Issuer", rdns(crl.issuer)),
            Line("This update", (_time(crl.last_update_utc),)),
            Line("Next update", (_time(due) if due else "none",)),
            Line("Signature algorithm", (_signature_name(crl),)),
            Line("Revoked certificates", (str(len(crl)),)),
        )
    except Exception as error:  # noqa: BLE001 - hostile bytes: any parser failure is an answer here
        return _unreadable("CRL", error)
    title = "Entries" if len(crl) <= _MAX_ENTRIES else f"First {_MAX_ENTRIES} entries"
    shown = Block(title, (Line("Serial number, since, reason", entries, mono=True),))
    return Description(
        (
            Block("CRL", head),
            *_extension_blocks(lambda: crl.extensions),
            *((shown,) if entries else ()),
            _fingerprints(der),
        )
    )


def _unreadable(what: str, error: Exception) -> Description:
    line = Line("Problem", (f"The {what} cannot be decoded ({type(error).__name__}).",))
    return Description((Block(what.capitalize(), (line,)),))


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _signature_name(
    signed: x509.Certificate | x509.CertificateSigningRequest | x509.CertificateRevocationList,
) -> str:
    oid = signed.signature_algorithm_oid
    return f"{oid._name} ({oid.dotted_string})"  # noqa: SLF001 - the library offers no public name


def _possession(request: x509.CertificateSigningRequest) -> str:
    return "verifies" if request.is_signature_valid else "does not verify"


def _key_block(load: Callable[[], object]) -> Block:
    try:
        key = load()
        algorithm = key_algorithm_of(key)  # type: ignore[arg-type]
        spki = keys.public_key_to_der(key)  # type: ignore[arg-type]
        lines = [Line("Algorithm", (algorithm.label if algorithm else type(key).__name__,))]
        if isinstance(key, rsa.RSAPublicKey):
            lines.append(Line("Exponent", (str(key.public_numbers().e),)))
        elif isinstance(key, ec.EllipticCurvePublicKey):
            lines.append(Line("Curve", (key.curve.name,)))
        lines.append(Line("SPKI SHA-256", (keys.spki_sha256(spki),), mono=True))
    except Exception as error:  # noqa: BLE001 - hostile bytes: any parser failure is an answer here
        return Block("Public key", (Line("Problem", (f"Unreadable ({type(error).__name__}).",)),))
    return Block("Public key", tuple(lines))


def _fingerprints(der: bytes) -> Block:
    def digest(algorithm: hashes.HashAlgorithm) -> str:
        context = hashes.Hash(algorithm)
        context.update(der)
        return context.finalize().hex(":").upper()

    return Block(
        "Fingerprints",
        (
            Line("SHA-256", (digest(hashes.SHA256()),), mono=True),
            Line("SHA-1", (digest(hashes.SHA1()),), mono=True),  # noqa: S303 - an identifier, not a proof
        ),
    )


def _entry(entry: x509.RevokedCertificate) -> str:
    reason = "unspecified"
    with contextlib.suppress(x509.ExtensionNotFound):
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
    return f"{entry.serial_number:x}  {_time(entry.revocation_date_utc)}  {reason}"


def _extension_blocks(load: Callable[[], x509.Extensions]) -> Iterable[Block]:
    try:
        extensions = list(load())
    except Exception as error:  # noqa: BLE001 - hostile bytes: any parser failure is an answer here
        return [Block("Extensions", (Line("Problem", (f"Unreadable ({type(error).__name__}).",)),))]
    return [extension_block(extension) for extension in extensions]
