"""Registrations of this app: callers, a readiness check and a background job."""

from datetime import timedelta

from apps import registry
from apps.applications import access, governance_version, selectors, tokens
from apps.applications.roles import Permission


def register() -> None:
    """Announce all of it; called once from ``AppConfig.ready``."""
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
