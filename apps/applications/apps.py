"""App configuration of applications, machine identities and tokens."""

from datetime import timedelta
from typing import Any

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class ApplicationsConfig(AppConfig):
    """Applications, their members, machine identities, tokens and the governance version."""

    name = "apps.applications"
    verbose_name = "Applications"

    def ready(self) -> None:
        """Register callers, readiness check and job; connect what follows each migrate."""
        from apps import registry
        from apps.applications import access, governance_version, selectors, tokens
        from apps.applications.roles import Permission

        registry.callers.append(
            registry.Callers(
                principal_of=tokens.principal_of,
                application_ids_in_sight=lambda principal: access.visible_application_ids(
                    principal, Permission.VIEW_ENROLLMENT
                ),
                audit_events_in_sight=selectors.audit_events_in_sight,
            )
        )
        registry.readiness_checks["governance"] = registry.ReadinessCheck(
            "governance", governance_version.missing_triggers
        )
        registry.register_jobs(
            [registry.JobKind("governance.compact", governance_version.compact)],
            [registry.Recurring("governance.compact", timedelta(minutes=10))],
        )
        post_migrate.connect(_install_triggers, sender=self)
        # Django makes the permissions of all models before it comes to its own app.
        post_migrate.connect(_apply_role_table, sender=apps.get_app_config("auth"))


def _install_triggers(*, using: str, **_: Any) -> None:
    """Create triggers on governed tables, after all apps are migrated."""
    from apps.applications import governance_version

    governance_version.install_triggers(using)


def _apply_role_table(*, using: str, **_: Any) -> None:
    """Give existing members the rights that their roles have in this version."""
    from apps.applications import role_table

    role_table.apply_if_changed(using)
