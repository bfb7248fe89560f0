"""Notification of workers through django-q2 tasks that carry only the identifier of a job.

With the ORM broker the task is a row in the same database. It is written in the transaction of
the act that caused it, so it exists exactly when that act does (a transactional outbox).
"""

from datetime import timedelta

from django_q.tasks import async_task

from apps import registry
from apps.jobs.models import Job

_RUN = "apps.jobs.tasks.run_job"
_DEFAULT_LEASE = timedelta(minutes=5)


def lease_of(kind: str) -> timedelta:
    """Return how long one attempt of this kind may take; five minutes for an unknown kind."""
    known = registry.job_kinds.get(kind)
    return known.lease if known is not None else _DEFAULT_LEASE


def push(job: Job) -> None:
    """Enqueue the task that runs ``job``, in the caller's transaction.

    Delivery is at least once, and pushing twice is harmless: the lease admits one attempt.
    """
    async_task(
        _RUN, str(job.pk), task_name=job.kind, timeout=int(lease_of(job.kind).total_seconds())
    )
