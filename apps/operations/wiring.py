"""Registration of the operations app's recurring jobs."""

from datetime import timedelta

from apps import registry
from apps.operations import web_certificate


def register() -> None:
    """Announce jobs; called once from ``AppConfig.ready``."""
    registry.register_jobs(
        [registry.JobKind("web.renew_certificate", web_certificate.renew)],
        [registry.Recurring("web.renew_certificate", timedelta(hours=1))],
    )
