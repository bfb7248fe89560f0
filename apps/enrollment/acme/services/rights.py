"""Rights to change the ACME settings of an application-profile pair, and to have its secrets."""

from apps.applications import access
from apps.applications.models import Pairing
from apps.applications.roles import Permission
from apps.principals import Principal


def require_edit(principal: Principal, pairing: Pairing) -> None:
    """Refuse a principal that may not edit enrollment in the application.

    Raises:
        NotFound, AccessDenied: the right is missing.
    """
    access.require(principal, Permission.EDIT_ENROLLMENT, pairing.application)


def why_no_admission(principal: Principal, pairing: Pairing) -> str:
    """Return why a person fails ``require_admission``, for pages; empty for who passes."""
    return access.why_not(
        principal,
        pairing.application,
        Permission.EDIT_ENROLLMENT,
        Permission.REQUEST_CERTIFICATES,
    )


def require_admission(principal: Principal, pairing: Pairing) -> None:
    """Refuse a principal that may not give out what certificates are obtained with.

    Whoever has the secret of an EAB key, or meets an endpoint that asks for none, can obtain
    certificates. That is for those who may request them: a product administrator who is no
    member of the application may not.

    Raises:
        NotFound, AccessDenied: the right to edit enrollment or to request certificates is missing.
    """
    require_edit(principal, pairing)
    access.require(principal, Permission.REQUEST_CERTIFICATES, pairing.application)
