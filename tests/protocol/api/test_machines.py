"""Tests of the API of machine identities, for each role."""

import pytest

from apps.applications.models import MachineIdentity
from apps.principals import Scope
from tests.factories.applications import make_machine, make_token
from tests.protocol.api.conftest import ABSENT, Caller, bare, code_of, fields_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def robot(team):
    return make_machine(team.application, "robot")


def test_a_machine_is_made_described_and_deleted(governor):
    made = governor.post("machine-identities/", {"name": "ci", "description": "Pipelines"})
    assert (made.status_code, made.json()["is_active"]) == (201, True)
    one = made["Location"]
    assert governor.patch(one, {"description": ""}).json()["description"] == ""
    assert governor.get(f"machine-identities/{made.json()['id']}/").status_code == 200
    assert code_of(governor.post("machine-identities/", {"name": "ci"}), 409) == "already_exists"
    assert governor.delete(one).status_code == 204
    assert code_of(governor.get(one), 404) == "not_found"


def test_disabling_ends_its_calls_at_once(governor, robot):
    caller = Caller(make_token(robot))
    assert caller.get("machine-identities/robot/").json()["name"] == "robot"
    disabled = governor.post("machine-identities/robot/disable/").json()
    assert disabled["is_active"] is False
    assert code_of(caller.get("machine-identities/robot/"), 401) == "authentication_failed"
    assert governor.post("machine-identities/robot/enable/").json()["is_active"] is True
    assert caller.get("machine-identities/robot/").status_code == 200


def test_a_machine_sees_itself_and_members_see_none(robot, stranger, members):
    make_machine_named = Caller(make_token(robot))
    assert [row["name"] for row in make_machine_named.rows("machine-identities/")] == ["robot"]
    for caller in (stranger, *members.values()):
        assert caller.rows("machine-identities/") == []
        absent = caller.get(f"machine-identities/{ABSENT}/")
        for reference in ("robot", robot.pk):
            path = f"machine-identities/{reference}/"
            answers = [
                caller.get(path),
                caller.patch(path, {"description": "x"}),
                caller.delete(path),
                caller.post(f"{path}disable/"),
                caller.post(f"{path}enable/"),
            ]
            assert all(bare(answer) == bare(absent) for answer in answers)
        assert code_of(caller.post("machine-identities/", {"name": "x"}), 403)
    assert MachineIdentity.objects.get().user.is_active


def test_a_machine_cannot_change_itself(robot):
    caller = Caller(make_token(robot, *Scope))
    assert code_of(caller.patch("machine-identities/robot/", {"description": "x"}), 403)
    assert code_of(caller.delete("machine-identities/robot/"), 403)


def test_read_only_fields_cannot_be_assigned(governor, robot):
    before = MachineIdentity.objects.values().get()
    for field in ("id", "name", "is_active", "user", "created_at"):
        assert fields_of(governor.patch("machine-identities/robot/", {field: "x"})) == {field}
    assert MachineIdentity.objects.values().get() == before


def test_the_list_is_filtered(governor, robot):
    governor.post("machine-identities/", {"name": "ci"})
    governor.post("machine-identities/ci/disable/")
    assert [r["name"] for r in governor.rows("machine-identities/?is_active=false")] == ["ci"]
    assert [r["name"] for r in governor.rows("machine-identities/?sort=name")] == ["ci", "robot"]
    assert code_of(governor.get("machine-identities/?is_active=maybe"), 400) == "malformed"
