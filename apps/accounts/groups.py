"""Services for groups of people, which can be members of applications as a whole."""

from collections.abc import Collection

from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction

from apps.accounts.models import AccountKind, User
from apps.audit.events import Event
from apps.audit.record import record
from apps.errors import AccessDenied, AlreadyExists, InvalidInput
from apps.principals import Principal
from pki.addresses import visible
from pki.findings import Violation

_MAX_NAME = 150


def create_group(principal: Principal, *, name: str, people: Collection[User] = ()) -> Group:
    """Create a group of people.

    Raises:
        AccessDenied: not a product administrator, or the principal is among ``people``.
        InvalidInput: the name is unusable.
        AlreadyExists: the name is taken.
    """
    principal.require_governance()
    if not 1 <= len(name) <= _MAX_NAME or not name.isprintable():
        reason = f"A group needs a name of 1 to {_MAX_NAME} printable characters."
        raise InvalidInput([Violation("group.name", "name", visible(name), reason)])
    _refuse_own(principal, people)
    try:
        with transaction.atomic():
            group = Group.objects.create(name=name)
            group.user_set.set(_persons(people))
            record(
                Event.GROUP_CREATED,
                principal=principal,
                subject=group,
                people=sorted(person.get_username() for person in people),
            )
    except IntegrityError as exc:
        raise AlreadyExists(f"A group named '{name}' exists already.") from exc
    return group


def set_people(principal: Principal, group: Group, people: Collection[User]) -> None:
    """Set the people of a group; their rights change immediately.

    Raises:
        AccessDenied: not a product administrator, or the principal would join the group: a
            group may have roles in applications, and nobody may give a role to themselves.
    """
    principal.require_governance()
    with transaction.atomic():
        before = list(Group.objects.select_for_update().get(pk=group.pk).user_set.all())
        _refuse_own(principal, [person for person in people if person not in before])
        group.user_set.set(_persons(people))
        record(
            Event.GROUP_UPDATED,
            principal=principal,
            subject=group,
            before=sorted(person.get_username() for person in before),
            after=sorted(person.get_username() for person in people),
        )


def _persons(people: Collection[User]) -> list[User]:
    return [person for person in people if person.kind == AccountKind.PERSON]


def _refuse_own(principal: Principal, people: Collection[User]) -> None:
    if principal.user_id in {person.pk for person in people}:
        raise AccessDenied("You cannot add yourself to a group; ask another administrator.")
