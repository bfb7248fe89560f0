"""How does a worker hear of a job? A django-q2 task that carries nothing but its identifier.

With the ORM broker the task is a row in our own database: written in the transaction of the
act that caused it, it exists exactly when that act does (a transactional outbox).
"""

from datetime import timedelta

from django_q.tasks import async_task

from apps import registry
from apps.jobs.models import Job

_RUN = "apps.jobs.tasks.run_job"
_DEFAULT_LEASE = timedelta(minutes=5)


def lease_of(kind: str) -> timedelta:
    """Return how long one attempt of this kind may take; unknown kinds get five minutes."""
    known = registry.job_kinds.get(kind)
    return known.lease if known is not None else _DEFAULT_LEASE


def push(job: Job) -> None:
    """Tell the workers about ``job``, as part of the caller's transaction.

    Delivery is at least once, so pushing twice is harmless: the lease admits one attempt.
    """
    async_task(
        _RUN, str(job.pk), task_name=job.kind, timeout=int(lease_of(job.kind).total_seconds())
    )
