"""A stored answer is repeated only to callers who have the right to the call (AC-10, PV-32).

An answer stored under an Idempotency-Key may hold a private key. It belongs to an account, whose
credential may have lost rights since, or have fewer than another credential of the account.
"""

import json
from typing import Any

import pytest

from apps import principals
from apps.applications import services
from apps.applications.models import MachineIdentity
from apps.applications.roles import Role
from apps.principals import Scope
from tests.factories.applications import Team, make_application, make_machine, make_token
from tests.served import Client

pytestmark = pytest.mark.django_db
URL = "/api/v1/certificate-requests/"


@pytest.fixture
def machine(team: Team) -> MachineIdentity:
    return make_machine(team.application)


@pytest.fixture
def body(team: Team) -> dict[str, Any]:
    return {
        "application": team.application.name,
        "profile": team.profile.name,
        "key": {"algorithm": "ec-p256"},
        "subject_alt_names": ["www.example.com"],
    }


def post(token: str, url: str, body: dict[str, Any]) -> Any:
    return Client(raise_request_exception=False).post(
        url,
        json.dumps(body),
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}", "Idempotency-Key": "k"},
    )


@pytest.fixture
def made(machine: MachineIdentity, body: dict[str, Any]) -> dict[str, Any]:
    """What the first call answered, with the private key."""
    token = make_token(machine)
    first = post(token, URL, body)
    assert first.status_code == 201
    assert post(token, URL, body).headers["Idempotency-Replayed"] == "true"
    return first.json()


def refused(answer: Any, status: int) -> None:
    assert answer.status_code == status, answer.content
    assert b"PRIVATE KEY" not in answer.content
    assert b"CERTIFICATE-----" not in answer.content


def test_a_token_that_may_only_read_gets_no_kept_answer(machine, body, made):
    refused(post(make_token(machine, Scope.READ), URL, body), 403)


def test_a_token_for_another_application_gets_no_kept_answer(machine, body, made):
    other = make_application("other")
    services.add_member(principals.system("tests"), other, machine=machine, role=Role.ADMIN)
    refused(post(make_token(machine, application=other), URL, body), 404)


@pytest.mark.parametrize(("role", "status"), [(Role.AUDITOR, 403), (None, 404)])
def test_a_role_that_is_gone_takes_kept_answers_along(team, machine, body, made, role, status):
    member = team.application.memberships.get(user=machine.user)
    system = principals.system("tests")
    if role is None:
        services.remove_member(system, member)
    else:
        services.change_role(system, member, role)
    refused(post(make_token(machine), URL, body), status)


def test_another_account_under_the_same_key_makes_its_own(team, body, made):
    answer = post(make_token(make_machine(team.application, "second")), URL, body)
    assert answer.status_code == 201
    assert "Idempotency-Replayed" not in answer.headers
    assert answer.json()["id"] != made["id"]


@pytest.mark.parametrize(("act", "sent"), [("revoke", {}), ("renew", {"key": "new"})])
def test_kept_answers_of_acts_need_the_right_to_act(machine, made, act, sent):
    url = f"/api/v1/certificates/{made['certificate']['id']}/{act}/"
    token = make_token(machine)
    assert post(token, url, sent).status_code in {200, 201}
    assert post(token, url, sent).headers["Idempotency-Replayed"] == "true"
    refused(post(make_token(machine, Scope.READ), url, sent), 403)


def test_a_key_is_not_used_to_renew_for_who_may_not(team, machine, made, monkeypatch):
    """Whoever may only look is refused before the state is told, and before the key is opened."""
    from apps.certificates import key_material

    def opened(*_: object) -> bytes:
        raise AssertionError("the key was opened")

    monkeypatch.setattr(key_material, "of_certificate", opened)
    auditor = make_machine(team.application, "auditor", role=Role.AUDITOR)
    url = f"/api/v1/certificates/{made['certificate']['id']}/renew/"
    refused(post(make_token(auditor), url, {"key": "reuse"}), 403)
    assert post(make_token(machine), url[: -len("renew/")] + "revoke/", {}).status_code == 200
    refused(post(make_token(auditor), url, {"key": "reuse"}), 403)
