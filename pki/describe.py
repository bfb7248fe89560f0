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
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from pki import csr_pem, der_guard, keys, structures
from pki.csr_extras import shown
from pki.csr_frame import EXTENSION_REQUESTS, Frame, extensions_in, library_request, read_frame
from pki.csr_proof import is_proven
from pki.describe_extensions import UNREADABLE, Block, Line, extension_block, rdns
from pki.findings import PkiError
from pki.oid_names import named
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
    except (ParserFailed, PkiError):
        return _unreadable("certificate")
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


def describe_csr(data: bytes) -> Description:
    """Return a PKCS#10 request decoded; unreadable bytes give one block that says so.

    Args:
        data: as it came in, PEM or DER.
    """
    try:
        der = csr_pem.request_der(data)
        der_guard.scan(der, max_bytes=csr_pem.MAX_BYTES)
        frame = parsed(lambda: read_frame(der))
        head = parsed(lambda: _request_lines(frame))
    except PkiError as error:
        line = Line("Problem", tuple(violation.reason for violation in error.violations))
        return Description((Block("Request", (line,)),))
    except ParserFailed:
        return _unreadable("request")
    return Description(
        (
            Block("Request", head),
            _key_block(lambda: keys.load_public_key(frame.public_key_der)),
            *_requested_blocks(frame),
            _fingerprints(der),
        )
    )


def _request_lines(frame: Frame) -> tuple[Line, ...]:
    names = [
        f"{named(attribute.type)} = {shown(asn1.encode_der(attribute.value))}"
        for rdn in structures.sequence_elements(frame.subject_der)
        for attribute in map(_attribute, structures.set_elements(rdn))
    ]
    others = [
        named(attribute.oid)
        for attribute in frame.attributes
        if attribute.oid not in EXTENSION_REQUESTS
    ]
    lines = (
        Line("Subject", tuple(names) or ("(empty)",)),
        Line("Signature algorithm", (named(frame.signature_oid),)),
        Line("Proof of possession", ("verifies" if is_proven(frame) else "does not verify",)),
    )
    return (*lines, Line("Attributes", tuple(others))) if others else lines


def _attribute(der: bytes) -> structures.AttributeTypeAndValue:
    return structures.decode(structures.AttributeTypeAndValue, der)


def _requested_blocks(frame: Frame) -> Iterable[Block]:
    """Yield each requested extension; one that the library cannot read is shown as DER."""
    for attribute in frame.attributes:
        if attribute.oid not in EXTENSION_REQUESTS:
            continue
        try:
            found = extensions_in(attribute)
        except PkiError as error:
            yield Block("Extensions", (Line("Problem", (str(error),)),))
            continue
        for extension in found:
            try:
                request = library_request(frame, [extension])
                (read,) = parsed(lambda: list(request.extensions))  # noqa: B023 - called at once
            except ParserFailed:
                lines = (Line("DER", (extension.value.hex(),), mono=True),)
                yield Block(f"Extension {named(extension.oid)}", lines, extension.critical)
            else:
                yield extension_block(read)


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
    except (ParserFailed, PkiError):
        return _unreadable("CRL")
    title = "Entries" if count <= _MAX_ENTRIES else f"First {_MAX_ENTRIES} entries"
    listed = Block(title, (Line("Serial number, since, reason", entries, mono=True),))
    return Description(
        (
            Block("CRL", head),
            *_extension_blocks(lambda: crl.extensions),
            *((listed,) if entries else ()),
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


def _unreadable(what: str) -> Description:
    line = Line("Problem", (f"The {what} cannot be decoded.",))
    return Description((Block(what.capitalize(), (line,)),))


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _signature_name(
    signed: x509.Certificate | x509.CertificateRevocationList,
) -> str:
    oid = signed.signature_algorithm_oid
    algorithm = structures.SIGNATURE_ALGORITHMS.get(oid)
    return f"{algorithm.value} ({oid.dotted_string})" if algorithm else oid.dotted_string


def _key_block(load: Callable[[], PublicKeyTypes]) -> Block:
    try:
        lines = parsed(lambda: _key_lines(load()))
    except (ParserFailed, PkiError):  # the library's reader, or our own
        return Block("Public key", (Line("Problem", (UNREADABLE,)),))
    return Block("Public key", lines)


def _key_lines(key: PublicKeyTypes) -> tuple[Line, ...]:
    lines = [Line("Algorithm", (keys.kind_of(key),))]
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
    except ParserFailed:
        return [Block("Extensions", (Line("Problem", (UNREADABLE,)),))]
    return [extension_block(extension) for extension in extensions]
