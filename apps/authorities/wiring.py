"""What does this app contribute to the house? Jobs, a sealed column, a check, a panel."""

from datetime import timedelta

from apps import registry
from apps.authorities import (  # noqa: F401 - checks register themselves
    checks,
    panels,
    publication,
    responder,
)


def register() -> None:
    """Announce it all; called once from ``AppConfig.ready``."""
    registry.register_jobs(
        [
            registry.JobKind(publication.PUBLISH_JOB, publication.publish_job),
            registry.JobKind(publication.SWEEP_JOB, publication.sweep_job),
            registry.JobKind(responder.RENEW_JOB, responder.renew_job),
        ],
        [
            registry.Recurring(publication.SWEEP_JOB, timedelta(minutes=1)),
            registry.Recurring(responder.RENEW_JOB, timedelta(hours=1)),
        ],
    )
    registry.dashboard_panels.extend(panels.PANELS)
