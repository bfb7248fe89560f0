"""Who works on a job? One attempt at a time, for a bounded while, proved by a random token.

A claim is one conditional UPDATE: SQLite and PostgreSQL both let exactly one of several racers
through. On PostgreSQL a claim waits for a transaction that is just asking for the same job
(``services.enqueue`` locks the row) instead of skipping it, so that no wake-up is lost.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from django.db.models import F, Q, QuerySet

from apps import clock
from apps.jobs.models import Job, JobState
from apps.jobs.queue import lease_of


class LeaseLost(Exception):
    """Another worker took the job over, or somebody cancelled it: stop, your result is void."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run one attempt.

    Attributes:
        job: the row as it was when the attempt began.
        token: proves that this attempt, and no later one, still holds the job.
        due_at: ``next_attempt_at`` at the claim; a later value in the row means that somebody
            asked for the job again while it ran.
    """

    job: Job
    token: UUID
    due_at: datetime

    def held(self) -> QuerySet[Job]:
        """Return the job's row while this attempt still holds it, else nothing."""
        return Job.objects.filter(pk=self.job.pk, lease_token=self.token)


def claim(job_id: UUID) -> Lease | None:
    """Begin an attempt if the job is due, or if its last worker's lease has run out.

    Returns:
        The lease; ``None`` when there is nothing to do (done, not due, or somebody has it).
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
    if job.lease_token != token:  # the lease ended before we could even read it
        return None
    return Lease(job, token, job.next_attempt_at)


def extend(lease: Lease, **changes: str) -> None:
    """Prolong the lease by its full length and store ``changes``.

    Raises:
        LeaseLost: the job is no longer ours.
    """
    until = clock.now() + lease_of(lease.job.kind)
    if not lease.held().update(lease_until=until, **changes):
        raise LeaseLost(f"job {lease.job.pk} was taken over or cancelled")
