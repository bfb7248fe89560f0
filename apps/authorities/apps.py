"""Django app of certificate authorities and what it registers with the layers below."""

from datetime import timedelta

from django.apps import AppConfig


class AuthoritiesConfig(AppConfig):
    """CAs, their ledgers, and the publication of CRLs, OCSP responses and CA certificates."""

    name = "apps.authorities"
    verbose_name = "Certificate authorities"

    def ready(self) -> None:
        """Register jobs, the front page's panel and the system check."""
        from apps import registry
        from apps.authorities import (  # noqa: F401 - checks register themselves
            checks,
            health,
            ocsp_refresh,
            ocsp_responders,
            pki_urls,
            publication,
        )

        registry.register_jobs(
            [
                registry.JobKind(publication.PUBLISH_JOB, publication.publish_job),
                registry.JobKind(publication.SWEEP_JOB, publication.sweep_job),
                registry.JobKind(ocsp_responders.RENEW_JOB, ocsp_responders.renew_job),
                registry.JobKind(ocsp_refresh.REFRESH_JOB, ocsp_refresh.refresh_job),
            ],
            [
                registry.Recurring(publication.SWEEP_JOB, timedelta(minutes=1)),
                registry.Recurring(ocsp_responders.RENEW_JOB, timedelta(hours=1)),
                registry.Recurring(ocsp_refresh.REFRESH_JOB, timedelta(minutes=1)),
            ],
        )
        registry.dashboard_panels.append(health.PANEL)
        registry.dashboard_panels.append(pki_urls.PANEL)
        registry.readiness_checks["PKI URL"] = registry.ReadinessCheck(
            "PKI URL", pki_urls.readiness, advisory=True
        )
