"""The right to change the ACME settings of an application-profile pair."""

from apps.applications import access
from apps.applications.models import Pairing
from apps.applications.roles import Permission
from apps.principals import Principal, Scope


def require_edit(principal: Principal, pairing: Pairing) -> None:
    """Refuse a principal that neither governs nor may edit enrollment in the application.

    Raises:
        NotFound, AccessDenied: the right is missing.
    """
    if principal.governs and principal.has_scope(Scope.MANAGE):
        return
    access.require(principal, Permission.EDIT_ENROLLMENT, pairing.application)
