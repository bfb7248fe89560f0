"""What does this app contribute to the house? The renewal of the web server's certificate."""

from datetime import timedelta

from apps import registry
from apps.enrollment import web_certificate


def register() -> None:
    """Announce jobs; called once from ``AppConfig.ready``."""
    registry.register_jobs(
        [registry.JobKind("web.renew_certificate", web_certificate.renew)],
        [registry.Recurring("web.renew_certificate", timedelta(hours=1))],
    )
