"""Querysets of applications, members, profiles, tokens and events that a principal may see."""

from uuid import UUID

from django.db.models import QuerySet

from apps.applications import access
from apps.applications.models import ApiToken, Application, MachineIdentity, Membership, Pairing
from apps.applications.roles import Permission
from apps.audit import selectors as audit_selectors
from apps.audit.models import AuditEvent
from apps.principals import Principal
from apps.web.references import by_name_or_id, not_found, row_named
from pki.addresses import quoted

# No account has this primary key; principals without an account own nothing.
_NOBODY = 0

applications_visible_to = access.applications_visible_to


def application_for(
    principal: Principal, reference: str | UUID, *, scoped: bool = True
) -> Application:
    """Return the application with this identifier or name.

    Args:
        principal: who asks.
        reference: identifier or name.
        scoped: whether the token needs the scope ``read``; ``False`` before an action that checks
            a scope of its own.

    Raises:
        NotFound: no such application, or it belongs to another team.
        AccessDenied: the token lacks the scope ``read``.
    """
    rows = access.visible(
        Application.objects.all(), principal, Permission.VIEW, path="pk", scoped=scoped
    )
    return row_named(rows, reference, field="application")


def pairing_of(application: Application, profile: str) -> Pairing:
    """Return the pair of an application in sight and a profile, by the profile's reference.

    Raises:
        NotFound: the profile is not attached to the application.
    """
    rows = application.pairings.select_related("application", "profile")
    return attached(rows, application, profile)


def attached(rows: QuerySet[Pairing], application: Application, profile: str | UUID) -> Pairing:
    """Return the pair with a profile, by the profile's reference, of an application's pairs.

    Raises:
        NotFound: the profile is not attached to the application, or does not exist.
    """
    found = rows.filter(by_name_or_id(profile, "profile__")).first()
    if found is None:
        reason = "There is no profile {} attached to the application " + quoted(application.name)
        raise not_found("profile", profile, reason=f"{reason}.")
    return found


def pairings_of(principal: Principal, application: Application) -> QuerySet[Pairing]:
    """Return the profiles attached to an application, by name.

    Raises:
        NotFound, AccessDenied: the right to see the enrollment settings is missing.
    """
    access.require(principal, Permission.VIEW_ENROLLMENT, application)
    return application.pairings.select_related("profile").order_by("profile__name")


def members_of(principal: Principal, application: Application) -> QuerySet[Membership]:
    """Return the members of an application, oldest first.

    Raises:
        NotFound, AccessDenied: the right to see the members is missing.
    """
    access.require(principal, Permission.VIEW_MEMBERS, application)
    return application.memberships.select_related("user", "group").order_by("id")


def machines_visible_to(principal: Principal) -> QuerySet[MachineIdentity]:
    """Return all machine identities for administrators, and its own for a machine."""
    found = MachineIdentity.objects.select_related("user")
    return found if principal.governs else found.filter(user__pk=principal.user_id or _NOBODY)


def tokens_visible_to(principal: Principal) -> QuerySet[ApiToken]:
    """Return all tokens for administrators, and their own for everyone else.

    A token that is confined to one application sees those confined to the same one.
    """
    found: QuerySet[ApiToken] = ApiToken.objects.select_related("user", "application")
    if principal.governs:
        return found
    if principal.application_id is not None:
        found = found.filter(application_id=principal.application_id)
    return found.filter(user__pk=principal.user_id or _NOBODY)


def events_visible_to(
    principal: Principal, *, application: Application | None = None
) -> QuerySet[AuditEvent]:
    """Return audit events, newest first.

    Args:
        principal: who asks; events without an application are visible to administrators only.
        application: only this application's events.

    Raises:
        NotFound: the principal may not see the application.
        AccessDenied: the role or the token does not allow reading the log.
    """
    if application is not None:
        access.require(principal, Permission.VIEW_AUDIT, application)
        return audit_selectors.events_of([application.pk])
    ids = access.visible_application_ids(principal, Permission.VIEW_AUDIT)
    return audit_selectors.all_events() if ids is None else audit_selectors.events_of(ids)


def audit_events_in_sight(principal: Principal, reference: str | None) -> QuerySet[AuditEvent]:
    """Return audit events, of one application by its name or identifier or of all in sight.

    Raises:
        NotFound, AccessDenied: see ``application_for`` and ``events_visible_to``.
    """
    application = application_for(principal, reference) if reference is not None else None
    return events_visible_to(principal, application=application)
