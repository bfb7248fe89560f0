"""Services that attach profiles to applications and set the conditions of their use."""

from django.db import IntegrityError, transaction

from apps.applications import access
from apps.applications.models import Application, Pairing
from apps.applications.roles import Permission
from apps.audit.events import Event
from apps.audit.record import record
from apps.errors import AlreadyExists
from apps.principals import Principal
from apps.profiles.models import Profile
from apps.web.references import first_of


def attach_profile(
    principal: Principal,
    application: Application,
    profile: Profile,
    *,
    api_enabled: bool = True,
    requires_approval: bool = False,
) -> Pairing:
    """Let an application request certificates under a profile.

    A profile decides what may be issued, so only product administrators attach one; an
    application's own administrators cannot.

    Raises:
        AccessDenied: not a product administrator.
        AlreadyExists: the profile is attached already.
    """
    principal.require_governance()
    try:
        with transaction.atomic():
            pairing = Pairing.objects.create(
                application=application,
                profile=profile,
                api_enabled=api_enabled,
                requires_approval=requires_approval,
            )
            record(
                Event.PAIRING_ATTACHED,
                principal=principal,
                subject=pairing,
                application_id=application.pk,
                **_conditions(pairing),
            )
    except IntegrityError as exc:
        raise AlreadyExists("The profile is attached to the application already.") from exc
    return pairing


def update_pairing(
    principal: Principal,
    pairing: Pairing,
    *,
    api_enabled: bool | None = None,
    requires_approval: bool | None = None,
) -> Pairing:
    """Allow or refuse API enrollment, or require approvals; ``None`` leaves a setting unchanged.

    Raises:
        NotFound, AccessDenied: neither a product administrator nor an administrator of the
            application.
    """
    access.require(principal, Permission.EDIT_ENROLLMENT, pairing.application)
    with transaction.atomic():
        locked = _locked(pairing)
        before = _conditions(locked)
        pairing.api_enabled = locked.api_enabled if api_enabled is None else api_enabled
        pairing.requires_approval = (
            locked.requires_approval if requires_approval is None else requires_approval
        )
        pairing.save(update_fields=["api_enabled", "requires_approval"])
        record(
            Event.PAIRING_UPDATED,
            principal=principal,
            subject=pairing,
            application_id=pairing.application_id,
            before=before,
            after=_conditions(pairing),
        )
    return pairing


def detach_profile(principal: Principal, pairing: Pairing) -> None:
    """Stop an application from using a profile; certificates already issued stay valid.

    Raises:
        AccessDenied: not a product administrator.
    """
    principal.require_governance()
    with transaction.atomic():
        _locked(pairing)
        record(
            Event.PAIRING_DETACHED,
            principal=principal,
            subject=pairing,
            application_id=pairing.application_id,
        )
        pairing.delete()


def _locked(pairing: Pairing) -> Pairing:
    return first_of(Pairing.objects.select_for_update().filter(pk=pairing.pk))


def _conditions(pairing: Pairing) -> dict[str, bool]:
    return {
        "api_enabled": pairing.api_enabled,
        "requires_approval": pairing.requires_approval,
    }
