"""Rights, tokens and idempotency keys under parallel calls from several processes."""

import base64
import http.client
import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, connections
from django.test import Client

from apps import principals
from apps.applications import access, services
from apps.applications.models import ApiToken, MachineIdentity, Membership
from apps.applications.roles import PERMISSIONS_OF, Role
from apps.certificates.models import Certificate, CertificateRequest, IdempotentCall
from tests.factories.accounts import principal_for
from tests.factories.applications import make_machine, make_token
from tests.factories.keys import make_csr
from tests.unit.certificates.test_races import THREADS, together

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
SYSTEM = principals.system("tests")
URL = "/api/v1/certificate-requests/"
# A server process of its own on the test database: what it remembers, it remembers alone.
_SERVER = """
    import django
    django.setup()
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.db import connections
    from pathlib import Path
    from wsgiref.simple_server import WSGIRequestHandler, make_server
    connections["default"].settings_dict["NAME"] = {database!r}
    settings.SEALWRIGHT["KEK_FILE"] = Path({kek_file!r})
    settings.ALLOWED_HOSTS = ["*"]
    class Quiet(WSGIRequestHandler):
        def log_message(self, *_):
            pass
    server = make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet)
    print(server.server_port, flush=True)
    server.serve_forever()
"""


@pytest.fixture
def machine(team: Any) -> MachineIdentity:
    return make_machine(team.application)


@pytest.fixture
def token(machine: MachineIdentity) -> str:
    return make_token(machine)


def body_for(team: Any, name: str = "www.example.com") -> str:
    return json.dumps(
        {
            "application": team.application.name,
            "profile": team.profile.name,
            "csr": base64.b64encode(make_csr(name)).decode(),
        }
    )


def post(token: str, body: str, **headers: str) -> Any:
    return Client(raise_request_exception=False).post(
        URL,
        body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"} | headers,
    )


def during_calls(
    token: str, body: str, act: Callable[[], None]
) -> tuple[list[tuple[float, int]], float]:
    """Act while four threads keep calling.

    Returns:
        When each call began with its status, and when the act was done.
    """
    stop, calls = threading.Event(), []

    def keep_calling() -> None:
        try:
            while not stop.is_set():
                began = time.monotonic()
                calls.append((began, post(token, body).status_code))
        finally:
            connections.close_all()

    callers = [threading.Thread(target=keep_calling) for _ in range(4)]
    for caller in callers:
        caller.start()
    try:
        _wait_for(lambda: len(calls) >= 8)
        act()
        done, before = time.monotonic(), len(calls)
        _wait_for(lambda: len(calls) >= before + 12)
    finally:
        stop.set()
        for caller in callers:
            caller.join(30)
    return calls, done


def _wait_for(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- idempotency -----------------------------------------------------------------------------


def test_ac10_one_key_in_many_parallel_calls_issues_once(team, token):
    body = body_for(team)

    answers = together(lambda _: post(token, body, **{"Idempotency-Key": "k"}))

    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {201, 409}
    assert statuses[201] >= 1
    assert Certificate.objects.count() == CertificateRequest.objects.count() == 1
    first = [a for a in answers if a.status_code == 201 and "Idempotency-Replayed" not in a.headers]
    assert len(first) == 1
    given = {a.json()["id"] for a in answers if a.status_code == 201}
    assert given == {str(CertificateRequest.objects.get().pk)}
    assert all(a.headers["Retry-After"] for a in answers if a.status_code == 409)
    again = post(token, body, **{"Idempotency-Key": "k"})
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == first[0].json()


def test_ac10_one_key_with_different_bodies_in_parallel_issues_one_of_them(team, token):
    bodies = [body_for(team, f"host-{n}.example.com") for n in range(THREADS)]

    answers = together(lambda n: post(token, bodies[n], **{"Idempotency-Key": "k"}))

    statuses = Counter(answer.status_code for answer in answers)
    assert statuses[201] == 1
    assert set(statuses) <= {201, 409, 422}
    assert Certificate.objects.count() == 1


def test_ac10_one_key_of_two_accounts_are_two_calls(team, token):
    other = make_token(make_machine(team.application, "second"))
    body = body_for(team)

    answers = together(lambda n: post((token, other)[n % 2], body, **{"Idempotency-Key": "k"}), 10)

    assert {a.status_code for a in answers} <= {201, 409}
    assert Certificate.objects.count() == IdempotentCall.objects.count() == 2


def test_calls_without_a_key_are_calls_of_their_own(team, token):
    body = body_for(team)
    assert {a.status_code for a in together(lambda _: post(token, body), 5)} == {201}
    assert Certificate.objects.count() == 5


# --- roles -----------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.AUDITOR, None])
def test_pv32_a_role_that_is_taken_away_during_calls_ends_them_at_once(team, machine, token, role):
    """Whoever starts after the change is refused; whoever was served before is on record."""
    member = team.application.memberships.get(user=machine.user)

    def change() -> None:
        if role is None:
            services.remove_member(SYSTEM, member)
        else:
            services.change_role(SYSTEM, member, role)

    calls, changed = during_calls(token, body_for(team), change)

    refused = 404 if role is None else 403
    assert {status for began, status in calls if began >= changed} == {refused}
    assert {status for _, status in calls} == {201, refused}
    served = sum(status == 201 for _, status in calls)
    assert Certificate.objects.count() == served


def test_ac11_parallel_changes_of_one_role_leave_the_rights_of_one_role(team, machine):
    """Rows of rights are derived from the role: whichever change wins, they agree."""
    member = team.application.memberships.get(user=machine.user)
    roles = [Role.ADMIN, Role.OPERATOR, Role.AUDITOR]

    def change(number: int) -> object:
        row = Membership.objects.select_related("application", "user").get(pk=member.pk)
        return services.change_role(SYSTEM, row, roles[number % 3])

    together(change, 12)

    member.refresh_from_db()
    rights = access.rights_in(principal_for(machine.user), team.application.pk)
    assert rights == PERMISSIONS_OF[Role(member.role)]


def test_ac11_a_member_removed_while_its_role_changes_keeps_no_rights(team, machine):
    member = team.application.memberships.get(user=machine.user)

    def act(number: int) -> object:
        row = Membership.objects.select_related("application", "user").get(pk=member.pk)
        if number == 0:
            return services.remove_member(SYSTEM, row)
        return services.change_role(SYSTEM, row, Role.ADMIN)

    def tolerant(number: int) -> object:
        try:
            return act(number)
        except Membership.DoesNotExist:
            return None

    together(tolerant, 8)

    assert not team.application.memberships.filter(user=machine.user).exists()
    assert access.rights_in(principal_for(machine.user), team.application.pk) == frozenset()


# --- tokens ----------------------------------------------------------------------------------


@contextmanager
def server() -> Iterator[int]:
    """Run a server process on the test database; yield its port."""
    script = textwrap.dedent(_SERVER).format(
        database=connection.settings_dict["NAME"], kek_file=str(settings.SEALWRIGHT["KEK_FILE"])
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings.test"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def status(port: int, token: str) -> int:
    caller = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        caller.request("GET", "/api/v1/certificates/", headers={"Authorization": f"Bearer {token}"})
        return caller.getresponse().status
    finally:
        caller.close()


def test_revocation_and_disabling_take_effect_at_once_in_every_process(team, machine, token):
    """No process remembers that a token was good, or what its owner could see."""
    with ExitStack() as running:
        ports = [running.enter_context(server()) for _ in range(2)]
        for port in ports * 2:  # whatever could be remembered, now is
            assert status(port, token) == 200

        row = ApiToken.objects.select_related("user").get()
        services.revoke_token(SYSTEM, row)
        assert [status(port, token) for port in ports] == [401, 401]

        second = make_token(machine)
        assert [status(port, second) for port in ports] == [200, 200]
        services.disable_machine_identity(SYSTEM, machine)
        assert [status(port, second) for port in ports] == [401, 401]
        services.enable_machine_identity(SYSTEM, machine)
        assert [status(port, second) for port in ports] == [200, 200]


def test_a_token_revoked_during_calls_lets_none_start_afterwards(team, token):
    row = ApiToken.objects.select_related("user").get()
    calls, revoked = during_calls(token, body_for(team), lambda: services.revoke_token(SYSTEM, row))

    assert {status for began, status in calls if began >= revoked} == {401}
    assert Certificate.objects.count() == sum(status == 201 for _, status in calls)
