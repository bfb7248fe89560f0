"""Certification paths: order, signatures, validity and names (RFC 5280 section 6.1).

For certificates that our CAs issued, CA certificates that somebody installs, and client
certificates. The caller checks revocation.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID

from pki import keys, structures
from pki.addresses import visible
from pki.constraints import (
    certificate_names_violations,
    is_self_issued,
    name_constraints_violations,
    path_length_of,
    path_length_violations,
)
from pki.findings import UnusableCertificate, Violation
from pki.parsing import ParserFailed, parsed

__all__ = [
    "issuer_bytes",
    "name_constraints_violations",
    "order_chain",
    "path_length_violations",
    "subject_bytes",
    "verify_issued",
    "verify_path",
]

MAX_CHAIN = 10
# A hostile certificate has thousands of names; the first ones show what is wrong.
_NAMES_SHOWN = 50
_PROCESSED_CRITICAL = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.CERTIFICATE_POLICIES,
    }
)


def subject_bytes(certificate: x509.Certificate) -> bytes:
    """Return the subject exactly as encoded.

    Relying parties compare names byte by byte (X-20, C-08), so the unusual string types of an
    imported CA must survive.
    """
    return asn1.encode_der(structures.tbs_certificate(certificate).subject)


def issuer_bytes(certificate: x509.Certificate) -> bytes:
    """Return the issuer exactly as encoded."""
    return asn1.encode_der(structures.tbs_certificate(certificate).issuer)


def verify_issued(certificate: x509.Certificate, issuer_certificate: x509.Certificate) -> None:
    """Check issuer name (byte for byte) and signature of a certificate (X-04, X-20).

    Raises:
        UnusableCertificate: either is not the issuer's.
    """
    violation = _issue_violation(certificate, issuer_certificate)
    if violation is not None:
        raise UnusableCertificate([violation])


def _issue_violation(certificate: x509.Certificate, issuer: x509.Certificate) -> Violation | None:
    if issuer_bytes(certificate) != subject_bytes(issuer):
        return _wrong_name(certificate, issuer)
    try:
        certificate.verify_directly_issued_by(issuer)
    except _NO_SIGNATURE:
        return _WRONG_SIGNATURE
    return None


def _wrong_name(certificate: x509.Certificate, issuer: x509.Certificate) -> Violation:
    return Violation(
        code="certificate.issuer_name",
        field="issuer",
        value=visible(certificate.issuer.rfc4514_string()),
        reason="The issuer is not, byte for byte, the subject of the certificate above.",
        hint=visible(issuer.subject.rfc4514_string()),
    )


_WRONG_SIGNATURE = Violation(
    code="certificate.signature",
    field="signature",
    value="",
    reason="The signature was not made with the key of the certificate above.",
)
_NO_SIGNATURE = (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError)


def order_chain(certificates: Iterable[x509.Certificate]) -> list[x509.Certificate]:
    """Return certificates in path order, the end entity (or lowest CA) first.

    Args:
        certificates: at most ten, in any order; repetitions are dropped.

    Raises:
        UnusableCertificate: nothing given, too many, or not one unbroken path.
    """
    pool = {c.public_bytes(Encoding.DER): c for c in certificates}
    if not 0 < len(pool) <= MAX_CHAIN:
        reason = f"A chain has between one and {MAX_CHAIN} certificates."
        raise UnusableCertificate([_chain_violation(reason, str(len(pool)))])
    rest = list(pool.values())
    above = {issuer_bytes(c) for c in rest if issuer_bytes(c) != subject_bytes(c)}
    lowest = [c for c in rest if subject_bytes(c) not in above]
    if len(lowest) != 1:
        raise UnusableCertificate([_chain_violation("The certificates do not form one path.")])
    path = lowest
    rest.remove(path[0])
    while rest:
        nearest = next((c for c in rest if _issue_violation(path[-1], c) is None), None)
        if nearest is None:
            reason = "None of the certificates issued the one named here."
            shown = visible(path[-1].subject.rfc4514_string())
            raise UnusableCertificate([_chain_violation(reason, shown)])
        path.append(nearest)
        rest.remove(nearest)
    return path


def verify_path(path: Sequence[x509.Certificate], *, at: datetime) -> tuple[Violation, ...]:
    """Return everything that breaks a path at a moment (RFC 5280 section 6.1).

    Args:
        path: end entity (or lowest CA) first, trust anchor last.
        at: aware UTC.

    Checked: signatures and names, validity, strength of the issuers' keys, basic constraints, key
    usage, path lengths, name constraints, unknown critical extensions. The field of a violation
    starts with ``chain[i]``.
    """
    return tuple(
        replace(violation, field=f"chain[{position}].{violation.field}")
        for position, certificate in enumerate(path)
        for violation in _link_violations(certificate, path[position + 1 :], position, path, at)
    )


def _link_violations(
    certificate: x509.Certificate,
    above: Sequence[x509.Certificate],
    position: int,
    path: Sequence[x509.Certificate],
    at: datetime,
) -> Iterator[Violation]:
    broken = _issue_violation(certificate, above[0]) if above else _anchor_violation(certificate)
    if broken is not None:
        yield broken
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        yield Violation(
            code="certificate.validity",
            field="not_after" if at > certificate.not_valid_after_utc else "not_before",
            value=certificate.not_valid_after_utc.isoformat(),
            reason=f"The certificate is not valid at {at.isoformat()}.",
        )
    try:
        extensions = parsed(lambda: certificate.extensions)
    except ParserFailed:
        yield _violation("extensions", "extensions", "The extensions are malformed or repeated.")
        return
    for extension in extensions:
        if extension.critical and extension.oid not in _PROCESSED_CRITICAL:
            reason = "A critical extension is unknown here."
            oid = extension.oid.dotted_string
            yield Violation("certificate.critical_extension", "extensions", oid, reason)
    if position:
        yield from _key_violations(certificate)
        yield from _ca_violations(certificate, extensions, path[1:position])
    if not position or not is_self_issued(certificate):
        yield from islice(certificate_names_violations(certificate, above), _NAMES_SHOWN)


def _anchor_violation(certificate: x509.Certificate) -> Violation | None:
    """Check a self-signed anchor against itself; other anchors are trusted as they are."""
    if issuer_bytes(certificate) != subject_bytes(certificate):
        return None
    return _issue_violation(certificate, certificate)


def _key_violations(certificate: x509.Certificate) -> Sequence[Violation]:
    """Check that nobody can forge what the key of a CA certificate signs."""
    try:
        return keys.issuer_key_violations(parsed(certificate.public_key))
    except ParserFailed:
        return (_violation("key", "public_key", "The key cannot be read."),)


def _ca_violations(
    certificate: x509.Certificate,
    extensions: x509.Extensions,
    below: Sequence[x509.Certificate],
) -> Iterator[Violation]:
    """Check that a certificate may issue, with the given CA certificates beneath it."""
    try:
        constraints = extensions.get_extension_for_class(x509.BasicConstraints)
        is_ca = constraints.value.ca
    except x509.ExtensionNotFound:
        is_ca = False
    if not is_ca:
        yield _violation("not_a_ca", "basic_constraints", "The certificate is not one of a CA.")
    try:
        signs = extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        signs = True  # only a key usage that is present limits the key (section 6.1.4 (n))
    if not signs:
        yield _violation("key_usage", "key_usage", "The key may not sign certificates.")
    limit = path_length_of(certificate)
    if limit is not None and sum(not is_self_issued(c) for c in below) > limit:
        yield _violation("path_length", "path_length", "More CAs are below than this one allows.")


def _violation(code: str, field: str, reason: str) -> Violation:
    return Violation(code=f"certificate.{code}", field=field, value="", reason=reason)


def _chain_violation(reason: str, value: str = "") -> Violation:
    return Violation(code="certificate.chain", field="chain", value=value, reason=reason)
