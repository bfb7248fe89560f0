"""Registrations of the enrollment app: its methods, and the web certificate's renewal."""

from datetime import timedelta

from apps import registry
from apps.enrollment import web_certificate
from apps.enrollment.acme import method as acme
from apps.enrollment.api import method as api


def register() -> None:
    """Register everything; called once from ``AppConfig.ready``."""
    acme.register()
    api.register()
    registry.register_jobs(
        [registry.JobKind("web.renew_certificate", web_certificate.renew)],
        [registry.Recurring("web.renew_certificate", timedelta(hours=1))],
    )
