"""Leases of jobs: one worker at a time holds a job, for a limited time, by a random token.

A claim is one conditional UPDATE, which lets exactly one of several workers through on SQLite and
on PostgreSQL. On PostgreSQL a claim waits for a transaction that is enqueuing the same job
(``services.enqueue`` locks the row) instead of skipping it, so that no request is lost.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from django.db.models import F, Q, QuerySet

from apps import clock
from apps.jobs.models import Job, JobState
from apps.jobs.queue import lease_of

_current: ContextVar["Lease | None"] = ContextVar("job_lease", default=None)
_PROGRESS_LENGTH = Job._meta.get_field("progress").max_length  # noqa: SLF001 - Django's documented Meta API


class LeaseLost(Exception):
    """The job was taken over by another worker or cancelled; the outcome is ignored."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right of one worker to run one attempt.

    Attributes:
        job: the row as it was when the attempt began.
        token: shows that this attempt, and no later one, holds the job.
        due_at: ``next_attempt_at`` at the claim; a later value in the row means that the job was
            enqueued again while it ran.
    """

    job: Job
    token: UUID
    due_at: datetime

    def held(self) -> QuerySet[Job]:
        """Return a queryset of the job's row; empty once this attempt no longer holds it."""
        return Job.objects.filter(pk=self.job.pk, lease_token=self.token)


def claim(job_id: UUID) -> Lease | None:
    """Begin an attempt if the job is due, or if the lease of its last worker has expired.

    Returns:
        The lease; ``None`` when the job is done, not due, or held by another worker.
    """
    job = Job.objects.filter(pk=job_id).first()
    if job is None:
        return None
    now, token = clock.now(), uuid4()
    claimable = Q(state=JobState.QUEUED, next_attempt_at__lte=now) | Q(
        state=JobState.RUNNING, lease_until__lt=now
    )
    claimed = Job.objects.filter(claimable, pk=job_id).update(
        state=JobState.RUNNING,
        attempts=F("attempts") + 1,
        lease_token=token,
        lease_until=now + lease_of(job.kind),
        progress="",
    )
    if not claimed:
        return None
    job.refresh_from_db()
    if job.lease_token != token:  # the lease expired before the row was read
        return None
    return Lease(job, token, job.next_attempt_at)


@contextmanager
def current_lease(lease: Lease) -> Iterator[None]:
    """Make ``lease`` the one that ``report_progress`` extends."""
    reset = _current.set(lease)
    try:
        yield
    finally:
        _current.reset(reset)


def report_progress(text: str) -> None:
    """Show ``text`` on the page of the running job and extend its lease by the full length.

    Called from inside a job's own code; does nothing outside a job. django-q2 still ends the
    attempt after the ``lease`` of the kind, so long work goes out in batches.

    Raises:
        LeaseLost: another worker has taken over, or the job was cancelled; stop working.
    """
    lease = _current.get()
    if lease is None:
        return
    until = clock.now() + lease_of(lease.job.kind)
    if not lease.held().update(lease_until=until, progress=text[:_PROGRESS_LENGTH]):
        raise LeaseLost(f"job {lease.job.pk} was taken over or cancelled")
