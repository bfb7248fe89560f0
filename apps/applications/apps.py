"""Registers applications."""

from datetime import timedelta
from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ApplicationsConfig(AppConfig):
    """See ``models.py`` for what lives here."""

    name = "apps.applications"
    verbose_name = "Applications"

    def ready(self) -> None:
        """Tell lower layers who calls, announce housekeeping, and note changes of governance."""
        from apps import registry
        from apps.applications import access, epoch, tokens
        from apps.applications.roles import Permission

        post_migrate.connect(_changes_are_noted, sender=self)
        registry.readiness_checks["governance"] = registry.ReadinessCheck(
            "governance", epoch.missing
        )
        registry.register_jobs(
            [registry.JobKind("governance.compact", epoch.compact)],
            [registry.Recurring("governance.compact", timedelta(minutes=10))],
        )

        registry.callers.append(
            registry.Callers(
                principal_of=tokens.principal_of,
                application_ids_in_sight=lambda principal: access.visible_application_ids(
                    principal, Permission.VIEW_ENROLLMENT
                ),
            )
        )


def _changes_are_noted(*, using: str, **_: Any) -> None:
    """Put triggers on governed tables; Django runs this once all apps are migrated."""
    from apps.applications import epoch

    epoch.install(using)
