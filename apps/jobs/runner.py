"""What happens when a worker takes a job? Claim, run, and write the outcome if still entitled."""

import logging
import secrets
from datetime import timedelta
from uuid import UUID

from django.db import transaction

from apps import clock, registry
from apps.errors import SealwrightError, UpstreamRejected
from apps.jobs import leases, progress
from apps.jobs.backoff import delay_after
from apps.jobs.leases import Lease, LeaseLost
from apps.jobs.models import JobState
from apps.jobs.queue import push
from apps.registry import JobKind

logger = logging.getLogger(__name__)
_dice = secrets.SystemRandom()
_RESULT_LENGTH = 500
_ERROR_LENGTH = 1000


def run_job(job_id: UUID) -> str:
    """Run one attempt of a job; harmless to call twice, or for a job that is done.

    The job's effect must be idempotent all the same: a worker that lost its lease may have
    acted before it noticed. What it reports is ignored.

    Returns:
        A short text for the task log.
    """
    lease = leases.claim(job_id)
    if lease is None:
        return "nothing to do"
    job, kind = lease.job, registry.job_kinds.get(lease.job.kind)
    if kind is None:
        # An older worker during an upgrade: leave the job to one that knows the kind.
        return _put_off(lease, f"no worker knows the kind {job.kind!r}", forgive=True)
    if job.attempts > kind.max_attempts:
        return _end(lease, JobState.FAILED, last_error=job.last_error or _VANISHED)
    try:
        with progress.running(lease):
            result = kind.run(**job.arguments)
    except LeaseLost:
        logger.warning("job %s (%s) was taken over or cancelled while it ran", job.pk, job.kind)
        return "lease lost"
    except Exception as error:
        logger.exception("job %s (%s) failed, attempt %s", job.pk, job.kind, job.attempts)
        return _failed(lease, kind, error)
    return _end(lease, JobState.SUCCEEDED, result=str(result)[:_RESULT_LENGTH], last_error="")


def _failed(lease: Lease, kind: JobKind, error: Exception) -> str:
    text = _describe(error)
    if isinstance(error, UpstreamRejected) or lease.job.attempts >= kind.max_attempts:
        return _end(lease, JobState.FAILED, last_error=text)
    return _put_off(lease, text)


def _end(lease: Lease, state: JobState, **changes: str) -> str:
    """Write the outcome, or queue the job once more if somebody asked again while it ran.

    Whoever asks while a job runs may have written what this run did not see (a revocation
    after the CRL was read), so one more run is owed.
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


def _put_off(lease: Lease, error: str, *, forgive: bool = False) -> str:
    """Queue the job for another attempt after a growing pause; the sweep brings it back."""
    pause = delay_after(lease.job.attempts, roll=_dice.random())
    kept = lease.held().update(
        state=JobState.QUEUED,
        lease_token=None,
        lease_until=None,
        attempts=lease.job.attempts - 1 if forgive else lease.job.attempts,
        next_attempt_at=clock.now() + pause,
        last_error=error,
    )
    return f"again in {_seconds(pause)} s: {error}" if kept else "lease lost, outcome ignored"


def _describe(error: Exception) -> str:
    """Return what may be stored: domain errors speak for themselves, others only by their class.

    Foreign exception texts can quote what they choked on, and that may be a secret; the log,
    which redacts, has them in full.
    """
    if isinstance(error, SealwrightError):
        return f"{error.code}: {error.detail}"[:_ERROR_LENGTH]
    return f"{type(error).__name__} (details are in the worker's log)"


def _seconds(pause: timedelta) -> int:
    return round(pause.total_seconds())


_VANISHED = "The worker vanished in every attempt before it could report."
