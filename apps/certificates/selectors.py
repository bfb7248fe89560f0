"""Reads of requests and certificates, narrowed to what a principal may see."""

from uuid import UUID

from django.db.models import QuerySet

from apps.applications import access
from apps.applications.roles import Permission
from apps.certificates.models import Certificate, CertificateRequest
from apps.principals import Principal
from apps.web.references import first_of


def certificates_visible_to(principal: Principal) -> QuerySet[Certificate]:
    """Return the certificates of the principal's applications, newest first."""
    found = Certificate.objects.select_related("application", "profile", "policy_version__policy")
    visible = access.visible_application_ids(principal, Permission.VIEW_CERTIFICATES)
    return found if visible is None else found.filter(application_id__in=visible)


def requests_visible_to(principal: Principal) -> QuerySet[CertificateRequest]:
    """Return the requests of the principal's applications, newest first."""
    found = CertificateRequest.objects.select_related(
        "application", "profile__policy__current_version", "policy_version__policy", "authority"
    )
    visible = access.visible_application_ids(principal, Permission.VIEW_CERTIFICATES)
    return found if visible is None else found.filter(application_id__in=visible)


def certificate_visible_to(principal: Principal, certificate_id: UUID) -> Certificate:
    """Return one certificate.

    Raises:
        NotFound: no such certificate, or another team's.
    """
    return first_of(certificates_visible_to(principal).filter(pk=certificate_id))


def request_visible_to(principal: Principal, request_id: UUID) -> CertificateRequest:
    """Return one request.

    Raises:
        NotFound: no such request, or another team's.
    """
    return first_of(requests_visible_to(principal).filter(pk=request_id))
