"""Services that create, describe and delete applications."""

from typing import Any

from django.db import IntegrityError, models, transaction

from apps.applications import access
from apps.applications.models import Application
from apps.applications.roles import Permission
from apps.applications.services import naming
from apps.audit.events import Event
from apps.audit.record import record
from apps.errors import AlreadyExists, InUse
from apps.principals import Principal
from apps.web.references import first_of


def create_application(principal: Principal, *, name: str, description: str = "") -> Application:
    """Create an application without members or profiles.

    Raises:
        AccessDenied: not a product administrator.
        InvalidInput: name or description is unusable.
        AlreadyExists: the name is taken.
    """
    principal.require_governance()
    naming.check(name, description)
    try:
        with transaction.atomic():
            application = Application.objects.create(name=name, description=description)
            record(
                Event.APPLICATION_CREATED,
                principal=principal,
                subject=application,
                application_id=application.pk,
            )
    except IntegrityError as exc:
        raise AlreadyExists(f"An application named '{name}' exists already.") from exc
    return application


def update_application(
    principal: Principal, application: Application, *, description: str
) -> Application:
    """Change the description. The name stays: enrollment URLs are built from it.

    Raises:
        NotFound, AccessDenied: the right to edit the application is missing.
        InvalidInput: the description is unusable.
    """
    access.require(principal, Permission.EDIT, application)
    naming.check(application.name, description)
    with transaction.atomic():
        before, application.description = _locked(application).description, description
        application.save(update_fields=["description"])
        record(
            Event.APPLICATION_UPDATED,
            principal=principal,
            subject=application,
            application_id=application.pk,
            before={"description": before},
            after={"description": description},
        )
    return application


def delete_application(principal: Principal, application: Application) -> None:
    """Delete an application that never had a certificate or a request.

    Members, attached profiles and tokens that are confined to it are deleted as well.

    Raises:
        NotFound, AccessDenied: the right to edit the application is missing.
        InUse: certificates or requests belong to it.
    """
    access.require(principal, Permission.EDIT, application)
    with transaction.atomic():
        _locked(application)
        users = _users(application)
        if users:
            raise InUse("The application still holds", users)
        record(
            Event.APPLICATION_DELETED,
            principal=principal,
            subject=application,
            application_id=application.pk,
        )
        application.delete()


def _locked(application: Application) -> Application:
    """Return the row as it is now, locked; another administrator may have removed it."""
    return first_of(Application.objects.select_for_update().filter(pk=application.pk))


def _users(application: Application) -> list[str]:
    """Return the protected objects of upper layers that belong to the application."""
    found = []
    for relation in Application._meta.related_objects:  # noqa: SLF001 - Django's documented Meta API
        if relation.on_delete is not models.PROTECT:
            continue
        model: Any = relation.related_model
        kind = model._meta  # noqa: SLF001 - Django's documented Meta API
        count = model._base_manager.filter(**{relation.field.name: application}).count()  # noqa: SLF001 - sees all rows
        if count:
            name = kind.verbose_name if count == 1 else kind.verbose_name_plural
            found.append(f"{count} {name}")
    return found
