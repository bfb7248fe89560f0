"""The page on which a person changes the own password: Django's, with an audit event."""

from http import HTTPStatus

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from apps.audit.events import Event
from apps.audit.record import record
from apps.site.principal import principal_of_user


def change_own_password(request: HttpRequest) -> HttpResponse:
    """Show Django's form; a change and its event are one transaction."""
    with transaction.atomic():
        response = admin.site.password_change(request)
        if response.status_code == HTTPStatus.FOUND:  # the form was right
            principal = principal_of_user(request)
            record(
                Event.ACCOUNT_UPDATED,
                principal=principal,
                subject=request.user,  # type: ignore[arg-type]  # signed in, says the admin site
                changed=["password"],
            )
    return response
