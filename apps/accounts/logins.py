"""Who signed in, and who failed to? The audit log's view of Django's login.

Django announces logins by signals only; this is the one place that listens to any.
"""

import ipaddress
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.db import transaction
from django.http import HttpRequest

from apps.accounts.models import User
from apps.audit.events import Event
from apps.audit.record import record, record_sampled
from apps.principals import Principal, ProductRole
from apps.web import trace

_UNKNOWN = "unknown account"


def listen() -> None:
    """Connect to Django's login signals; called once at start-up."""
    user_logged_in.connect(_succeeded, dispatch_uid="sealwright.login.succeeded")
    user_login_failed.connect(_failed, dispatch_uid="sealwright.login.failed")


def _succeeded(sender: Any, request: HttpRequest | None, user: User, **_: Any) -> None:  # noqa: ARG001 - the signal's signature
    principal = Principal(
        kind="user",
        id=str(user.pk),
        label=user.get_username(),
        user_id=user.pk,
        product_role=ProductRole(user.product_role),
        ip=_address(request),
        trace_id=trace.current(),
    )
    with transaction.atomic():
        record(Event.LOGIN_SUCCEEDED, principal=principal, subject=user)


def _failed(
    sender: Any,  # noqa: ARG001 - the signal's signature
    credentials: dict[str, Any],
    request: HttpRequest | None = None,
    **_: Any,
) -> None:
    """Record a failure, by name only if there is such an account: people mistype passwords there."""
    name = str(credentials.get("username") or "").replace("\0", "")
    user = User.objects.filter(username=name).first()
    principal = Principal(
        kind="anonymous",
        id="",
        label=user.get_username() if user is not None else _UNKNOWN,
        ip=_address(request),
        trace_id=trace.current(),
    )
    record_sampled(Event.LOGIN_FAILED, principal=principal, subject=user)


def _address(request: HttpRequest | None) -> str:
    try:
        return str(ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))) if request else ""
    except ValueError:
        return ""
