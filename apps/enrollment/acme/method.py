"""Registration of ACME (RFC 8555) as an enrollment method."""

from datetime import timedelta

from apps import registry
from apps.applications.models import Pairing
from apps.enrollment.acme import endpoint_config, housekeeping, selectors, snippets, views
from apps.enrollment.acme.models import AcmeEndpoint
from apps.enrollment.acme.services import orders, proof_expiry
from apps.enrollment.acme.validation import attempts


def panel(pairing: Pairing) -> registry.EndpointPanel | None:
    """Return directory URL and client snippets of a pair; ``None`` where ACME is not set up."""
    endpoint = AcmeEndpoint.objects.filter(pairing=pairing).first()
    if endpoint is None:
        return None
    endpoint.pairing = pairing
    url = selectors.directory_url(endpoint)
    return registry.EndpointPanel(
        url=url,
        snippets=snippets.snippets(
            snippets.Setting(directory_url=url, eab=endpoint.require_eab),
        ),
        settings=endpoint,
    )


METHOD = registry.EnrollmentMethod(
    name="acme",
    label="ACME",
    is_open=endpoint_config.is_open,
    collects=True,
    has_accounts=True,
    url_prefix="acme/",
    urlconf="apps.enrollment.acme.urls",
    management_urlconf="apps.enrollment.acme.api.urls",
    refusal=views.refusal,
    endpoint_model=AcmeEndpoint,
    panel=panel,
)


def register() -> None:
    """Register the method, its jobs, its sealed column, and what follows its requests."""
    registry.register_enrollment_method(METHOD)
    registry.register_jobs(
        [
            registry.JobKind(attempts.JOB, attempts.run, lease=attempts.LEASE),
            registry.JobKind("acme.sweep", housekeeping.sweep),
        ],
        [registry.Recurring("acme.sweep", timedelta(minutes=10))],
    )
    registry.sealed_fields.append(registry.SealedField("enrollment.EabKey", "sealed_hmac_key"))
    registry.presign_checks.append(proof_expiry.expired_proofs)
    registry.request_endings.append(orders.end_with_request)
