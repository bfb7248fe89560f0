"""App configuration of the audit log."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Append-only event log."""

    name = "apps.audit"
    verbose_name = "Audit"

    def ready(self) -> None:
        """Put recent events on the front page."""
        from apps import registry
        from apps.audit import panels

        registry.dashboard_panels.extend(panels.PANELS)
