"""Certificates, requests and CRLs decoded for people to read, on pages and in terminals.

Nothing here raises on hostile content. The texts are exactly what the bytes hold: who shows
them must escape them.
"""

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from pki import csr, der_guard, keys, structures
from pki.algorithms import key_algorithm_of
from pki.describe_extensions import Block, Line, extension_block, rdns
from pki.findings import PkiError
from pki.parsing import ParserFailed, load_certificate, parsed

_MAX_ENTRIES = 200
_MAX_CRL_BYTES = 2 * 1024 * 1024
# An entry with reason and invalidity date has twelve elements in some 60 octets.
_MAX_CRL_ELEMENTS = 500_000


@dataclass(frozen=True, slots=True)
class Description:
    """Everything there is to show, in the order of the encoding."""

    blocks: tuple[Block, ...] = field(default_factory=tuple)


def describe_certificate(der: bytes) -> Description:
    """Return a certificate decoded; unreadable bytes give one block that says so."""
    try:
        certificate = load_certificate(der)
        head = parsed(lambda: _certificate_lines(certificate))
    except (ParserFailed, PkiError) as error:
        return _unreadable("certificate", error)
    return Description(
        (
            Block("Certificate", head),
            _key_block(certificate.public_key),
            *_extension_blocks(lambda: certificate.extensions),
            _fingerprints(der),
        )
    )


def _certificate_lines(certificate: x509.Certificate) -> tuple[Line, ...]:
    return (
        Line("Subject", rdns(certificate.subject)),
        Line("Issuer", rdns(certificate.issuer)),
        Line("Serial number", (f"{certificate.serial_number:x}",), mono=True),
        Line("Not before", (_time(certificate.not_valid_before_utc),)),
        Line("Not after", (_time(certificate.not_valid_after_utc),)),
        Line("Signature algorithm", (_signature_name(certificate),)),
        Line("Version", (certificate.version.name,)),
    )


def describe_csr(der: bytes) -> Description:
    """Return a PKCS#10 request decoded; unreadable bytes give one block that says so."""
    try:
        der_guard.scan(der, max_bytes=csr.MAX_BYTES)
        request = parsed(lambda: x509.load_der_x509_csr(der))
        head = parsed(lambda: _request_lines(request))
    except (ParserFailed, PkiError) as error:
        return _unreadable("request", error)
    return Description(
        (
            Block("Request", head),
            _key_block(request.public_key),
            *_extension_blocks(lambda: request.extensions),
            _fingerprints(der),
        )
    )


def _request_lines(request: x509.CertificateSigningRequest) -> tuple[Line, ...]:
    return (
        Line("Subject", rdns(request.subject)),
        Line("Signature algorithm", (_signature_name(request),)),
        Line("Proof of possession", (_possession(request),)),
    )


def describe_crl(der: bytes) -> Description:
    """Return a CRL decoded, with at most its first 200 entries.

    A CRL of more than two megabytes (some 50 000 entries) is not read: no page can show it.
    """
    try:
        der_guard.scan(der, max_bytes=_MAX_CRL_BYTES, max_elements=_MAX_CRL_ELEMENTS)
        crl = parsed(lambda: x509.load_der_x509_crl(der))
        entries = parsed(lambda: tuple(_entry(entry) for entry in islice(crl, _MAX_ENTRIES)))
        head = parsed(lambda: _crl_lines(crl))
        count = parsed(lambda: len(crl))
    except (ParserFailed, PkiError) as error:
        return _unreadable("CRL", error)
    title = "Entries" if count <= _MAX_ENTRIES else f"First {_MAX_ENTRIES} entries"
    shown = Block(title, (Line("Serial number, since, reason", entries, mono=True),))
    return Description(
        (
            Block("CRL", head),
            *_extension_blocks(lambda: crl.extensions),
            *((shown,) if entries else ()),
            _fingerprints(der),
        )
    )


def _crl_lines(crl: x509.CertificateRevocationList) -> tuple[Line, ...]:
    due = crl.next_update_utc
    return (
        Line("Issuer", rdns(crl.issuer)),
        Line("This update", (_time(crl.last_update_utc),)),
        Line("Next update", (_time(due) if due else "none",)),
        Line("Signature algorithm", (_signature_name(crl),)),
        Line("Revoked certificates", (str(len(crl)),)),
    )


def _unreadable(what: str, error: Exception) -> Description:
    line = Line("Problem", (f"The {what} cannot be decoded ({_cause(error)}).",))
    return Description((Block(what.capitalize(), (line,)),))


def _cause(error: Exception) -> str:
    return type(error.__cause__ or error).__name__


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _signature_name(
    signed: x509.Certificate | x509.CertificateSigningRequest | x509.CertificateRevocationList,
) -> str:
    oid = signed.signature_algorithm_oid
    algorithm = structures.SIGNATURE_ALGORITHMS.get(oid)
    return f"{algorithm.value} ({oid.dotted_string})" if algorithm else oid.dotted_string


def _possession(request: x509.CertificateSigningRequest) -> str:
    return "verifies" if request.is_signature_valid else "does not verify"


def _key_block(load: Callable[[], PublicKeyTypes]) -> Block:
    try:
        lines = parsed(lambda: _key_lines(load()))
    except ParserFailed as error:
        return Block("Public key", (Line("Problem", (f"Unreadable ({_cause(error)}).",)),))
    return Block("Public key", lines)


def _key_lines(key: PublicKeyTypes) -> tuple[Line, ...]:
    algorithm = key_algorithm_of(key)
    lines = [Line("Algorithm", (algorithm.label if algorithm else type(key).__name__,))]
    if isinstance(key, rsa.RSAPublicKey):
        lines.append(Line("Exponent", (str(key.public_numbers().e),)))
    elif isinstance(key, ec.EllipticCurvePublicKey):
        lines.append(Line("Curve", (key.curve.name,)))
    identity = keys.spki_sha256(keys.public_key_to_der(key))
    return (*lines, Line("SPKI SHA-256", (identity,), mono=True))


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
        extensions = parsed(lambda: list(load()))
    except ParserFailed as error:
        return [Block("Extensions", (Line("Problem", (f"Unreadable ({_cause(error)}).",)),))]
    return [extension_block(extension) for extension in extensions]
