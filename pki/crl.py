"""Writer of certificate revocation lists (RFC 5280 section 5).

Entries are written by hand in one pass: the library's builder copies its list with every
entry, so a million entries take an hour. They go to a file, because a million of them take 40 MB and
the length of all comes before the first. C-01 to C-08.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, NamedTuple

from cryptography import x509
from cryptography.hazmat import asn1

from pki import chain, extensions, keys, structures
from pki.algorithms import SignatureAlgorithm, key_algorithm_of, signature_algorithms_of
from pki.findings import PkiError, Violation
from pki.keys import Message
from pki.reasons import RevocationReason
from pki.structures import algorithm_identifier, der_header

# RFC 5280 section 5.2.3 allows 20 octets; one bit less keeps the encoding there.
MAX_NUMBER = 2**159 - 1
# RFC 5280 section 4.1.2.2: 20 octets with a clear sign bit.
MAX_SERIAL_NUMBER = 2**159 - 1

_INTEGER, _SEQUENCE, _EXPLICIT_0 = 0x02, 0x30, 0xA0
_VERSION_2 = b"\x02\x01\x01"
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
# RFC 5280 section 4.1.2.5: two-digit years mean 1950 to 2049.
_UTC_TIME_YEARS = range(1950, 2050)
_CHUNK = 512 * 1024


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


@dataclass(frozen=True, slots=True)
class WrittenCRL:
    """A signed CRL whose entries lie in a file.

    Attributes:
        head: octets before the entries.
        entries: file with the content of ``revokedCertificates``.
        tail: octets after the entries.
        entry_count: how many entries there are.
        size: of the whole CRL in octets.
    """

    head: bytes
    entries: BinaryIO
    tail: bytes
    entry_count: int
    size: int

    def chunks(self) -> Iterator[bytes]:
        """Yield the CRL, DER, in pieces of at most half a megabyte."""
        yield self.head
        yield from _chunks(self.entries)
        yield self.tail


def build_crl(
    *,
    issuer_certificate: x509.Certificate,
    signature_algorithm: SignatureAlgorithm,
    number: int,
    this_update: datetime,
    next_update: datetime,
    entries: Iterable[RevokedEntry],
    sign: Callable[[Message], bytes],
    spool: BinaryIO,
) -> WrittenCRL:
    """Return a signed, complete version 2 CRL (RFC 5280 section 5.1).

    Time grows with the number of entries, about 2 microseconds each. Memory does not, unless the
    signature algorithm needs the whole message at once (EdDSA, ML-DSA): then some 40 octets an entry.

    Args:
        issuer_certificate: its subject and key identifier go into the CRL as they are.
        signature_algorithm: must fit the issuer's key.
        number: CRLNumber, positive, rising from one CRL to the next.
        this_update: aware datetime, whole seconds count.
        next_update: aware datetime, after ``this_update``.
        entries: consumed once, in order; one entry a serial number.
        sign: receives the TBSCertList, or its digest, and returns the signature value.
        spool: empty file for the entries, to be kept open as long as the result is used.

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
    count = _write_entries(entries, spool)
    length = spool.tell()
    fields = b"".join(
        (
            _VERSION_2,
            algorithm,
            chain.subject_bytes(issuer_certificate),
            _time(this_update),
            _time(next_update),
            # Absent, not empty, without entries (C-03).
            der_header(_SEQUENCE, length) if length else b"",
        )
    )
    after = _crl_extensions(issuer_certificate, number)
    content = len(fields) + length + len(after)
    tbs_head = der_header(_SEQUENCE, content) + fields
    pieces = itertools.chain((tbs_head,), _chunks(spool), (after,))
    message = keys.message_of(pieces, signature_algorithm)
    tail = after + algorithm + asn1.encode_der(asn1.BitString(sign(message), 0))
    body = len(tbs_head) + length + len(tail)
    head = der_header(_SEQUENCE, body) + tbs_head
    return WrittenCRL(head, spool, tail, count, len(head) + length + len(tail))


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while chunk := file.read(_CHUNK):
        yield chunk


def _write_entries(entries: Iterable[RevokedEntry], spool: BinaryIO) -> int:
    """Write the content of ``revokedCertificates`` (RFC 5280 section 5.1.2.6); return how many."""
    without_date = {reason: _entry_extensions(reason, None) for reason in RevocationReason}
    out, count = bytearray(), 0
    for serial_number, revoked_at, reason, invalidity_date in entries:
        if not 0 < serial_number <= MAX_SERIAL_NUMBER:
            raise UnusableCRL([_serial_violation(serial_number)])
        # Room for a clear sign bit, and not an octet more (C-08).
        serial = serial_number.to_bytes(serial_number.bit_length() // 8 + 1, "big")
        moment = _time(revoked_at)
        if invalidity_date is None:
            extensions = without_date[reason]
        else:
            extensions = _entry_extensions(reason, invalidity_date)
        # Always the short form of length: at most 22 + 17 + 46 octets.
        size = 2 + len(serial) + len(moment) + len(extensions)
        out += bytes((_SEQUENCE, size, _INTEGER, len(serial)))
        out += serial
        out += moment
        out += extensions
        count += 1
        if len(out) > _CHUNK:
            spool.write(out)
            out.clear()
    spool.write(out)
    return count


def _entry_extensions(reason: RevocationReason, invalidity_date: datetime | None) -> bytes:
    """Return ``crlEntryExtensions``, DER; empty without any (RFC 5280 section 5.3)."""
    found: list[x509.ExtensionType] = []
    if reason != RevocationReason.UNSPECIFIED:
        found.append(x509.CRLReason(x509.ReasonFlags(reason.value)))
    if invalidity_date is not None:
        if invalidity_date.tzinfo is None:
            raise ValueError("a naive datetime names no moment: give it a time zone")
        found.append(x509.InvalidityDate(invalidity_date.replace(microsecond=0)))
    return _extensions(found) if found else b""


def _crl_extensions(issuer_certificate: x509.Certificate, number: int) -> bytes:
    """Return ``crlExtensions``: AKI and CRLNumber, both required (RFC 5280 section 5.2)."""
    authority = extensions.authority_key_identifier(issuer_certificate).value
    found = _extensions([authority, x509.CRLNumber(number)])
    return der_header(_EXPLICIT_0, len(found)) + found


def _extensions(values: Iterable[x509.ExtensionType]) -> bytes:
    """Return an ``Extensions`` of non-critical extensions, DER."""
    content = b"".join(asn1.encode_der(structures.extension(value)) for value in values)
    return der_header(_SEQUENCE, len(content)) + content


def _time(moment: datetime) -> bytes:
    """Return a Time: UTCTime through 2049, GeneralizedTime from 2050 (RFC 5280 section 5.1.2.4).

    Written by hand because every entry has one: 1 us, against 3 us by the library.

    Raises:
        ValueError: a naive datetime.
    """
    if moment.tzinfo is None:
        raise ValueError("a naive datetime names no moment: give it a time zone")
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    year = moment.year
    short = year in _UTC_TIME_YEARS
    text = "%s%02d%02d%02d%02d%02dZ" % (  # noqa: UP031 - half the cost of an f-string here
        "%02d" % (year % 100) if short else "%04d" % year,  # noqa: UP031 - as above
        moment.month,
        moment.day,
        moment.hour,
        moment.minute,
        moment.second,
    )
    return bytes((_UTC_TIME if short else _GENERALIZED_TIME, len(text))) + text.encode()


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
