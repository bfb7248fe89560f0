"""Django app of background jobs and what it registers."""

from datetime import timedelta
from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class JobsConfig(AppConfig):
    """Durable background work on top of django-q2."""

    name = "apps.jobs"
    verbose_name = "Jobs"

    def ready(self) -> None:
        """Register pruning, readiness and system checks, the panel, and django-q2's schedules."""
        from apps import registry
        from apps.jobs import checks, health, panels, sweeps  # noqa: F401 - checks register themselves
        from apps.jobs.models import Job
        from apps.statements import text_index

        registry.register_jobs(
            [registry.JobKind("jobs.prune", sweeps.prune)],
            [registry.Recurring("jobs.prune", timedelta(hours=6))],
        )
        registry.readiness_checks["writes"] = registry.ReadinessCheck("writes", health.writes)
        registry.readiness_checks["jobs"] = registry.ReadinessCheck("jobs", health.running)
        registry.dashboard_panels.append(panels.PANEL)
        post_migrate.connect(_write_schedules, sender=self)
        text_index.register(self, text_index.TextIndex(Job, ("result", "last_error")))


def _write_schedules(*, using: str, **_: Any) -> None:
    """Write ``tasks.SCHEDULES``; Django calls this once all apps are migrated."""
    from apps.jobs import schedules

    schedules.upsert(using)
