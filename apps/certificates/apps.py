"""Django app of certificates and what it registers with the layers below."""

from datetime import timedelta

from django.apps import AppConfig


class CertificatesConfig(AppConfig):
    """Certificate requests, the issuance pipeline and the inventory."""

    name = "apps.certificates"
    verbose_name = "Certificates"

    def ready(self) -> None:
        """Register jobs, server-driven renewal, sealed columns, panels and text indexes."""
        from apps import registry
        from apps.certificates import panels, sweeps
        from apps.certificates.api import idempotency
        from apps.certificates.models import Certificate, CertificateRequest, EnrollmentMethod
        from apps.statements import text_index

        registry.register_jobs(
            [
                registry.JobKind("certificates.reconcile", sweeps.reconcile),
                registry.JobKind("certificates.mark_expired", sweeps.mark_expired),
                registry.JobKind("api.purge_idempotent_calls", idempotency.purge),
            ],
            [
                registry.Recurring("certificates.reconcile", timedelta(minutes=1)),
                registry.Recurring("certificates.mark_expired", timedelta(minutes=5)),
                registry.Recurring("api.purge_idempotent_calls", timedelta(hours=6)),
            ],
        )
        # Requests that the server makes for itself: no client reaches it, so no pair can close it.
        registry.register_enrollment_method(
            registry.EnrollmentMethod(
                name=EnrollmentMethod.RENEWAL,
                label=EnrollmentMethod.RENEWAL.label,
                is_open=lambda _pairing: True,
            )
        )
        registry.sealed_fields.extend(
            [
                registry.SealedField("certificates.CertificateRequest", "sealed_private_key"),
                registry.SealedField("certificates.Certificate", "sealed_private_key"),
                registry.SealedField("certificates.IdempotentCall", "sealed_answer"),
            ]
        )
        registry.dashboard_panels.extend(panels.PANELS)
        text_index.register(
            self,
            text_index.TextIndex(Certificate, ("search_text",)),
            text_index.TextIndex(CertificateRequest, ("search_text",)),
        )
