"""Publication of certificate revocation lists, on schedule and after revocations.

Two publishers may build a CRL at the same time. Under a lock on the authority's row, only the one
that started from the newest CRL may publish its own; the key is used and the content is written before
that lock is taken. A gate compares each new CRL with the published one first (C-01, C-07, C-09, C-10).

A CRL may have millions of entries: nothing here holds all of them in memory (ADR 0023).
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, ClassVar, cast
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from apps import clock, principals
from apps.audit.events import Event
from apps.audit.record import record, record_sampled
from apps.authorities import crl_contents, selectors, signing
from apps.authorities.models import CRL, Authority, AuthorityCertificate, RevokedSerial
from apps.authorities.signing import IssuerHandle
from apps.errors import SealwrightError, UpstreamUnavailable
from apps.jobs import services as jobs
from apps.jobs.models import Job
from apps.principals import Principal
from pki import crl as pki_crl
from pki.algorithms import default_signature_algorithm
from pki.crl import RevokedEntry, UnusableCRL, WrittenCRL
from pki.crl_gate import publish_gate
from pki.crl_reader import CrlReader
from pki.findings import Violation
from pki.reasons import RevocationReason
from pki.serials import serial_hex

logger = logging.getLogger(__name__)

PUBLISH_JOB = "crl.publish"
SWEEP_JOB = "crl.sweep"
_RACES = 5
_SCHEDULE = principals.system("publication")
# A revocation may be committed later than its date; the sweep looks back this far.
_LOOKBACK = timedelta(minutes=10)
_BATCH = 2000
# Smaller CRLs need no file on disk.
_SPOOL_IN_MEMORY = 4 * 1024 * 1024


class CrlRefused(SealwrightError):
    """The publication gate refused a CRL; the published one stays."""

    code: ClassVar[str] = "internal"

    def __init__(self, violations: Iterable[Violation]) -> None:
        self.violations = tuple(violations)
        super().__init__("; ".join(v.reason for v in self.violations))


def publish_crl(authority_id: UUID, principal: Principal | None = None) -> CRL:
    """Build, sign and publish the authority's next CRL; a disabled authority publishes as well.

    Args:
        authority_id: the issuer of the CRL.
        principal: who asked for it, for the audit log; ``None`` for the schedule.

    Raises:
        CrlRefused: the gate found that the new CRL must not replace the published one.
        InvalidTransition: the authority has no certificate installed.
        RuntimeError: called inside a transaction.
        UpstreamUnavailable: the key backend does not answer, or others keep publishing.
    """
    handle = signing.status_issuer_of(authority_id)
    for _ in range(_RACES):
        previous = selectors.latest_crl(authority_id)
        with SpooledTemporaryFile(_SPOOL_IN_MEMORY) as spool:
            crl, written = build_next_crl(handle, previous, cast("BinaryIO", spool))
            _pass_gate(handle, previous, written)
            crl_contents.store(crl.sha256, written.chunks())
        is_published = False
        try:
            is_published = _published(crl, previous, principal or _SCHEDULE)
        finally:
            if not is_published:
                crl_contents.discard(crl.sha256)
        if is_published:
            crl_contents.prune(authority_id)
            return crl
    raise UpstreamUnavailable(f"Others keep publishing CRLs of {handle.name}.")


def request_crl(authority: Authority) -> Job:
    """Enqueue the publication of a new CRL, to run after the caller's transaction commits."""
    arguments = {"authority_id": str(authority.pk)}
    return jobs.enqueue(PUBLISH_JOB, arguments, idempotency_key=str(authority.pk))


def crl_due(authority: Authority, now: datetime) -> bool:
    """Tell whether a new CRL is needed: half of its time is over, or it misses a revocation."""
    last = selectors.latest_crl(authority.pk)
    if last is None or now >= last.this_update + (last.next_update - last.this_update) / 2:
        return True
    return last.recent_changes != _recent_changes(authority.pk, last.this_update)


def publish_job(authority_id: str) -> str:
    """Publish one authority's CRL; harmless to run twice."""
    crl = publish_crl(UUID(authority_id))
    return f"{crl}: {crl.entry_count} entries"


def sweep_job() -> str:
    """Enqueue every CRL that is due, also one whose request was lost."""
    now = clock.now()
    certified = AuthorityCertificate.objects.filter(is_current=True, not_after__gt=now)
    due = [
        authority
        for authority in Authority.objects.filter(pk__in=certified.values("authority_id"))
        if crl_due(authority, now)
    ]
    for authority in due:
        request_crl(authority)
    return f"{len(due)} due"


def build_next_crl(
    handle: IssuerHandle, previous: CRL | None, spool: BinaryIO
) -> tuple[CRL, WrittenCRL]:
    """Build and sign the CRL that follows ``previous``; neither row nor content is saved.

    Args:
        handle: the issuer.
        previous: the newest published CRL, ``None`` for the first.
        spool: empty file for the entries, to be kept open as long as the content is used.
    """
    algorithm = default_signature_algorithm(handle.key_algorithm)
    now = clock.now_s()
    # A clock that was set back must not make the CRL look older than the one it replaces.
    this_update = max(now, previous.this_update) if previous else now
    hours = Authority.objects.values_list("crl_lifetime_hours", flat=True).get(
        pk=handle.authority_id
    )
    next_update = this_update + timedelta(hours=hours)
    # RFC 5280 section 5.2.3: numbers only rise. Time alone could repeat; the stored number alone
    # could fall when an old database is restored.
    unix_ms = int(clock.now().timestamp() * 1000)
    number = max(previous.number + 1, unix_ms) if previous else unix_ms
    # Before the entries are read: a change in between only makes the sweep publish once more.
    recent_changes = _recent_changes(handle.authority_id, this_update)
    written = pki_crl.build_crl(
        issuer_certificate=handle.issuer.certificate,
        signature_algorithm=algorithm,
        number=number,
        this_update=this_update,
        next_update=next_update,
        entries=_entries(handle.authority_id, previous),
        sign=lambda message: signing.sign_bytes(handle, message, algorithm),
        spool=spool,
    )
    digest = hashlib.sha256()
    for chunk in written.chunks():
        digest.update(chunk)
    crl = CRL(
        authority_id=handle.authority_id,
        number=number,
        this_update=this_update,
        next_update=next_update,
        entry_count=written.entry_count,
        size=written.size,
        sha256=digest.hexdigest(),
        recent_changes=recent_changes,
    )
    return crl, written


def _entries(authority_id: UUID, previous: CRL | None) -> Iterator[RevokedEntry]:
    rows = RevokedSerial.objects.filter(authority_id=authority_id, released_at__isnull=True)
    leaves_before = _leaves_before(previous)
    if leaves_before is not None:
        rows = rows.filter(not_after__gte=leaves_before)
    columns = ("serial_number", "revoked_at", "reason", "invalidity_date")
    reasons = {reason.value: reason for reason in RevocationReason}
    for serial, revoked_at, reason, invalidity_date in (
        rows.order_by("id").values_list(*columns).iterator(chunk_size=_BATCH)
    ):
        yield RevokedEntry(int(serial, 16), revoked_at, reasons[reason], invalidity_date)


def _leaves_before(previous: CRL | None) -> datetime | None:
    """Return the notAfter before which an entry may leave the CRL (C-07, RFC 5280 section 3.3).

    An entry stays until it was on one regularly scheduled CRL after the certificate expired. CRLs
    come at half of their lifetime, so an entry that expired a whole lifetime before the previous
    CRL has been on one. If the previous CRL is dated in the future (the clock was set back), the
    present counts.
    """
    if previous is None:
        return None
    published = min(previous.this_update, clock.now_s())
    return published - (previous.next_update - previous.this_update)


def _pass_gate(handle: IssuerHandle, previous: CRL | None, written: WrittenCRL) -> None:
    """Read the new CRL back and compare it with the published one (C-09)."""
    try:
        violations = publish_gate(
            CrlReader(crl_contents.chunks_of(previous)) if previous else None,
            CrlReader(written.chunks()),
            lambda serials: _removable(handle.authority_id, previous, serials),
        )
    except UnusableCRL as error:
        violations = tuple(error.violations)
    if not violations:
        return
    authority = Authority.objects.get(pk=handle.authority_id)
    record_sampled(
        Event.CRL_REFUSED,
        principal=_SCHEDULE,
        subject=authority,
        violations=[violation.as_dict() for violation in violations],
    )
    logger.error("CRL of %s refused: %s", handle.name, "; ".join(v.reason for v in violations))
    raise CrlRefused(violations)


def _removable(authority_id: UUID, previous: CRL | None, serials: set[int]) -> set[int]:
    """Return those of ``serials`` that may leave the CRL: long expired, or a released hold.

    A serial number that is not in the ledger may not leave: the ledger has lost a revocation,
    for example because an old backup was restored.
    """
    wanted = [serial_hex(serial) for serial in serials]
    leaves_before = _leaves_before(previous)
    found: set[int] = set()
    for start in range(0, len(wanted), _BATCH):
        rows = RevokedSerial.objects.filter(
            Q(released_at__isnull=False) | Q(not_after__lt=leaves_before),
            authority_id=authority_id,
            serial_number__in=wanted[start : start + _BATCH],
        )
        found.update(int(serial, 16) for serial in rows.values_list("serial_number", flat=True))
    return found


def _published(crl: CRL, previous: CRL | None, principal: Principal) -> bool:
    """Publish the CRL, unless another one was published since ``previous`` was read."""
    with transaction.atomic():
        authority = selectors.locked(crl.authority_id)
        newest = CRL.objects.filter(authority=authority).order_by("-number")
        if newest.values_list("number", flat=True).first() != (
            previous.number if previous else None
        ):
            return False
        crl.save(force_insert=True)
        record(
            Event.CRL_PUBLISHED,
            principal=principal,
            subject=authority,
            number=crl.number,
            entries=crl.entry_count,
            next_update=crl.next_update.isoformat(),
            sha256=crl.sha256,
        )
    return True


def _recent_changes(authority_id: UUID, this_update: datetime) -> str:
    """Return a digest of what has changed in the ledger since shortly before ``this_update``.

    A later change, or one that was committed late, makes another digest. The sweep would otherwise
    have to look into the CRL.
    """
    since = this_update - _LOOKBACK
    rows = RevokedSerial.objects.filter(
        Q(revoked_at__gte=since) | Q(released_at__gte=since), authority_id=authority_id
    ).order_by("id")
    digest = hashlib.sha256()
    columns = ("id", "reason", "revoked_at", "released_at")
    for row in rows.values_list(*columns).iterator(chunk_size=_BATCH):
        digest.update(repr(row).encode())
    return digest.hexdigest()
