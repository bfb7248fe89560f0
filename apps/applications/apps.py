"""App configuration of applications, machine identities and tokens."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ApplicationsConfig(AppConfig):
    """See ``models.py`` for what lives here."""

    name = "apps.applications"
    verbose_name = "Applications"

    def ready(self) -> None:
        """Register with the lower layers, and install triggers after each migrate."""
        from apps.applications import wiring

        wiring.register()
        post_migrate.connect(_install_triggers, sender=self)


def _install_triggers(*, using: str, **_: Any) -> None:
    """Create triggers on governed tables, after all apps are migrated."""
    from apps.applications import governance_version

    governance_version.install_triggers(using)
