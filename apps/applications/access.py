"""Authorisation inside applications: what a principal may do in one of them.

Every service, API and protocol calls ``require`` here. The effective right is role AND
credential: a token's scopes and its application narrow what the owner's current role allows, and
never widen it. Rights are read from django-guardian's rows with one joined query and cached under
the governance version (``governance_version``): a change of role counts at once, in every process.
"""

from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from apps.applications.governance_version import GovernanceCache
from apps.applications.models import (
    Application,
    ApplicationGroupObjectPermission,
    ApplicationUserObjectPermission,
)
from apps.applications.roles import GOVERNANCE_FALLBACK, Permission
from apps.audit.events import Event
from apps.audit.record import record_sampled
from apps.errors import AccessDenied, InsufficientScope, NotFound
from apps.principals import Principal, Scope
from apps.registry import is_protocol_account
from apps.statements.lookups import KEY, NUMBER, Lookup

SCOPE_OF: dict[Permission, Scope] = {
    Permission.VIEW: Scope.READ,
    Permission.EDIT: Scope.MANAGE,
    Permission.VIEW_ENROLLMENT: Scope.READ,
    Permission.EDIT_ENROLLMENT: Scope.MANAGE,
    Permission.VIEW_CERTIFICATES: Scope.READ,
    Permission.REQUEST_CERTIFICATES: Scope.REQUEST,
    Permission.EDIT_CERTIFICATES: Scope.MANAGE,
    Permission.IMPORT_CERTIFICATES: Scope.MANAGE,
    Permission.REVOKE_CERTIFICATES: Scope.REVOKE,
    Permission.APPROVE_REQUESTS: Scope.MANAGE,
    Permission.READ_PRIVATE_KEYS: Scope.EXPORT_KEY,
    Permission.DELETE_CERTIFICATES: Scope.MANAGE,
    Permission.VIEW_MEMBERS: Scope.READ,
    Permission.MANAGE_MEMBERS: Scope.MANAGE,
    Permission.VIEW_AUDIT: Scope.READ,
}
# Accounts of enrollment protocols: no user stands behind them, and what they may do ends with
# the pair of application and profile at which they registered.
_PROTOCOL_RIGHTS = frozenset({Permission.REQUEST_CERTIFICATES, Permission.REVOKE_CERTIFICATES})
_ALL = frozenset(Permission)
_BY_NAME = {right.value: right for right in Permission}
_NONE: frozenset[Permission] = frozenset()
_NOBODY = 0  # no account has this primary key

_RIGHTS = Lookup(
    lambda user, application: (
        ApplicationUserObjectPermission.objects.filter(user_id=user, content_object_id=application)
        .values_list("permission__codename")
        .union(
            ApplicationGroupObjectPermission.objects.filter(
                group__user=user, content_object_id=application
            ).values_list("permission__codename")
        )
    ),
    user=NUMBER,
    application=KEY,
)


def rights_in(principal: Principal, application_id: UUID | None) -> frozenset[Permission]:
    """Return what the principal may do in one application right now.

    Args:
        principal: who asks.
        application_id: the application; ``None`` for objects that belong to none, which only
            those who govern the product may see.
    """
    allowed = _allowed_by_role(principal, application_id)
    return frozenset(right for right in allowed if principal.has_scope(SCOPE_OF[right]))


def require(
    principal: Principal,
    permission: Permission,
    application: Application | None,
    *,
    pairing_id: UUID | None = None,
) -> None:
    """Refuse unless the principal holds ``permission`` in ``application``.

    Args:
        principal: who asks.
        permission: for what.
        application: where; ``None`` for objects that belong to no application.
        pairing_id: the pairing requested under, to which protocol accounts are confined.

    Raises:
        NotFound: the application is none of the principal's business; it answers exactly as
            one that does not exist.
        AccessDenied: the principal sees the application, but the role or the token lacks
            this right. The denial is recorded.
    """
    application_id = application.id if application is not None else None
    allowed = _allowed_by_role(principal, application_id)
    if is_protocol_account(principal.kind):
        if not allowed or pairing_id not in {None, principal.pairing_id}:
            raise NotFound
    elif Permission.VIEW not in allowed:
        raise NotFound
    refusal = _refusal(principal, permission, allowed)
    if refusal is not None:
        record_sampled(
            Event.ACCESS_DENIED,
            principal=principal,
            subject=application,
            application_id=application_id,
            permission=permission.value,
        )
        raise refusal


def why_not(principal: Principal, application: Application | None, *permissions: Permission) -> str:
    """Return a sentence for people who lack one of the permissions; empty for who has them all.

    For pages that offer only what is possible. It records nothing and is no substitute for
    ``require``.
    """
    rights = rights_in(principal, application.pk if application is not None else None)
    missing = [permission for permission in permissions if permission not in rights]
    if not missing:
        return ""
    names = ", ".join(permission.value for permission in missing)
    if application is None:
        return f"This belongs to no application; nobody has the permission {names} for it."
    return (
        f"You lack the permission {names} in the application {application.name}, which its members "
        "get by their role. Another administrator can make you a member."
    )


def is_in_sight(principal: Principal, application_id: UUID) -> bool:
    """Tell whether an application is the principal's business at all, whatever its scopes."""
    return Permission.VIEW in _allowed_by_role(principal, application_id)


def visible_application_ids(principal: Principal, permission: Permission) -> list[UUID] | None:
    """Return the applications in which the principal holds ``permission``; ``None`` means all.

    Raises:
        AccessDenied: the token lacks the scope, so an empty list would mislead.
    """
    _require_scope(principal, permission)
    if _governs(principal, permission):
        return None
    if principal.user_id is None:
        return []
    rows = _user_rows(principal).filter(permission__codename=permission.value)
    group_rows = _group_rows(principal).filter(permission__codename=permission.value)
    if principal.application_id is not None:
        rows = rows.filter(content_object_id=principal.application_id)
        group_rows = group_rows.filter(content_object_id=principal.application_id)
    ids = rows.values_list("content_object_id", flat=True)
    return list(ids.union(group_rows.values_list("content_object_id", flat=True)))


def visible(
    rows: QuerySet[Any],
    principal: Principal,
    permission: Permission,
    *,
    path: str = "application_id",
    scoped: bool = True,
) -> QuerySet[Any]:
    """Narrow ``rows`` to those in applications where ``permission`` is held, in the same query.

    For look-ups of a few rows; long lists go faster by ``visible_application_ids``.

    Args:
        rows: any queryset whose rows belong to an application.
        principal: who asks.
        permission: the right that must be held.
        path: the column that names the application (``pk`` for applications themselves).
        scoped: whether the token needs the scope too; ``False`` for a look-up on the way to
            an act that asks for its own scope, such as a token that may only request.

    Raises:
        AccessDenied: the token lacks the scope.
    """
    if scoped:
        _require_scope(principal, permission)
    if _governs(principal, permission):
        return rows
    # NULL would match the rows of a group without people.
    if principal.user_id is None:
        return rows.none()
    if principal.application_id is not None:
        rows = rows.filter(**{path: principal.application_id})
    here = {"content_object_id": OuterRef(path), "permission__codename": permission.value}
    return rows.filter(
        Q(Exists(_user_rows(principal).filter(**here)))
        | Q(Exists(_group_rows(principal).filter(**here)))
    )


def applications_visible_to(principal: Principal) -> QuerySet[Application]:
    """Return the applications that the principal may see, by name."""
    return visible(Application.objects.all(), principal, Permission.VIEW, path="pk")


def _allowed_by_role(principal: Principal, application_id: UUID | None) -> frozenset[Permission]:
    """Return the rights of the role alone, before the token's scopes."""
    if principal.is_system:
        return _ALL
    if is_protocol_account(principal.kind):
        return _rights_of_protocol_account(principal, application_id)
    fallback = GOVERNANCE_FALLBACK if principal.governs else _NONE
    if application_id is None or principal.application_id not in {None, application_id}:
        return fallback
    if principal.user_id is None:
        return fallback
    return fallback | _rights_of_user(
        principal.user_id, application_id, principal.governance_version
    )


_rights: GovernanceCache[tuple[int, UUID], frozenset[Permission]] = GovernanceCache(4096)


def _rights_of_user(user_id: int, application_id: UUID, version: str) -> frozenset[Permission]:
    key = user_id, application_id
    return _rights.fetch(key, version, lambda _version: _read_rights(key))


def _read_rights(key: tuple[int, UUID]) -> frozenset[Permission]:
    """Return the rights in the database; a name that only another version knows allows nothing."""
    return frozenset(_BY_NAME[name] for (name,) in _RIGHTS.all(*key) if name in _BY_NAME)


def _rights_of_protocol_account(
    principal: Principal, application_id: UUID | None
) -> frozenset[Permission]:
    """Return the rights of an ACME account and its like: request and revoke at home, no more."""
    if principal.pairing_id is None or application_id is None:
        return _NONE
    return _PROTOCOL_RIGHTS if principal.application_id == application_id else _NONE


def _refusal(
    principal: Principal, permission: Permission, allowed: frozenset[Permission]
) -> AccessDenied | None:
    """Return what stands between the principal and ``permission``, ``None`` when nothing does."""
    if permission not in allowed:
        text = f"Your role lacks the permission '{permission.value}' in this application."
        return AccessDenied(text)
    scope = SCOPE_OF[permission]
    return None if principal.has_scope(scope) else InsufficientScope(scope)


def _require_scope(principal: Principal, permission: Permission) -> None:
    scope = SCOPE_OF[permission]
    if not principal.has_scope(scope):
        raise InsufficientScope(scope)


def _governs(principal: Principal, permission: Permission) -> bool:
    if is_protocol_account(principal.kind):
        return False
    return principal.is_system or (principal.governs and permission in GOVERNANCE_FALLBACK)


def _user_rows(principal: Principal) -> QuerySet[Any]:
    owner = principal.user_id if principal.user_id is not None else _NOBODY
    return ApplicationUserObjectPermission.objects.filter(user_id=owner)


def _group_rows(principal: Principal) -> QuerySet[Any]:
    return ApplicationGroupObjectPermission.objects.filter(group__user=principal.user_id)
