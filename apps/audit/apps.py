"""App configuration of the audit log."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Append-only event log."""

    name = "apps.audit"
    verbose_name = "Audit"

    def ready(self) -> None:
        """Put recent events on the front page; index what events are searched by."""
        from apps import registry
        from apps.audit import panels
        from apps.audit.models import AuditEvent
        from apps.statements import text_index

        registry.dashboard_panels.extend(panels.PANELS)
        text_index.register(
            self, text_index.TextIndex(AuditEvent, ("actor_label", "subject_label"))
        )
