"""What does this app contribute to the house? Callers and their sight, a readiness check, a job."""

from datetime import timedelta

from apps import registry
from apps.applications import access, epoch, tokens
from apps.applications.roles import Permission


def register() -> None:
    """Announce all of it; called once from ``AppConfig.ready``."""
    registry.callers.append(
        registry.Callers(
            principal_of=tokens.principal_of,
            application_ids_in_sight=lambda principal: access.visible_application_ids(
                principal, Permission.VIEW_ENROLLMENT
            ),
        )
    )
    registry.readiness_checks["governance"] = registry.ReadinessCheck("governance", epoch.missing)
    registry.register_jobs(
        [registry.JobKind("governance.compact", epoch.compact)],
        [registry.Recurring("governance.compact", timedelta(minutes=10))],
    )
