"""Registrations of this app: jobs, sealed columns, front page panels."""

from datetime import timedelta

from apps import registry
from apps.certificates import panels, sweeps


def register() -> None:
    """Register them; called once from ``AppConfig.ready``."""
    registry.register_jobs(
        [
            registry.JobKind("certificates.reconcile", sweeps.reconcile),
            registry.JobKind("certificates.mark_expired", sweeps.mark_expired),
        ],
        [
            registry.Recurring("certificates.reconcile", timedelta(minutes=1)),
            registry.Recurring("certificates.mark_expired", timedelta(minutes=5)),
        ],
    )
    registry.sealed_fields.extend(
        [
            registry.SealedField("certificates.CertificateRequest", "sealed_private_key"),
            registry.SealedField("certificates.Certificate", "sealed_private_key"),
        ]
    )
    registry.dashboard_panels.extend(panels.PANELS)
