"""When is a certificate revocation list made, and what keeps a wrong one from going out?

Two publishers may build at the same time; only one that started from the CRL which is still
the newest may store its own, under a lock on the authority's row. The key is used before that
lock is taken. C-01, C-07, C-09, C-10; ANC-4.
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from cryptography import x509
from django.db import transaction
from django.db.models import Q

from apps import clock, principals
from apps.audit.events import Event
from apps.audit.record import record, record_sampled
from apps.authorities import selectors, signing
from apps.authorities.models import CRL, Authority, AuthorityCertificate, RevokedSerial
from apps.authorities.signing import IssuerHandle
from apps.errors import SealwrightError, UpstreamUnavailable
from apps.jobs import services as jobs
from apps.principals import Principal
from pki import crl as pki_crl
from pki.algorithms import default_signature_algorithm
from pki.crl import RevokedEntry
from pki.findings import Violation
from pki.reasons import RevocationReason
from pki.serials import serial_hex

logger = logging.getLogger(__name__)

PUBLISH_JOB = "crl.publish"
SWEEP_JOB = "crl.sweep"
_RACES = 5
_SCHEDULE = principals.system("publication")
# A revocation may commit later than it is dated; the sweep looks back this far for such.
_LOOKBACK = timedelta(minutes=10)
_BATCH = 2000


class CrlRefused(SealwrightError):
    """The publication gate stopped a CRL; the published one stays."""

    code: ClassVar[str] = "internal"

    def __init__(self, violations: Iterable[Violation]) -> None:
        self.violations = tuple(violations)
        super().__init__("; ".join(v.reason for v in self.violations))


def publish_crl(authority_id: UUID, principal: Principal | None = None) -> CRL:
    """Make and publish the authority's next CRL, whatever its state; disabled ones do, too.

    Args:
        authority_id: whose CRL.
        principal: who asked, for the audit log; ``None`` for the schedule.

    Raises:
        CrlRefused: the gate found that the new CRL must not replace the published one.
        InvalidTransition: the authority has no certificate installed.
        RuntimeError: called inside a transaction.
        UpstreamUnavailable: the key backend does not answer, or others keep publishing.
    """
    handle = signing.status_issuer_of(authority_id)
    for _ in range(_RACES):
        previous = selectors.latest_crl(authority_id)
        crl = _built(handle, previous)
        _pass_gate(handle, previous, crl)
        if _stored(crl, previous, principal or _SCHEDULE):
            return crl
    raise UpstreamUnavailable(f"Others keep publishing CRLs of {handle.name}.")


def request_crl(authority: Authority) -> None:
    """Have a new CRL published as soon as the caller's transaction has committed."""
    arguments = {"authority_id": str(authority.pk)}
    jobs.enqueue(PUBLISH_JOB, arguments, idempotency_key=str(authority.pk))


def crl_due(authority: Authority, now: datetime) -> bool:
    """Tell whether a new CRL is needed: half of its life is over, or it misses a revocation."""
    last = (
        CRL.objects.filter(authority=authority)
        .order_by("-number")
        .only("pk", "this_update", "next_update")
        .first()
    )
    if last is None or now >= last.this_update + (last.next_update - last.this_update) / 2:
        return True
    return _misses_changes(authority, last)


def publish_job(authority_id: str) -> str:
    """Publish one authority's CRL; harmless to run twice."""
    crl = publish_crl(UUID(authority_id))
    return f"{crl}: {crl.entry_count} entries"


def sweep_job() -> str:
    """Ask for every CRL that is due: the schedule, and what a lost request left behind."""
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


def _built(handle: IssuerHandle, previous: CRL | None) -> CRL:
    algorithm = default_signature_algorithm(handle.key_algorithm)
    now = clock.now_s()
    # A clock that was set back must not make the CRL look older than the one it replaces.
    this_update = max(now, previous.this_update) if previous else now
    hours = Authority.objects.values_list("crl_lifetime_hours", flat=True).get(
        pk=handle.authority_id
    )
    next_update = this_update + timedelta(hours=hours)
    # Time alone could repeat, the stored number alone could fall with a restored database.
    unix_ms = int(clock.now().timestamp() * 1000)
    number = max(previous.number + 1, unix_ms) if previous else unix_ms
    entries = _Counted(_entries(handle.authority_id, previous))
    der = pki_crl.build_crl(
        issuer_certificate=handle.issuer.certificate,
        signature_algorithm=algorithm,
        number=number,
        this_update=this_update,
        next_update=next_update,
        entries=entries,
        sign=lambda data: signing.sign_bytes(handle, data, algorithm),
    )
    return CRL(
        authority_id=handle.authority_id,
        number=number,
        this_update=this_update,
        next_update=next_update,
        entry_count=entries.count,
        der=der,
        sha256=hashlib.sha256(der).hexdigest(),
    )


class _Counted:
    """Passes entries on and counts them: there may be a million, so no list is made."""

    def __init__(self, entries: Iterator[RevokedEntry]) -> None:
        self._entries = entries
        self.count = 0

    def __iter__(self) -> Iterator[RevokedEntry]:
        for entry in self._entries:
            self.count += 1
            yield entry


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
    """Return before which notAfter an entry may leave the CRL (C-07, RFC 5280 section 3.3).

    An entry that expired a whole CRL lifetime before the previous CRL has been on a regularly
    scheduled one after its expiry: those come at half of the lifetime. A CRL dated ahead of now
    (the clock was put back) does not tell what has expired; entries it lost come back.
    """
    if previous is None:
        return None
    published = min(previous.this_update, clock.now_s())
    return published - (previous.next_update - previous.this_update)


def _pass_gate(handle: IssuerHandle, previous: CRL | None, crl: CRL) -> None:
    """Read back what was built and compare it with what is published (C-09)."""
    violations = pki_crl.publish_gate(
        pki_crl.read_crl(bytes(previous.der)) if previous else None,
        pki_crl.read_crl(bytes(crl.der)),
        lambda serials: _removable(handle.authority_id, previous, serials),
    )
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
    """Return those of ``serials`` that may leave: long expired, or a released hold.

    A serial number that the ledger does not hold at all may not: that is a ledger that lost
    a revocation, e.g. one restored from an old backup.
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


def _stored(crl: CRL, previous: CRL | None, principal: Principal) -> bool:
    """Store the CRL unless another one came first; then it was built from old knowledge."""
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


def _misses_changes(authority: Authority, last: CRL) -> bool:
    since = last.this_update - _LOOKBACK
    recent = list(
        RevokedSerial.objects.filter(
            Q(revoked_at__gte=since) | Q(released_at__gte=since), authority=authority
        ).values_list("serial_number", "released_at")
    )
    if not recent:
        return False
    der = CRL.objects.values_list("der", flat=True).get(pk=last.pk)
    published = x509.load_der_x509_crl(bytes(der))
    for serial, released_at in recent:
        listed = published.get_revoked_certificate_by_serial_number(int(serial, 16)) is not None
        if listed != (released_at is None):
            return True
    return False
