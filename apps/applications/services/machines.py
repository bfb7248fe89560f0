"""Services for machine identities: users without a password that authenticate by tokens."""

from django.db import IntegrityError, transaction

from apps.accounts.models import AccountKind, User
from apps.applications.models import MachineIdentity
from apps.applications.services import naming
from apps.audit.events import Event
from apps.audit.record import record
from apps.errors import AlreadyExists
from apps.principals import Principal
from apps.web.references import first_of

# User names of people cannot contain a colon, so a machine cannot have the name of a person.
_USERNAME_PREFIX = "machine:"


def create_machine_identity(
    principal: Principal, *, name: str, description: str = ""
) -> MachineIdentity:
    """Create a machine identity; it can do nothing until it is a member and has a token.

    Raises:
        AccessDenied: not a product administrator.
        InvalidInput: name or description is unusable.
        AlreadyExists: the name is taken.
    """
    principal.require_governance()
    naming.check(name, description)
    try:
        with transaction.atomic():
            user = User(username=_USERNAME_PREFIX + name, kind=AccountKind.MACHINE)
            user.set_unusable_password()
            user.save(force_insert=True)
            machine = MachineIdentity.objects.create(user=user, name=name, description=description)
            record(Event.MACHINE_CREATED, principal=principal, subject=machine)
    except IntegrityError as exc:
        raise AlreadyExists(f"A machine identity named '{name}' exists already.") from exc
    return machine


def update_machine_identity(
    principal: Principal, machine: MachineIdentity, *, description: str
) -> MachineIdentity:
    """Change the description; the name cannot change, because the audit log refers to it.

    Raises:
        AccessDenied: not a product administrator.
        InvalidInput: the description is unusable.
        NotFound: it has been deleted meanwhile.
    """
    principal.require_governance()
    naming.check(machine.name, description)
    with transaction.atomic():
        before, machine.description = _locked(machine).description, description
        machine.save(update_fields=["description"])
        record(
            Event.MACHINE_UPDATED,
            principal=principal,
            subject=machine,
            before={"description": before},
            after={"description": description},
        )
    return machine


def disable_machine_identity(principal: Principal, machine: MachineIdentity) -> None:
    """Refuse all tokens of this machine from the next request on, until it is enabled again.

    Raises:
        AccessDenied: not a product administrator.
    """
    principal.require_governance()
    _set_active(principal, machine, Event.MACHINE_DISABLED, active=False)


def enable_machine_identity(principal: Principal, machine: MachineIdentity) -> None:
    """Accept the machine's tokens again, unless they are expired or revoked.

    Raises:
        AccessDenied: not a product administrator.
    """
    principal.require_governance()
    _set_active(principal, machine, Event.MACHINE_UPDATED, active=True)


def delete_machine_identity(principal: Principal, machine: MachineIdentity) -> None:
    """Delete the machine with its tokens and memberships; its events stay in the audit log.

    Raises:
        AccessDenied: not a product administrator.
    """
    principal.require_governance()
    with transaction.atomic():
        _locked(machine)
        record(Event.MACHINE_DELETED, principal=principal, subject=machine)
        machine.user.delete()


def _set_active(
    principal: Principal, machine: MachineIdentity, event: Event, *, active: bool
) -> None:
    with transaction.atomic():
        _locked(machine)
        machine.user.is_active = active
        machine.user.save(update_fields=["is_active"])
        record(event, principal=principal, subject=machine, active=active)


def _locked(machine: MachineIdentity) -> MachineIdentity:
    """Return the row as it is now, locked; another administrator may have removed it."""
    return first_of(MachineIdentity.objects.select_for_update().filter(pk=machine.pk))
