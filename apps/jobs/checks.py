"""System checks of job leases and recurring jobs."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from apps import registry


@register()
def leases_end_before_redelivery(**_: Any) -> list[CheckMessage]:
    """Report leases that are not shorter than ``Q_CLUSTER["retry"]``.

    django-q2 starts its own lock when a task is fetched, not when it starts. A task that it
    delivers again while the lease is held is dropped, and the job then waits for the sweep.
    """
    engine: dict[str, Any] = settings.Q_CLUSTER
    retry_s = engine["retry"]
    return [
        Error(
            f"The lease of job kind {kind.name!r} ({kind.lease}) is not shorter than "
            f'Q_CLUSTER["retry"] ({retry_s} s).',
            hint="Shorten the lease and let the job work in batches.",
            id="jobs.E001",
        )
        for kind in registry.job_kinds.values()
        if kind.lease.total_seconds() >= retry_s
    ]


@register()
def recurring_kinds_exist(**_: Any) -> list[CheckMessage]:
    """Report recurring kinds that no app has registered; they would fail at every sweep."""
    return [
        Error(f"Recurring job {kind!r} is not a registered kind.", id="jobs.E002")
        for kind in registry.recurring
        if kind not in registry.job_kinds
    ]
