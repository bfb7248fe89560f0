"""Django app of the programs that run the product."""

from datetime import timedelta

from django.apps import AppConfig


class OperationsConfig(AppConfig):
    """Installation, supervision and the front server: what runs the product."""

    name = "apps.operations"
    verbose_name = "Operations"

    def ready(self) -> None:
        """Register the renewal of the web certificate."""
        from apps import registry
        from apps.operations import web_certificate

        registry.register_jobs(
            [registry.JobKind("web.renew_certificate", web_certificate.renew)],
            [registry.Recurring("web.renew_certificate", timedelta(hours=1))],
        )
