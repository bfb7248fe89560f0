"""Django app of the programs that run the product."""

from datetime import timedelta

from django.apps import AppConfig


class OperationsConfig(AppConfig):
    """Installation, supervision and the front server: what runs the product."""

    name = "apps.operations"
    verbose_name = "Operations"

    def ready(self) -> None:
        """Register the renewal of the web certificate, and where its health is shown."""
        from apps import registry
        from apps.operations import web_certificate, web_certificate_health

        registry.register_jobs(
            [registry.JobKind(web_certificate_health.RENEW_JOB, web_certificate.renew)],
            [registry.Recurring(web_certificate_health.RENEW_JOB, timedelta(hours=1))],
        )
        # Advice only: taking the server out of service would take CRLs and OCSP along.
        registry.readiness_checks["web certificate"] = registry.ReadinessCheck(
            "web certificate", web_certificate_health.readiness, advisory=True
        )
        registry.dashboard_panels.append(web_certificate_health.PANEL)
