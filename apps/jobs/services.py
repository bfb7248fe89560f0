"""Services of jobs: enqueue, withdraw, cancel and retry."""

from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction

from apps import clock, registry
from apps.audit.events import Event
from apps.audit.record import record
from apps.errors import AlreadyExists, InvalidTransition
from apps.jobs.models import OPEN_STATES, Job, JobState
from apps.jobs.queue import push
from apps.principals import Principal

_RACES = 5


def enqueue(
    kind: str,
    arguments: dict[str, Any],
    *,
    idempotency_key: str = "",
    delay: timedelta | None = None,
) -> Job:
    """Enqueue background work in the caller's transaction; it runs if that one commits.

    While a job of the same kind and key is open, that job is returned and runs after this call.
    If it is running now, it runs once more afterwards, because it may have read the data before
    the caller changed them.

    Args:
        kind: name of a registered ``JobKind``.
        arguments: keyword arguments of its ``run``; identifiers and other plain JSON, never
            keys or secrets, because every operator can read the row.
        idempotency_key: names the effect, such as the authority whose CRL is to be published.
        delay: earliest start, counted from now; kept to the minute.

    Raises:
        AlreadyExists: others kept opening and closing the same job; try again.
        LookupError: no such kind, a programming error.
    """
    if kind not in registry.job_kinds:
        raise LookupError(f"job kind {kind!r} is not registered")
    due_at = clock.now() + (delay or timedelta())
    with transaction.atomic():
        for _ in range(_RACES):
            job = _open_job(kind, idempotency_key, due_at=due_at)
            if job is None:
                job = _inserted(
                    Job(
                        kind=kind,
                        arguments=arguments,
                        idempotency_key=idempotency_key,
                        next_attempt_at=due_at,
                    )
                )
            if job is not None:
                if not delay and job.state == JobState.QUEUED:
                    push(job)
                return job
    raise AlreadyExists(f"Job {kind} {idempotency_key} keeps being opened and closed by others.")


def _open_job(kind: str, idempotency_key: str, *, due_at: Any) -> Job | None:
    """Return the open job with this key, its row locked and its due time at most ``due_at``.

    The lock keeps a worker from starting before the caller's changes are visible.
    """
    if not idempotency_key:
        return None
    job = (
        Job.objects.select_for_update()
        .filter(kind=kind, idempotency_key=idempotency_key, state__in=OPEN_STATES)
        .first()
    )
    if job is None:
        return None
    if job.state == JobState.RUNNING or due_at < job.next_attempt_at:
        job.next_attempt_at = due_at
        job.save(update_fields=["next_attempt_at"])
    return job


def _inserted(job: Job) -> Job | None:
    """Insert the job; ``None`` if another transaction has just opened one with the same key."""
    try:
        with transaction.atomic():
            job.save(force_insert=True)
    except IntegrityError:
        return None
    return job


def withdraw(kind: str, idempotency_key: str) -> bool:
    """Delete a job that is no longer needed and that no worker has begun.

    Returns:
        Whether there was one. A running job is left alone.
    """
    waiting = Job.objects.filter(
        kind=kind, idempotency_key=idempotency_key, state=JobState.QUEUED, attempts=0
    )
    return bool(waiting.delete()[0])


def cancel(principal: Principal, job: Job) -> Job:
    """Cancel an open job; the outcome of a running attempt is ignored.

    Raises:
        AccessDenied: only product administrators.
        InvalidTransition: the job has ended.
    """
    principal.require_governance()
    with transaction.atomic():
        cancelled = Job.objects.filter(pk=job.pk, state__in=OPEN_STATES).update(
            state=JobState.CANCELLED,
            lease_token=None,
            lease_until=None,
            finished_at=clock.now(),
        )
        if not cancelled:
            raise InvalidTransition("The job has ended already.")
        job.refresh_from_db()
        record(Event.JOB_CANCELLED, principal=principal, subject=job)
    return job


def retry(principal: Principal, job: Job) -> Job:
    """Queue a failed, cancelled or waiting job again: attempts at zero, due now.

    Raises:
        AccessDenied: only product administrators.
        AlreadyExists: another job with the same key is open.
        InvalidTransition: it runs, or it has succeeded.
    """
    principal.require_governance()
    startable = [JobState.FAILED, JobState.CANCELLED, JobState.QUEUED]
    try:
        with transaction.atomic():
            started = Job.objects.filter(pk=job.pk, state__in=startable).update(
                state=JobState.QUEUED,
                attempts=0,
                next_attempt_at=clock.now(),
                finished_at=None,
                last_error="",
            )
            if not started:
                raise InvalidTransition("Only failed, cancelled or waiting jobs can be retried.")
            job.refresh_from_db()
            push(job)
            record(Event.JOB_RETRIED, principal=principal, subject=job)
    except IntegrityError as error:
        raise AlreadyExists("A job with the same purpose is open.") from error
    return job
