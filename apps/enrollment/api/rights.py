"""The rights that a call at the API door asks for before it hands out an earlier answer."""

from rest_framework.request import Request

from apps.applications import access, selectors
from apps.applications.roles import Permission
from apps.applications.tokens import principal_of


def require_requesting(request: Request, application: str) -> None:
    """Refuse a caller who may not request certificates for the application it names.

    Raises:
        NotFound: no such application in the caller's sight.
        AccessDenied: in sight, but the role or the token lacks the right.
    """
    principal = principal_of(request)
    found = selectors.application_for(principal, application, scoped=False)
    access.require(principal, Permission.REQUEST_CERTIFICATES, found)
