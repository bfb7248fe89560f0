"""Parallel sign-in attempts; only a server with row locks can show them."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth import authenticate
from django.db import connections
from django.test import RequestFactory

from apps.accounts.models import LoginCounter
from apps.audit.events import Event
from apps.audit.models import AuditEvent
from tests.factories.accounts import PASSWORD, make_person

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
THREADS = 24


def all_at_once(names: list[str], password: str) -> list[bool]:
    """Try to sign in with all names at the same moment, each on a connection of its own."""
    gate = threading.Barrier(len(names))

    def run(name: str) -> bool:
        request = RequestFactory().post("/admin/login/", REMOTE_ADDR="192.0.2.9")
        gate.wait()
        try:
            return authenticate(request, username=name, password=password) is not None
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(names)) as pool:
        return list(pool.map(run, names))


def looked_at() -> int:
    """Return how many passwords were looked at: only then is a failure recorded."""
    return AuditEvent.objects.filter(event=Event.LOGIN_FAILED).count()


def test_parallel_guesses_cannot_pass_on_one_count(settings):
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"LOGIN_MAX_WAIT_S": 900}
    all_at_once(["eve"] * THREADS, "wrong")
    # The sixth waits one second; on a slow machine it may be over for the last of them.
    assert 5 <= looked_at() <= 7
    row = LoginCounter.objects.exclude(account="").exclude(network="").get()
    assert row.failures == looked_at()


def test_parallel_guesses_at_many_accounts_are_counted_for_the_address():
    all_at_once([f"user{number}" for number in range(THREADS)], "wrong")
    assert 20 <= looked_at() <= 22


def test_parallel_successes_leave_no_failures():
    make_person("eve")
    assert any(all_at_once(["eve"] * 4, PASSWORD))
    assert set(LoginCounter.objects.values_list("failures", flat=True)) == {0}
