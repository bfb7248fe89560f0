"""Execution of one attempt of a job: claim it, run it, store the outcome or the next attempt."""

import logging
import secrets
from datetime import timedelta
from uuid import UUID

from django.db import transaction

from apps import clock, registry
from apps.errors import SealwrightError, UpstreamRejected
from apps.jobs import leases
from apps.jobs.leases import Lease, LeaseLost
from apps.jobs.models import JobState
from apps.jobs.queue import push
from apps.registry import JobKind
from apps.statements import faults

logger = logging.getLogger(__name__)
_random = secrets.SystemRandom()
_RESULT_LENGTH = 500
_ERROR_LENGTH = 1000
_FIRST_PAUSE = timedelta(seconds=10)
_LONGEST_PAUSE = timedelta(hours=1)
_MOST_DOUBLINGS = 16
_NO_OUTCOME = "The worker vanished in every attempt before it could report."


def run_job(job_id: UUID) -> str:
    """Run one attempt of a job; harmless to call twice, or for a job that is done.

    The job's effect must be idempotent all the same: a worker that lost its lease may have acted
    before it noticed. Its outcome is ignored.

    Returns:
        A short text for the task log.
    """
    lease = leases.claim(job_id)
    if lease is None:
        return "nothing to do"
    job, kind = lease.job, registry.job_kinds.get(lease.job.kind)
    if kind is None:
        # During an upgrade this is an older worker: a newer one knows the kind.
        return _postpone(lease, f"no worker knows the kind {job.kind!r}", forgive=True)
    if job.attempts > kind.max_attempts:
        return _end(lease, JobState.FAILED, last_error=job.last_error or _NO_OUTCOME)
    try:
        with leases.current_lease(lease):
            result = kind.run(**job.arguments)
    except LeaseLost:
        logger.warning("job %s (%s) was taken over or cancelled while it ran", job.pk, job.kind)
        return "lease lost"
    except Exception as error:
        logger.exception("job %s (%s) failed, attempt %s", job.pk, job.kind, job.attempts)
        return _failed(lease, kind, error)
    return _end(lease, JobState.SUCCEEDED, result=str(result)[:_RESULT_LENGTH], last_error="")


def _failed(lease: Lease, kind: JobKind, error: Exception) -> str:
    unavailable = faults.unavailability(error)
    if unavailable is not None:  # says nothing about the job
        return _postpone(lease, _describe(unavailable), forgive=True)
    text = _describe(error)
    if isinstance(error, UpstreamRejected) or lease.job.attempts >= kind.max_attempts:
        return _end(lease, JobState.FAILED, last_error=text)
    return _postpone(lease, text)


def _end(lease: Lease, state: JobState, **changes: str) -> str:
    """Store the outcome, or queue the job again if it was enqueued again while it ran.

    The second caller may have written data that this run did not see, such as a revocation after
    the CRL was built, so the job has to run once more.
    """
    with transaction.atomic():
        ended = lease.held().filter(next_attempt_at=lease.due_at)
        if ended.update(
            state=state, lease_token=None, lease_until=None, finished_at=clock.now(), **changes
        ):
            return f"{state.value}: {changes.get('result') or changes.get('last_error', '')}"
        if lease.held().update(
            state=JobState.QUEUED, lease_token=None, lease_until=None, attempts=0, **changes
        ):
            push(lease.job)
            return f"{state.value}, and asked for again"
    logger.warning("job %s ended without its lease; outcome ignored", lease.job.pk)
    return "lease lost, outcome ignored"


def _postpone(lease: Lease, error: str, *, forgive: bool = False) -> str:
    """Queue the job for another attempt after a growing pause; the sweep pushes it then."""
    pause = delay_after(lease.job.attempts, roll=_random.random())
    is_held = lease.held().update(
        state=JobState.QUEUED,
        lease_token=None,
        lease_until=None,
        attempts=lease.job.attempts - 1 if forgive else lease.job.attempts,
        next_attempt_at=clock.now() + pause,
        last_error=error,
    )
    return f"again in {_seconds(pause)} s: {error}" if is_held else "lease lost, outcome ignored"


def _describe(error: Exception) -> str:
    """Return the text that may be stored: the detail of domain errors, the class of all others.

    The text of another library's exception can quote its input, which may be a secret. The log
    has it in full, because the log redacts secrets.
    """
    if isinstance(error, SealwrightError):
        return f"{error.code}: {error.detail}"[:_ERROR_LENGTH]
    return f"{type(error).__name__} (details are in the worker's log)"


def _seconds(pause: timedelta) -> int:
    return round(pause.total_seconds())


def delay_after(attempts: int, *, roll: float) -> timedelta:
    """Return the pause before the next attempt.

    Args:
        attempts: attempts made so far, at least 1.
        roll: a random number from 0 to 1. It spreads the pause over 50 % to 150 %, so that jobs
            that failed together are not repeated together.

    Returns:
        10 s, 20 s, 40 s ... up to an hour, before jitter.
    """
    doublings = min(max(attempts, 1) - 1, _MOST_DOUBLINGS)
    return min(_FIRST_PAUSE * 2**doublings, _LONGEST_PAUSE) * (0.5 + roll)
