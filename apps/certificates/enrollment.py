"""The ``Enrollment`` value: an authenticated request for a certificate, of any enrollment method."""

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from apps import registry
from apps.applications import access
from apps.applications.models import Pairing
from apps.applications.roles import Permission
from apps.certificates.models import Certificate, EnrollmentMethod
from apps.errors import AccessDenied
from apps.principals import Principal
from apps.profiles.requested_content import RequestedContent
from pki.csr import ParsedCSR

WithCertificate = Callable[[Certificate], None]
"""Adds rows to the batch that stores a certificate, by ``statements.writes``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrollment:
    """An authenticated request for a certificate.

    Attributes:
        principal: who asks.
        pairing: application and profile, from ``applications.pairings``; whether the principal may
            request there is checked by the pipeline.
        method: how the request came in.
        csr: PKCS#10 bytes, PEM or DER, or parsed already; ``None`` lets the server make the key.
        requested: what the requester says beside the CSR.
        replaces: the certificate that this one renews.
        request_id: identifier for the request, for callers that must find it again after a crash.
        also: called while the certificate is stored by this very call, to write rows in the same
            commit (an ACME order becomes valid together with its certificate).
    """

    principal: Principal
    pairing: Pairing
    method: EnrollmentMethod
    csr: bytes | ParsedCSR | None = None
    requested: RequestedContent = field(default_factory=RequestedContent)
    replaces: Certificate | None = None
    request_id: UUID | None = None
    also: WithCertificate | None = None


def authorise(enrollment: Enrollment) -> None:
    """Refuse unless the principal may request at the pairing, by this method.

    Raises:
        AccessDenied, NotFound: see ``access.require``; or the method is closed there.
    """
    access.require(
        enrollment.principal,
        Permission.REQUEST_CERTIFICATES,
        enrollment.pairing.application,
        pairing_id=enrollment.pairing.id,
    )
    require_open_method(enrollment.pairing, enrollment.method)


def require_open_method(pairing: Pairing, method: EnrollmentMethod) -> None:
    """Refuse a request by an enrollment method that is not open for the pairing.

    Raises:
        AccessDenied: the method is closed for the pairing, or not registered.
    """
    registered = registry.enrollment_methods.get(method)
    if registered is None or not registered.is_open(pairing):
        label = EnrollmentMethod(method).label
        raise AccessDenied(f"Enrollment by {label} is closed for this application and profile.")
