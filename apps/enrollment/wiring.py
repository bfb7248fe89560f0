"""What does this app contribute to the house? Jobs, sealed columns, a governed model."""

from datetime import timedelta

from apps import registry
from apps.enrollment.acme import housekeeping
from apps.enrollment.acme import method as acme
from apps.enrollment.acme.models import AcmeEndpoint
from apps.enrollment.api import idempotency


def register() -> None:
    """Announce jobs; called once from ``AppConfig.ready``."""
    acme.register()
    registry.register_jobs(
        [
            registry.JobKind("api.purge_idempotent_calls", idempotency.purge),
            registry.JobKind("acme.sweep", housekeeping.sweep),
        ],
        [
            registry.Recurring("api.purge_idempotent_calls", timedelta(hours=6)),
            registry.Recurring("acme.sweep", timedelta(minutes=10)),
        ],
    )
    registry.governed_models.append(AcmeEndpoint)
    registry.sealed_fields.extend(
        [
            registry.SealedField("enrollment.IdempotentCall", "sealed_answer"),
            registry.SealedField("enrollment.EabKey", "sealed_hmac_key"),
        ]
    )
