"""Does one certificate really stem from another, and do they form a path that holds?

RFC 5280 section 6.1 for what we use ourselves: what our CAs issued, CA certificates that
someone installs, client certificates. Revocation is the caller's to ask.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID

from pki import der, keys
from pki.addresses import visible
from pki.algorithms import SignatureAlgorithm
from pki.constraints import (
    is_self_issued,
    name_constraints_violations,
    path_length_of,
    path_length_violations,
)
from pki.der_values import algorithm_identifier
from pki.findings import UnusableCertificate, Violation
from pki.names import read_subject, san_pair

__all__ = [
    "issuer_bytes",
    "name_constraints_violations",
    "order_chain",
    "path_length_violations",
    "signature_offset",
    "subject_bytes",
    "verify_issued",
    "verify_made",
    "verify_path",
]

MAX_CHAIN = 10
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
_CACHED = 512
_ISSUER, _SUBJECT = 2, 4  # positions after the version
_LONG_FORM = 0x80  # of a length, X.690 section 8.1.3.5


@lru_cache(maxsize=_CACHED)
def subject_bytes(certificate: x509.Certificate) -> bytes:
    """Return the subject exactly as encoded."""
    return _names(certificate.tbs_certificate_bytes)[1]


def issuer_bytes(certificate: x509.Certificate) -> bytes:
    """Return the issuer exactly as encoded."""
    return _names(certificate.tbs_certificate_bytes)[0]


def signature_offset(tbs_der: bytes) -> int:
    """Return where the field ``signature`` of a TBSCertificate begins; the issuer follows it.

    Raises:
        ValueError: the serial number is longer than any of ours.
    """
    length = tbs_der[1]
    offset = 2 if length < _LONG_FORM else length - _LONG_FORM + 2
    if tbs_der[offset] == der.CONTEXT_0:  # the version; absent in v1
        offset += 2 + tbs_der[offset + 1]
    size = tbs_der[offset + 1]
    if size >= _LONG_FORM:
        raise ValueError("the serial number has more than 127 octets")
    return offset + 2 + size


def _names(tbs_der: bytes) -> tuple[bytes, bytes]:
    fields = der.split(tbs_der)
    if fields[0][0] == der.CONTEXT_0:
        del fields[0]
    return fields[_ISSUER], fields[_SUBJECT]


def verify_issued(certificate: x509.Certificate, issuer_certificate: x509.Certificate) -> None:
    """Check issuer name (byte for byte) and signature of a certificate (X-04, X-20).

    Raises:
        UnusableCertificate: either is not the issuer's.
    """
    violation = _issue_violation(certificate, issuer_certificate)
    if violation is not None:
        raise UnusableCertificate([violation])


def verify_made(
    certificate: x509.Certificate,
    issuer_certificate: x509.Certificate,
    *,
    issuer_name: bytes,
    issuer_key: PublicKeyTypes,
    tbs_der: bytes,
    signature_algorithm: SignatureAlgorithm,
) -> None:
    """Check the same of a certificate just made, without encoding again what is at hand.

    Args:
        certificate: made of ``tbs_der``, which names ``signature_algorithm``.
        issuer_certificate: of the authority that signed.
        issuer_name: ``subject_bytes`` of that certificate.
        issuer_key: its public key, which the library would load anew each time.
        tbs_der: the bytes that were signed.
        signature_algorithm: what they were signed with.

    Raises:
        UnusableCertificate: name or signature is not the issuer's.
    """
    name_offset = signature_offset(tbs_der) + len(algorithm_identifier(signature_algorithm))
    if not tbs_der.startswith(issuer_name, name_offset):
        raise UnusableCertificate([_wrong_name(certificate, issuer_certificate)])
    try:
        verifies = keys.verify(issuer_key, certificate.signature, tbs_der, signature_algorithm)
    except _NO_SIGNATURE:
        verifies = False
    if not verifies:
        raise UnusableCertificate([_WRONG_SIGNATURE])


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

    Checked: signatures and names, validity, basic constraints, key usage, path lengths, name
    constraints, unknown critical extensions. The field of a violation starts with
    ``chain[i]``.
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
        extensions = certificate.extensions
    except (ValueError, x509.DuplicateExtension):
        yield _violation("extensions", "extensions", "The extensions are malformed or repeated.")
        return
    for extension in extensions:
        if extension.critical and extension.oid not in _PROCESSED_CRITICAL:
            reason = "A critical extension is unknown here."
            oid = extension.oid.dotted_string
            yield Violation("certificate.critical_extension", "extensions", oid, reason)
    if position:
        yield from _ca_violations(certificate, path[1:position])
    if not position or not is_self_issued(certificate):
        yield from _constrained(certificate, above)


def _anchor_violation(certificate: x509.Certificate) -> Violation | None:
    """Check a self-signed anchor against itself; other anchors are trusted as they are."""
    if issuer_bytes(certificate) != subject_bytes(certificate):
        return None
    return _issue_violation(certificate, certificate)


def _ca_violations(
    certificate: x509.Certificate, below: Sequence[x509.Certificate]
) -> Iterator[Violation]:
    """Check that a certificate may issue, with the given CA certificates beneath it."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        is_ca = constraints.value.ca
    except x509.ExtensionNotFound:
        is_ca = False
    if not is_ca:
        yield _violation("not_a_ca", "basic_constraints", "The certificate is not one of a CA.")
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        signs = usage.key_cert_sign
    except x509.ExtensionNotFound:
        signs = False
    if not signs:
        yield _violation("key_usage", "key_usage", "The key may not sign certificates.")
    limit = path_length_of(certificate)
    if limit is not None and sum(not is_self_issued(c) for c in below) > limit:
        yield _violation("path_length", "path_length", "More CAs are below than this one allows.")


def _constrained(
    certificate: x509.Certificate, above: Sequence[x509.Certificate]
) -> tuple[Violation, ...]:
    subject, _ = read_subject(certificate.subject)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return name_constraints_violations(subject, (), above)
    pairs = [pair for name in names if (pair := san_pair(name)) is not None]
    return name_constraints_violations(subject, pairs, above)


def _violation(code: str, field: str, reason: str) -> Violation:
    return Violation(code=f"certificate.{code}", field=field, value="", reason=reason)


def _chain_violation(reason: str, value: str = "") -> Violation:
    return Violation(code="certificate.chain", field="chain", value=value, reason=reason)
