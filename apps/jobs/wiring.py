"""What does this app contribute to the house? Its own housekeeping job."""

from datetime import timedelta

from apps import registry
from apps.jobs import sweeps


def register() -> None:
    """Announce jobs; called once from ``AppConfig.ready``."""
    registry.register_jobs(
        [registry.JobKind("jobs.prune", sweeps.prune)],
        [registry.Recurring("jobs.prune", timedelta(hours=6))],
    )
