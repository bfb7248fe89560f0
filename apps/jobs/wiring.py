"""What does this app contribute to the house? Its own housekeeping job and a panel."""

from datetime import timedelta

from apps import registry
from apps.jobs import panels, sweeps


def register() -> None:
    """Announce jobs and the panel; called once from ``AppConfig.ready``."""
    registry.register_jobs(
        [registry.JobKind("jobs.prune", sweeps.prune)],
        [registry.Recurring("jobs.prune", timedelta(hours=6))],
    )
    registry.dashboard_panels.extend(panels.PANELS)
