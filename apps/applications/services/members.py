"""Services for memberships, and the object permissions that follow from them.

``Membership`` is the source of truth; django-guardian's rows are written in the same transaction.
Nobody can give themselves a role, neither directly nor through a group.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import Group
from django.contrib.auth.models import Permission as PermissionRow
from django.db import IntegrityError, transaction

from apps.accounts.models import AccountKind, User
from apps.applications import access
from apps.applications.models import (
    Application,
    ApplicationGroupObjectPermission,
    ApplicationUserObjectPermission,
    MachineIdentity,
    Membership,
)
from apps.applications.roles import PERMISSIONS_OF, Permission, Role
from apps.audit.events import Event
from apps.audit.record import record
from apps.errors import AccessDenied, AlreadyExists, InvalidInput, Malformed
from apps.principals import Principal
from apps.web.references import first_of
from pki.findings import Violation

_MAX_BULK = 200


@dataclass(frozen=True, slots=True)
class BulkResult:
    """Outcome for each name of a bulk addition."""

    added: tuple[str, ...]
    skipped: tuple[str, ...]
    unresolved: tuple[str, ...]


def add_member(
    principal: Principal,
    application: Application,
    *,
    role: Role,
    user: User | None = None,
    group: Group | None = None,
    machine: MachineIdentity | None = None,
) -> Membership:
    """Give a person, a machine identity or a group a role in the application.

    Raises:
        NotFound, AccessDenied: the right to manage members is missing, or the member would
            be the principal itself.
        Malformed: not exactly one member was named.
        InvalidInput: the role does not exist.
        AlreadyExists: already a member; change the role instead.
    """
    access.require(principal, Permission.MANAGE_MEMBERS, application)
    if sum(member is not None for member in (user, group, machine)) != 1:
        raise Malformed("Name exactly one member: a person, a machine identity or a group.")
    membership = Membership(
        application=application,
        user=machine.user if machine is not None else user,
        group=group,
        role=_role(role),
    )
    _refuse_own(principal, membership)
    try:
        with transaction.atomic():
            membership.save(force_insert=True)
            _derive(membership)
            _record(Event.MEMBER_ADDED, principal, membership, role=membership.role)
    except IntegrityError as exc:
        raise AlreadyExists("This is a member of the application already.") from exc
    return membership


def change_role(principal: Principal, membership: Membership, role: Role) -> Membership:
    """Give a member another role.

    Raises:
        NotFound, AccessDenied: the right to manage members is missing, or it is one's own.
        InvalidInput: the role does not exist.
    """
    access.require(principal, Permission.MANAGE_MEMBERS, membership.application)
    _refuse_own(principal, membership)
    wanted = _role(role)
    with transaction.atomic():
        before, membership.role = _locked(membership).role, wanted
        membership.save(update_fields=["role"])
        _derive(membership)
        _record(
            Event.MEMBER_CHANGED,
            principal,
            membership,
            before={"role": before},
            after={"role": wanted.value},
        )
    return membership


def remove_member(principal: Principal, membership: Membership) -> None:
    """Remove a member; members may remove themselves.

    Raises:
        NotFound, AccessDenied: the right to manage members is missing.
    """
    access.require(principal, Permission.MANAGE_MEMBERS, membership.application)
    with transaction.atomic():
        _locked(membership)
        _clear(membership)
        _record(Event.MEMBER_REMOVED, principal, membership, role=membership.role)
        membership.delete()


def bulk_add(
    principal: Principal, application: Application, *, names: Sequence[str], role: Role
) -> BulkResult:
    """Add people and machine identities by name; one that fails does not stop the others.

    Args:
        principal: needs the right to manage members.
        application: the application that gets the members.
        names: user names or names of machine identities, at most 200.
        role: the role for each.

    Returns:
        The names that were added, skipped (members already, or the principal itself), and
        unknown.
    """
    access.require(principal, Permission.MANAGE_MEMBERS, application)
    if len(names) > _MAX_BULK:
        raise Malformed(f"At most {_MAX_BULK} members can be added at once.")
    wanted = list(dict.fromkeys(names))
    people = User.objects.filter(kind=AccountKind.PERSON).in_bulk(wanted, field_name="username")
    machines = MachineIdentity.objects.select_related("user").in_bulk(wanted, field_name="name")
    added, skipped, unresolved = [], [], []
    for name in wanted:
        user = people.get(name) or (machines[name].user if name in machines else None)
        if user is None:
            unresolved.append(name)
            continue
        try:
            add_member(principal, application, user=user, role=role)
        except (AlreadyExists, AccessDenied):
            skipped.append(name)
        else:
            added.append(name)
    return BulkResult(tuple(added), tuple(skipped), tuple(unresolved))


def _derive(membership: Membership) -> None:
    """Replace guardian's rows of this member by those of the role."""
    _clear(membership)
    wanted = PERMISSIONS_OF[Role(membership.role)]
    rows = PermissionRow.objects.filter(
        content_type__app_label="applications", codename__in=[right.value for right in wanted]
    )
    if membership.user_id is not None:
        ApplicationUserObjectPermission.objects.bulk_create(
            ApplicationUserObjectPermission(
                user_id=membership.user_id,
                content_object_id=membership.application_id,
                permission=row,
            )
            for row in rows
        )
    elif membership.group_id is not None:
        ApplicationGroupObjectPermission.objects.bulk_create(
            ApplicationGroupObjectPermission(
                group_id=membership.group_id,
                content_object_id=membership.application_id,
                permission=row,
            )
            for row in rows
        )


def _clear(membership: Membership) -> None:
    if membership.user_id is not None:
        ApplicationUserObjectPermission.objects.filter(
            user_id=membership.user_id, content_object_id=membership.application_id
        ).delete()
    elif membership.group_id is not None:
        ApplicationGroupObjectPermission.objects.filter(
            group_id=membership.group_id, content_object_id=membership.application_id
        ).delete()


def _refuse_own(principal: Principal, membership: Membership) -> None:
    """Refuse changes of the principal's own rights, direct or through one of its groups."""
    if principal.user_id is None:
        return
    own = membership.user_id == principal.user_id
    if membership.group is not None:
        own = membership.group.user_set.filter(pk=principal.user_id).exists()
    if own:
        raise AccessDenied(
            "You cannot give yourself a role or change your own, neither directly nor through a "
            "group: another administrator of the application or of the product has to. Where there "
            "is none, make an account for a second person under Users."
        )


def _role(role: Role | str) -> Role:
    try:
        return Role(role)
    except ValueError:
        hint = ", ".join(Role)
        reason = "There is no such role."
        raise InvalidInput(
            [Violation("member.role_unknown", "role", str(role)[:200], reason, hint)]
        ) from None


def _locked(membership: Membership) -> Membership:
    """Return the row as it is now, locked; another administrator may have removed it."""
    return first_of(Membership.objects.select_for_update().filter(pk=membership.pk))


def _record(event: Event, principal: Principal, membership: Membership, **data: object) -> None:
    record(
        event,
        principal=principal,
        subject=membership,
        application_id=membership.application_id,
        **data,
    )
