"""Registers background jobs."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class JobsConfig(AppConfig):
    """Durable background work on top of django-q2."""

    name = "apps.jobs"
    verbose_name = "Jobs"

    def ready(self) -> None:
        """Announce housekeeping and keep django-q2's schedules in step after each migrate."""
        from apps.jobs import checks, wiring  # noqa: F401 - checks register themselves

        wiring.register()
        post_migrate.connect(_schedules_follow_data, sender=self)


def _schedules_follow_data(*, using: str, **_: Any) -> None:
    """Write ``tasks.SCHEDULES``; Django runs this once all apps are migrated."""
    from apps.jobs import schedules

    schedules.upsert(using)
