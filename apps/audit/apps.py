"""Registers the audit log."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Append-only event log."""

    name = "apps.audit"
    verbose_name = "Audit"
