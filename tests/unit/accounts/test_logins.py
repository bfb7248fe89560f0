"""Audit records of sign-ins and of failed attempts."""

import pytest
from django.contrib.auth import authenticate
from django.test import Client, RequestFactory

from apps.audit.events import Event
from apps.audit.models import AuditEvent
from tests.factories.accounts import PASSWORD, make_person

pytestmark = pytest.mark.django_db


def attempt(username: str, password: str) -> None:
    request = RequestFactory().post("/admin/login/", REMOTE_ADDR="192.0.2.9")
    assert authenticate(request, username=username, password=password) is None


def test_a_login_is_recorded():
    user = make_person("eve")
    Client().force_login(user)
    event = AuditEvent.objects.get(event=Event.LOGIN_SUCCEEDED)
    assert (event.actor, event.actor_label) == (f"user:{user.pk}", "eve")


def test_a_failure_is_recorded_with_its_source():
    make_person("eve")
    attempt("eve", PASSWORD + "x")
    event = AuditEvent.objects.get(event=Event.LOGIN_FAILED)
    assert (event.actor_label, event.subject_label, event.ip) == ("eve", "eve", "192.0.2.9")


def test_pv07_a_password_typed_as_a_name_is_not_kept():
    attempt("hunter2-canary", "x")
    event = AuditEvent.objects.get(event=Event.LOGIN_FAILED)
    assert event.actor_label == "unknown account"
    assert "canary" not in str(AuditEvent.objects.values().get())
