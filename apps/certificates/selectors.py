"""Reads of requests and certificates, narrowed to what a principal may see."""

from uuid import UUID

from django.db.models import QuerySet

from apps.applications import access
from apps.applications.roles import Permission
from apps.certificates.models import Certificate, CertificateRequest
from apps.errors import InvalidInput
from apps.principals import Principal
from apps.web.references import id_or_name, not_found, row_with
from pki.findings import Violation

# Far above the number of authorities that choose the same random number.
_MAX_SAME_SERIAL = 100


def certificates_visible_to(principal: Principal) -> QuerySet[Certificate]:
    """Return the certificates of the principal's applications, newest first."""
    found = _certificates()
    visible = access.visible_application_ids(principal, Permission.VIEW_CERTIFICATES)
    return found if visible is None else found.filter(application_id__in=visible)


def requests_visible_to(principal: Principal) -> QuerySet[CertificateRequest]:
    """Return the requests of the principal's applications, newest first."""
    found = _requests()
    visible = access.visible_application_ids(principal, Permission.VIEW_CERTIFICATES)
    return found if visible is None else found.filter(application_id__in=visible)


def certificates_to_act_on(principal: Principal) -> QuerySet[Certificate]:
    """Return the certificates in sight of the principal's role, whatever its token's scopes.

    For an act that asks for a scope of its own: a token that may only revoke has no ``read``.
    """
    return access.visible(_certificates(), principal, Permission.VIEW_CERTIFICATES, scoped=False)


def certificate_visible_to(
    principal: Principal, certificate_id: UUID, *, scoped: bool = True
) -> Certificate:
    """Return one certificate.

    Args:
        principal: who asks.
        certificate_id: which.
        scoped: whether the token needs the scope ``read``; see ``certificates_to_act_on``.

    Raises:
        NotFound: no such certificate, or another team's.
        AccessDenied: the token lacks the scope.
    """
    rows = certificates_visible_to(principal) if scoped else certificates_to_act_on(principal)
    return row_with(rows, "pk", certificate_id)


def certificate_to_act_on(
    principal: Principal, serial_number: str, authority: str = ""
) -> Certificate:
    """Return the one certificate in sight with a serial number, whatever the token's scopes.

    Args:
        principal: who asks.
        serial_number: as stored.
        authority: name or identifier of the issuer; empty where the number alone tells.

    Raises:
        NotFound: none in sight has the number, or none of that authority.
        InvalidInput: several authorities have used the number; the error names them.
    """
    rows = certificates_to_act_on(principal).select_related(
        "application", "profile", "policy_version__policy", "authority"
    )
    found = list(rows.filter(serial_number=serial_number)[:_MAX_SAME_SERIAL])
    if not found:
        raise not_found("certificate", serial_number, field="serial_number")
    issuers = sorted(one.authority.name for one in found if one.authority is not None)
    if authority:
        wanted = id_or_name(authority)
        for one in found:
            if one.authority is not None and wanted in {one.authority.pk, one.authority.name}:
                return one
        known = f"Certificates with this serial number are of: {', '.join(issuers)}."
        raise not_found("certificate", authority, field="authority", hint=known if issuers else "")
    if len(found) > 1:
        reason = "Several authorities have issued a certificate with this serial number."
        hint = f"Name one of: {', '.join(issuers)}."
        raise InvalidInput([Violation("reference.ambiguous", "authority", "", reason, hint)])
    return found[0]


def request_visible_to(
    principal: Principal, request_id: UUID, *, scoped: bool = True
) -> CertificateRequest:
    """Return one request; ``scoped`` as for ``certificate_visible_to``.

    Raises:
        NotFound: no such request, or another team's.
        AccessDenied: the token lacks the scope.
    """
    if scoped:
        return row_with(requests_visible_to(principal), "pk", request_id)
    rows = access.visible(_requests(), principal, Permission.VIEW_CERTIFICATES, scoped=False)
    return row_with(rows, "pk", request_id)


def _certificates() -> QuerySet[Certificate]:
    return Certificate.objects.select_related("application", "profile", "policy_version__policy")


def _requests() -> QuerySet[CertificateRequest]:
    return CertificateRequest.objects.select_related(
        "application", "profile__policy__current_version", "policy_version__policy", "authority"
    )
