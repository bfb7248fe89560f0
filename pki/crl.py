"""How is a certificate revocation list written, read back and judged before it is published?

Written by hand in one pass: the library's builder copies its list with every entry, which
makes a million entries a matter of an hour. RFC 5280 section 5; C-01 to C-09.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeVar

from cryptography import x509

from pki import der, keys
from pki.algorithms import SignatureAlgorithm, key_algorithm_of, signature_algorithms_of
from pki.der_values import (
    algorithm_identifier,
    extension,
    generalized_time,
    header,
    integer,
    object_identifier,
    public_key_octets,
    subject_octets,
    time,
)
from pki.findings import PkiError, Violation
from pki.reasons import RevocationReason

# RFC 5280 section 5.2.3 allows 20 octets; one bit less keeps the encoding there.
MAX_NUMBER = 2**159 - 1
# RFC 5280 section 4.1.2.2: 20 octets with a clear sign bit.
MAX_SERIAL_NUMBER = 2**159 - 1

_AUTHORITY_KEY_IDENTIFIER = object_identifier("2.5.29.35")
_CRL_NUMBER = object_identifier("2.5.29.20")
_REASON_CODE = object_identifier("2.5.29.21")
_INVALIDITY_DATE = object_identifier("2.5.29.24")
_ENUMERATED = 0x0A
_KEY_IDENTIFIER = 0x80
_VERSION_2 = integer(1)


_Extension = TypeVar("_Extension", bound=x509.ExtensionType)
# A gate that refuses has seen a fault; the first few serial numbers show where to look.
_LOST_SHOWN = 20


class UnusableCRL(PkiError):
    """A CRL that cannot be read, or that must not be made as asked."""


class RevokedEntry(NamedTuple):
    """One revoked certificate. A tuple, because there may be a million of them.

    Attributes:
        serial_number: as in the certificate, 1 to 20 octets.
        revoked_at: aware datetime; fractions of a second are dropped.
        reason: left out of the CRL when unspecified (RFC 5280 section 5.3.1).
        invalidity_date: since when the key is doubted, aware, or ``None`` (section 5.3.2).
    """

    serial_number: int
    revoked_at: datetime
    reason: RevocationReason
    invalidity_date: datetime | None = None


def build_crl(
    *,
    issuer_certificate: x509.Certificate,
    signature_algorithm: SignatureAlgorithm,
    number: int,
    this_update: datetime,
    next_update: datetime,
    entries: Iterable[RevokedEntry],
    sign: Callable[[bytes], bytes],
) -> bytes:
    """Return a signed, complete version 2 CRL, DER (RFC 5280 section 5.1).

    Time grows with the number of entries, about 2 microseconds each; memory is about twice
    the finished CRL, some 50 octets an entry.

    Args:
        issuer_certificate: its subject and key identifier go into the CRL as they are.
        signature_algorithm: must fit the issuer's key.
        number: CRLNumber, positive, rising from one CRL to the next.
        this_update: aware datetime, whole seconds count.
        next_update: aware datetime, after ``this_update``.
        entries: consumed once, in order; one entry a serial number.
        sign: receives the TBSCertList, returns the signature value.

    Raises:
        UnusableCRL: the values cannot make a CRL that relying parties accept.
    """
    violations = [
        *_issuer_violations(issuer_certificate, signature_algorithm),
        *_field_violations(number, this_update, next_update),
    ]
    if violations:
        raise UnusableCRL(violations)
    algorithm = algorithm_identifier(signature_algorithm)
    tbs = _tbs_cert_list(
        fields=b"".join(
            (
                _VERSION_2,
                algorithm,
                subject_octets(issuer_certificate),
                time(this_update),
                time(next_update),
            )
        ),
        revoked=_encode_entries(entries),
        extensions=_extensions(issuer_certificate, number),
    )
    signature = der.encode(der.BIT_STRING, b"\x00", sign(tbs))
    size = len(tbs) + len(algorithm) + len(signature)
    return b"".join((header(der.SEQUENCE, size), tbs, algorithm, signature))


def _tbs_cert_list(*, fields: bytes, revoked: bytearray, extensions: bytes) -> bytes:
    """Return the TBSCertList; ``revokedCertificates`` is absent, not empty, without entries (C-03)."""
    revoked_header = header(der.SEQUENCE, len(revoked)) if revoked else b""
    parts = (fields, revoked_header, revoked, extensions)
    return b"".join((header(der.SEQUENCE, sum(map(len, parts))), *parts))


def _encode_entries(entries: Iterable[RevokedEntry]) -> bytearray:
    """Return the content of ``revokedCertificates`` (RFC 5280 section 5.1.2.6)."""
    plain = {reason: _reason_extensions(reason) for reason in RevocationReason}
    out = bytearray()
    for serial_number, revoked_at, reason, invalidity_date in entries:
        if not 0 < serial_number <= MAX_SERIAL_NUMBER:
            raise UnusableCRL([_serial_violation(serial_number)])
        # Room for a clear sign bit, and not an octet more (C-08).
        serial = serial_number.to_bytes(serial_number.bit_length() // 8 + 1, "big")
        moment = time(revoked_at)
        extensions = (
            plain[reason] if invalidity_date is None else _dated_extensions(reason, invalidity_date)
        )
        # Always the short form of length: at most 22 + 17 + 46 octets.
        size = 2 + len(serial) + len(moment) + len(extensions)
        out += bytes((der.SEQUENCE, size, der.INTEGER, len(serial)))
        out += serial
        out += moment
        out += extensions
    return out


def _reason_extension(reason: RevocationReason) -> bytes:
    if reason == RevocationReason.UNSPECIFIED:
        return b""
    return extension(_REASON_CODE, integer(reason.code, _ENUMERATED))


def _reason_extensions(reason: RevocationReason) -> bytes:
    found = _reason_extension(reason)
    return der.encode(der.SEQUENCE, found) if found else b""


def _dated_extensions(reason: RevocationReason, invalidity_date: datetime) -> bytes:
    return der.encode(
        der.SEQUENCE,
        _reason_extension(reason),
        extension(_INVALIDITY_DATE, generalized_time(invalidity_date)),
    )


def _extensions(issuer_certificate: x509.Certificate, number: int) -> bytes:
    """Return ``crlExtensions``: AKI and CRLNumber, both required (RFC 5280 section 5.2)."""
    identifier = der.encode(_KEY_IDENTIFIER, _key_identifier(issuer_certificate))
    return der.encode(
        der.CONTEXT_0,
        der.encode(
            der.SEQUENCE,
            extension(_AUTHORITY_KEY_IDENTIFIER, der.encode(der.SEQUENCE, identifier)),
            extension(_CRL_NUMBER, integer(number)),
        ),
    )


def _key_identifier(issuer_certificate: x509.Certificate) -> bytes:
    """Return the issuer's own SKI; computed for imported issuers that carry none."""
    try:
        found = issuer_certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return keys.key_identifier(public_key_octets(issuer_certificate))
    return found.value.digest


def _issuer_violations(
    certificate: x509.Certificate, algorithm: SignatureAlgorithm
) -> list[Violation]:
    found = []
    key_algorithm = key_algorithm_of(certificate.public_key())
    if key_algorithm is None or algorithm not in signature_algorithms_of(key_algorithm):
        reason = "The issuer's key cannot make this signature."
        found.append(Violation("crl.algorithm", "signature_algorithm", algorithm.value, reason))
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        usage = None
    if usage is not None and not usage.crl_sign:
        # RFC 5280 section 6.3.3 (f): relying parties refuse such a CRL.
        reason = "The issuer's certificate does not allow its key to sign CRLs (keyUsage cRLSign)."
        found.append(Violation("crl.issuer", "issuer_certificate", "", reason))
    return found


def _field_violations(number: int, this_update: datetime, next_update: datetime) -> list[Violation]:
    found = []
    if not 0 < number <= MAX_NUMBER:
        reason = "The CRL number must be positive and below 2^159."
        found.append(Violation("crl.number", "number", str(number), reason))
    if this_update.tzinfo is None or next_update.tzinfo is None:
        reason = "The times of a CRL need a time zone."
        found.append(Violation("crl.time", "this_update", str(this_update), reason))
    elif next_update <= this_update:
        reason = "A CRL must be replaced after it was made, not before."
        found.append(Violation("crl.next_update", "next_update", next_update.isoformat(), reason))
    return found


def _serial_violation(serial_number: int) -> Violation:
    reason = "A serial number is a positive number of at most 20 octets (RFC 5280 4.1.2.2)."
    return Violation("crl.serial_number", "entries", format(serial_number, "x"), reason)


# --- reading back, and the gate before publication --------------------------------------------


@dataclass(frozen=True, slots=True)
class CrlSummary:
    """What the publication gate compares.

    Attributes:
        number: CRLNumber.
        this_update: aware UTC.
        next_update: aware UTC.
        serial_numbers: every revoked serial number.
        scope: value of issuingDistributionPoint, DER; empty for a CRL of full scope.
    """

    number: int
    this_update: datetime
    next_update: datetime
    serial_numbers: frozenset[int]
    scope: bytes = b""


def read_crl(data: bytes) -> CrlSummary:
    """Return the summary of a CRL.

    Raises:
        UnusableCRL: not a CRL; no number or nextUpdate; a serial number listed twice.
    """
    try:
        crl = x509.load_der_x509_crl(data)
        extensions = crl.extensions
        serials = [entry.serial_number for entry in crl]
        this_update, next_update = crl.last_update_utc, crl.next_update_utc
    except (ValueError, TypeError, x509.DuplicateExtension) as error:
        raise UnusableCRL([_unreadable("This is not a readable CRL.")]) from error
    number = _extension_value(extensions, x509.CRLNumber)
    if number is None or next_update is None:
        raise UnusableCRL([_unreadable("The CRL lacks its number or its nextUpdate.")])
    unique = frozenset(serials)
    if len(unique) != len(serials):
        raise UnusableCRL([_unreadable("The CRL lists a serial number twice.")])
    scope = _extension_value(extensions, x509.IssuingDistributionPoint)
    return CrlSummary(
        number=number.crl_number,
        this_update=this_update,
        next_update=next_update,
        serial_numbers=unique,
        scope=b"" if scope is None else scope.public_bytes(),
    )


def _extension_value(extensions: x509.Extensions, kind: type[_Extension]) -> _Extension | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _unreadable(reason: str) -> Violation:
    return Violation("crl.unreadable", "crl", "", reason)


def publish_gate(
    previous: CrlSummary | None,
    new: CrlSummary,
    removable: Callable[[set[int]], set[int]],
) -> tuple[Violation, ...]:
    """Return everything that speaks against replacing ``previous`` by ``new`` (C-09).

    Args:
        previous: the CRL published now, ``None`` before the first.
        new: the CRL just made, read back.
        removable: receives the serial numbers that ``new`` no longer lists and returns those
            that may go: expired for at least one regular CRL (C-07), or a released hold.
    """
    if previous is None:
        return ()
    found = []
    if new.number <= previous.number:
        reason = f"The CRL number does not rise: {previous.number} is published."
        found.append(Violation("crl.number", "number", str(new.number), reason))
    if new.this_update < previous.this_update:
        reason = f"The CRL is older than the published one of {previous.this_update.isoformat()}."
        found.append(Violation("crl.this_update", "this_update", str(new.this_update), reason))
    if new.scope != previous.scope:
        reason = "The CRL has another scope (issuingDistributionPoint) than the published one."
        found.append(Violation("crl.scope", "scope", new.scope.hex(), reason))
    removed = set(previous.serial_numbers - new.serial_numbers)
    lost = removed - removable(removed) if removed else set()
    found += [
        Violation(
            "crl.entry_lost",
            "entries",
            format(serial_number, "x"),
            "A revoked certificate would vanish from the CRL though it has not expired.",
        )
        for serial_number in sorted(lost)[:_LOST_SHOWN]
    ]
    return tuple(found)
