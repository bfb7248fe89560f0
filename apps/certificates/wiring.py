"""Registrations of the certificates app: jobs, sealed columns, panels, server-driven renewal."""

from datetime import timedelta

from apps import registry
from apps.certificates import panels, sweeps
from apps.certificates.api import idempotency
from apps.certificates.models import EnrollmentMethod


def register() -> None:
    """Announce jobs, sealed columns and panels; called once from ``AppConfig.ready``."""
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
