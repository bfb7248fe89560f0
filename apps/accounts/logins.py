"""Audit records of sign-ins: successes, failures, waits that began, attempts during a wait."""

import ipaddress
from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.db import transaction
from django.http import HttpRequest

from apps.accounts.lockout import Attempt, wait_s
from apps.accounts.models import User
from apps.audit.events import Event
from apps.audit.record import record, record_sampled
from apps.principals import Principal, ProductRole
from apps.web import trace

_UNKNOWN = "unknown account"


def listen() -> None:
    """Connect to Django's login signal; called once at start-up.

    A session begins after the backend has answered, and Django tells of it by a signal only.
    """
    user_logged_in.connect(_succeeded, dispatch_uid="sealwright.login.succeeded")


def _succeeded(sender: Any, request: HttpRequest | None, user: User, **_: Any) -> None:  # noqa: ARG001 - the signal's signature
    principal = Principal(
        kind="user",
        id=str(user.pk),
        label=user.get_username(),
        user_id=user.pk,
        product_role=ProductRole(user.product_role),
        ip=address_of(request),
        trace_id=trace.current(),
    )
    with transaction.atomic():
        record(Event.LOGIN_SUCCEEDED, principal=principal, subject=user)


def record_failure(request: HttpRequest | None, username: str, attempt: Attempt) -> None:
    """Record a wrong name or password, and each wait that begins with it."""
    principal, user = _caller(request, username)
    record_sampled(Event.LOGIN_FAILED, principal=principal, subject=user)
    for counter in attempt.waits:
        record_sampled(
            Event.LOGIN_LOCKED,
            principal=principal,
            subject=user if counter.account else None,
            counter=str(counter),
            failures=counter.failures,
            wait_s=wait_s(counter),
        )


def record_refusal(request: HttpRequest | None, username: str) -> None:
    """Record an attempt during a wait."""
    principal, user = _caller(request, username)
    record_sampled(Event.LOGIN_REFUSED, principal=principal, subject=user)


def address_of(request: HttpRequest | None) -> str:
    """Return the client's IP address as text, empty when it is not known."""
    try:
        return str(ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))) if request else ""
    except ValueError:
        return ""


def _caller(request: HttpRequest | None, username: str) -> tuple[Principal, User | None]:
    """Return who tried, by name only if there is such an account: people mistype passwords there."""
    user = User.objects.filter(username=username.replace("\0", "")).first()
    principal = Principal(
        kind="anonymous",
        id="",
        label=user.get_username() if user is not None else _UNKNOWN,
        ip=address_of(request),
        trace_id=trace.current(),
    )
    return principal, user
