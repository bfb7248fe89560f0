"""Registration of the REST API as an enrollment method."""

import shlex

from django.conf import settings

from apps import registry
from apps.applications.models import Pairing


def panel(pairing: Pairing) -> registry.EndpointPanel:
    """Return the address for certificate requests of a pair, and a command that sends one."""
    url = f"{settings.SEALWRIGHT['PUBLIC_URL']}/api/v1/certificate-requests/"
    body = (
        f'"application": "{pairing.application.name}", "profile": "{pairing.profile.name}", '
        '"csr": "CSR_PEM"'
    )
    text = (
        "curl --cacert root.pem -H 'Authorization: Bearer TOKEN' \\\n"
        f"  -H 'Content-Type: application/json' {shlex.quote(url)} \\\n"
        f"  -d '{{{body}}}'"
    )
    return registry.EndpointPanel(url=url, snippets=(registry.Snippet("curl", "sh", text),))


METHOD = registry.EnrollmentMethod(
    name="api",
    label="API",
    is_open=lambda pairing: bool(pairing.api_enabled),
    url_prefix="api/v1/",
    urlconf="apps.enrollment.api.urls",
    panel=panel,
)


def register() -> None:
    """Register the method."""
    registry.register_enrollment_method(METHOD)
