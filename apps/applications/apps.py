"""Registers applications."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ApplicationsConfig(AppConfig):
    """See ``models.py`` for what lives here."""

    name = "apps.applications"
    verbose_name = "Applications"

    def ready(self) -> None:
        """Announce who calls, and keep the triggers of governed tables in place."""
        from apps.applications import wiring

        wiring.register()
        post_migrate.connect(_changes_are_noted, sender=self)


def _changes_are_noted(*, using: str, **_: Any) -> None:
    """Put triggers on governed tables; Django runs this once all apps are migrated."""
    from apps.applications import epoch

    epoch.install(using)
