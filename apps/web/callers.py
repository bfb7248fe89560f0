"""The principal of a request and what it may see, for endpoints of the layers below.

Accounts, tokens and roles live in ``apps.applications``, above authorities, policies and
profiles; it registers the answers (see ``apps.registry``).
"""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from apps import registry
from apps.errors import InsufficientScope, NotFound
from apps.principals import Principal, Scope


def principal_of(request: Request) -> Principal:
    """Return who sent the request.

    Raises:
        AuthenticationFailed: nobody is signed in.
    """
    principal: Principal = registry.callers[0].principal_of(request)
    return principal


def reader_of(request: Request) -> Principal:
    """Return who sent the request, who must be allowed to read at all.

    Raises:
        AuthenticationFailed: nobody is signed in.
        AccessDenied: the token lacks the scope ``read``.
    """
    principal = principal_of(request)
    if not principal.has_scope(Scope.READ):
        raise InsufficientScope(Scope.READ)
    return principal


def governor_of(request: Request) -> Principal:
    """Return who sent the request, who must be allowed to govern.

    Raises:
        AuthenticationFailed: nobody is signed in.
        AccessDenied: not a product administrator, or the token lacks the scope ``manage``.
    """
    principal = principal_of(request)
    principal.require_governance()
    return principal


def require_sight_of_all(principal: Principal) -> None:
    """Let only those who govern see an object that belongs to no application.

    Raises:
        NotFound: for everybody else it does not exist.
    """
    if not principal.governs:
        raise NotFound


def reader_or_actor_of(request: Request) -> Principal:
    """Return who sent the request; the service checks the rights of one that changes something.

    Raises:
        AuthenticationFailed: nobody is signed in.
        AccessDenied: a request to read, and the token lacks the scope ``read``.
    """
    return reader_of(request) if request.method in SAFE_METHODS else principal_of(request)


def application_ids_in_sight(request: Request) -> list[UUID] | None:
    """Return the applications whose enrollment settings the caller may see; ``None`` = all.

    Raises:
        AuthenticationFailed: nobody is signed in.
        AccessDenied: the token lacks the scope ``read``.
    """
    principal = reader_or_actor_of(request)
    if principal.governs:
        return None
    found: list[UUID] | None = registry.callers[0].application_ids_in_sight(principal)
    return found


def audit_events_in_sight(principal: Principal, application: str | None) -> QuerySet[Any]:
    """Return the audit events that the principal may read, newest first.

    Args:
        principal: who asks.
        application: name or identifier, for its events only.

    Raises:
        NotFound: no such application in the principal's sight.
        AccessDenied: the role or the token does not allow reading the log.
    """
    found: QuerySet[Any] = registry.callers[0].audit_events_in_sight(principal, application)
    return found
