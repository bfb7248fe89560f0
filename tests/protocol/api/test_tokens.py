"""Tests of the API of tokens, for each role."""

import pytest

from apps.applications.models import ApiToken
from apps.applications.roles import Role
from apps.audit.models import AuditEvent
from apps.principals import Scope
from tests.factories.applications import make_machine, make_token
from tests.protocol.api.conftest import ABSENT, Caller, bare, code_of, fields_of, token_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def robot(team):
    return make_machine(team.application, "robot")


def test_the_text_is_shown_once_and_works(governor, robot):
    made = governor.post(
        "tokens/",
        {
            "name": "ci",
            "machine_identity": "robot",
            "scopes": ["read", "request"],
            "application": "payments",
            "lifetime_days": 7,
            "allowed_networks": ["127.0.0.0/8"],
        },
    )
    assert made.status_code == 201, made.content
    assert made["Cache-Control"] == "no-store"
    body = made.json()
    text = body.pop("token")
    assert (body["owner_kind"], body["owner"], body["scopes"]) == (
        "machine_identity",
        "robot",
        ["read", "request"],
    )
    assert Caller(text).get("applications/payments/").status_code == 200
    digest = ApiToken.objects.get(public_id=body["id"]).digest
    for answer in (
        governor.get("tokens/"),
        governor.get("tokens/?sort=name&limit=1"),
        governor.get(made["Location"]),
        governor.get("audit-events/"),
    ):
        assert answer.status_code == 200
        assert text.encode() not in answer.content
        assert digest.encode() not in answer.content


def test_people_make_their_own_tokens_never_wider(members):
    made = members[Role.AUDITOR].post("tokens/", {"name": "mine", "scopes": ["read"]})
    assert (made.json()["owner_kind"], made.json()["owner"]) == ("user", "payments-auditor")
    narrow = Caller(made.json()["token"])
    assert code_of(narrow.post("tokens/", {"name": "x", "scopes": ["read"]}), 403)


def test_foreign_and_absent_references_are_404(members, other_team, robot):
    wanted = {"name": "x", "scopes": ["read"]}
    admin = members[Role.ADMIN]
    before = ApiToken.objects.count()
    for body in (
        {"application": "billing"},
        {"application": str(other_team.application.pk)},
        {"machine_identity": "robot"},
        {"machine_identity": str(robot.pk)},
        {"machine_identity": "nobody"},
    ):
        answer = admin.post("tokens/", wanted | body)
        absent = admin.post("tokens/", wanted | dict.fromkeys(body, ABSENT))
        assert code_of(answer, 404) == "not_found"
        assert fields_of(answer) == set(body)
        assert bare(answer) == bare(absent)
    assert ApiToken.objects.count() == before


def test_every_mistake_is_listed(governor):
    answer = governor.post(
        "tokens/",
        {
            "scopes": ["read", "fly"],
            "lifetime_days": "7",
            "allowed_networks": "10.0.0.0/8",
            "user": "gwen",
            "expires_at": None,
        },
    )
    assert code_of(answer, 400) == "malformed"
    assert fields_of(answer) == {
        "name", "scopes[1]", "lifetime_days", "allowed_networks", "user", "expires_at",
    }  # fmt: skip
    answer = governor.post(
        "tokens/", {"name": "x", "scopes": [], "lifetime_days": 366, "allowed_networks": ["x"]}
    )
    assert code_of(answer, 422) == "invalid_input"
    assert fields_of(answer) == {"scopes", "lifetime_days", "allowed_networks[0]"}


def test_revocation_takes_effect_at_once_and_may_be_repeated(governor, robot):
    caller = Caller(make_token(robot))
    row = governor.rows("tokens/?machine_identity=robot")[0]
    assert caller.get("applications/").status_code == 200
    for _ in range(2):
        assert governor.post(f"tokens/{row['id']}/revoke/").json()["revoked_at"]
    assert code_of(caller.get("applications/"), 401) == "authentication_failed"
    assert AuditEvent.objects.filter(event="token.revoked").count() == 1
    assert [r["id"] for r in governor.rows("tokens/?revoked=true")] == [row["id"]]


def test_everybody_sees_and_ends_only_their_own(members, governor):
    foreign = governor.rows("tokens/?user=gwen")[0]["id"]
    for role, member in members.items():
        assert {row["owner"] for row in member.rows("tokens/")} == {f"payments-{role.value}"}
        for call, path in (("GET", ""), ("POST", "revoke/")):
            answer = member(call, f"tokens/{foreign}/{path}")
            assert code_of(answer, 404) == "not_found"
            assert bare(answer) == bare(member(call, f"tokens/{ABSENT}/{path}"))
    assert governor.get(f"tokens/{foreign}/").json()["revoked_at"] is None
    own = members[Role.AUDITOR].rows("tokens/")[0]["id"]
    assert members[Role.AUDITOR].post(f"tokens/{own}/revoke/").status_code == 200


def test_a_confined_token_sees_only_tokens_confined_alike(team):
    person = team.people[Role.ADMIN]
    token_of(person)
    confined = Caller(token_of(person, application=team.application))
    assert [row["application"] for row in confined.rows("tokens/")] == ["payments"]


def test_scopes_open_the_list_and_the_acts(team):
    person = team.people[Role.OPERATOR]
    reader, manager = (Caller(token_of(person, s)) for s in (Scope.READ, Scope.MANAGE))
    one = reader.rows("tokens/")[0]["id"]
    assert code_of(manager.get("tokens/"), 403) == "access_denied"
    assert code_of(reader.post(f"tokens/{one}/revoke/"), 403) == "access_denied"
    assert manager.post(f"tokens/{one}/revoke/").status_code == 200
