"""Tests of the API of applications, their members and profiles, for each role."""

import pytest

from apps.applications.models import Application, Membership, Pairing
from apps.applications.roles import Role
from tests.factories.accounts import make_person
from tests.factories.applications import make_machine
from tests.factories.profiles import make_profile
from tests.protocol.api.conftest import ABSENT, Caller, bare, code_of, fields_of, token_of

pytestmark = pytest.mark.django_db

MEMBERS = "applications/payments/members/"
PROFILES = "applications/payments/profiles/"


def test_an_application_is_made_described_and_deleted(governor):
    made = governor.post("applications/", {"name": "shop", "description": "Web shop"})
    assert (made.status_code, made["Location"]) == (201, "/api/v1/applications/shop/")
    assert made.json()["profiles"] == []
    changed = governor.patch("applications/shop/", {"description": ""}).json()
    assert changed["description"] == ""
    assert governor.get(f"applications/{changed['id']}/").json() == changed
    assert code_of(governor.post("applications/", {"name": "shop"}), 409) == "already_exists"
    assert governor.delete("applications/shop/").status_code == 204
    assert code_of(governor.get("applications/shop/"), 404) == "not_found"


def test_mistakes_are_listed_and_rules_are_422(governor):
    answer = governor.post("applications/", {"description": None, "id": ABSENT, "owner": "me"})
    assert code_of(answer, 400) == "malformed"
    assert fields_of(answer) == {"name", "description", "id", "owner"}
    for name in ("UPPER", "-x", "a b", ABSENT):
        assert code_of(governor.post("applications/", {"name": name}), 422) == "invalid_input"


def test_read_only_fields_cannot_be_assigned(governor, team):
    before = Application.objects.values().get()
    for field in ("id", "name", "created_at", "permissions", "profiles"):
        assert code_of(governor.patch("applications/payments/", {field: "x"}), 400) == "malformed"
    assert Application.objects.values().get() == before


def test_roles_decide_what_members_change(members, other_team):
    assert members[Role.ADMIN].patch("applications/payments/", {"description": "A"}).json()
    for role in (Role.OPERATOR, Role.AUDITOR):
        assert code_of(members[role].patch("applications/payments/", {"description": "B"}), 403)
        assert code_of(members[role].delete("applications/payments/"), 403)
    for member in members.values():
        assert [row["name"] for row in member.rows("applications/")] == ["payments"]
        assert code_of(member.post("applications/", {"name": "mine"}), 403) == "access_denied"
        absent = member.get(f"applications/{ABSENT}/")
        for reference in ("billing", other_team.application.pk):
            path = f"applications/{reference}/"
            answers = [
                member.get(path),
                member.patch(path, {"description": "x"}),
                member.delete(path),
                member.get(f"{path}members/"),
                member.post(f"{path}members/", {"role": "admin", "user": "sam"}),
                member.post(f"{path}members/bulk/", {"role": "admin", "names": []}),
                member.get(f"{path}profiles/"),
                member.post(f"{path}profiles/", {"profile": "payments-tls"}),
                member.get(f"{path}profiles/billing-tls/"),
                member.delete(f"{path}profiles/billing-tls/"),
            ]
            assert all(bare(answer) == bare(absent) for answer in answers)
    assert Application.objects.get(name="payments").description == "A"


def test_members_of_every_kind_are_added_changed_and_removed(members, team):
    admin = members[Role.ADMIN]
    make_person("nina")
    machine = make_machine(team.application, "other")
    Membership.objects.filter(user=machine.user).delete()
    added = admin.post(MEMBERS, {"role": "operator", "user": "nina"})
    assert added.status_code == 201, added.content
    assert (added.json()["kind"], added.json()["name"]) == ("user", "nina")
    for reference in ("other", str(machine.pk)):
        robot = admin.post(MEMBERS, {"role": "auditor", "machine_identity": reference})
        assert (robot.json()["kind"], robot.json()["name"]) == ("machine_identity", "other")
        assert admin.delete(robot["Location"]).status_code == 204
    one = added["Location"]
    assert admin.patch(one, {"role": "auditor"}).json()["role"] == "auditor"
    assert admin.get(one).json()["role"] == "auditor"
    assert code_of(admin.post(MEMBERS, {"role": "admin", "user": "nina"}), 409) == "already_exists"
    assert admin.delete(one).status_code == 204
    assert code_of(admin.get(one), 404) == "not_found"
    rows = admin.rows(f"{MEMBERS}?sort=created_at&limit=1")
    assert [row["role"] for row in rows] == ["admin", "operator", "auditor"]
    assert len(admin.rows(f"{MEMBERS}?role=admin&kind=user&search=payments")) == 1
    assert admin.rows(f"{MEMBERS}?kind=group") == []


def test_a_group_is_a_member(members, governor_account):
    from django.contrib.auth.models import Group

    Group.objects.create(name="Night shift")
    added = members[Role.ADMIN].post(MEMBERS, {"role": "operator", "group": "Night shift"})
    assert (added.json()["kind"], added.json()["name"]) == ("group", "Night shift")


def test_exactly_one_member_who_exists_is_named(members, team):
    admin = members[Role.ADMIN]
    for body in ({}, {"user": "a", "group": "b"}):
        assert code_of(admin.post(MEMBERS, {"role": "admin"} | body), 400) == "malformed"
    for body in ({"user": "nobody"}, {"group": "none"}, {"machine_identity": ABSENT}):
        assert code_of(admin.post(MEMBERS, {"role": "admin"} | body), 404) == "not_found"
    answer = admin.post(MEMBERS, {"role": "king", "user": "nobody", "application": "billing"})
    assert fields_of(answer) == {"role", "application"}


def test_nobody_changes_their_own_role(members, team):
    own = Membership.objects.get(user=team.people[Role.ADMIN])
    answer = members[Role.ADMIN].patch(f"{MEMBERS}{own.pk}/", {"role": "auditor"})
    assert code_of(answer, 403) == "access_denied"


def test_bulk_addition_tells_what_became_of_each_name(members, team):
    make_person("nina")
    make_machine(team.application, "robot")
    answer = members[Role.ADMIN].post(
        f"{MEMBERS}bulk/",
        {"role": "operator", "names": ["nina", "nobody", "robot", "payments-admin", "nina"]},
    )
    assert answer.json() == {
        "added": ["nina"],
        "skipped": ["robot", "payments-admin"],
        "unresolved": ["nobody"],
    }
    for role in (Role.OPERATOR, Role.AUDITOR):
        body = {"role": "admin", "names": ["nobody"]}
        assert code_of(members[role].post(f"{MEMBERS}bulk/", body), 403) == "access_denied"


def test_a_member_of_another_application_is_not_found_through_ours(members, other_team):
    foreign = Membership.objects.filter(application=other_team.application).first()
    for method in ("GET", "PATCH", "DELETE"):
        answer = members[Role.ADMIN](method, f"{MEMBERS}{foreign.pk}/", {"role": "admin"})
        absent = members[Role.ADMIN](method, f"{MEMBERS}{ABSENT}/", {"role": "admin"})
        assert code_of(answer, 404) == "not_found"
        assert bare(answer) == bare(absent)
    assert Membership.objects.filter(pk=foreign.pk, role=foreign.role).exists()


def test_profiles_are_attached_switched_and_detached(governor, members, team):
    make_profile("extra", authority=team.authority)
    made = governor.post(PROFILES, {"profile": "extra", "requires_approval": True})
    assert (made.status_code, made.json()["requires_approval"]) == (201, True)
    assert code_of(governor.post(PROFILES, {"profile": "extra"}), 409) == "already_exists"
    assert code_of(governor.post(PROFILES, {"profile": "nobody"}), 404) == "not_found"
    changed = members[Role.ADMIN].patch(f"{PROFILES}extra/", {"api_enabled": False}).json()
    assert (changed["api_enabled"], changed["requires_approval"]) == (False, True)
    assert {row["profile"] for row in members[Role.AUDITOR].rows(PROFILES)} == {
        "payments-tls",
        "extra",
    }
    for role, member in members.items():
        assert code_of(member.post(PROFILES, {"profile": "extra"}), 403) == "access_denied"
        assert code_of(member.delete(f"{PROFILES}extra/"), 403) == "access_denied"
        if role != Role.ADMIN:
            assert code_of(member.patch(f"{PROFILES}extra/", {"api_enabled": True}), 403)
    assert governor.delete(f"{PROFILES}extra/").status_code == 204
    assert Pairing.objects.count() == 1


def test_a_governor_governs_but_does_not_operate(governor, team):
    rights = governor.get("applications/payments/").json()["permissions"]
    assert "manage_members" in rights
    assert not {"request_certificates", "read_private_keys"} & set(rights)


def test_a_token_without_manage_changes_nothing(team):
    from apps.principals import Scope

    reader = Caller(token_of(team.people[Role.ADMIN], Scope.READ, Scope.REQUEST))
    before = list(Membership.objects.values()), list(Pairing.objects.values())
    assert code_of(reader.patch("applications/payments/", {"description": "x"}), 403)
    assert code_of(reader.post(MEMBERS, {"role": "admin", "user": "sam"}), 403)
    assert code_of(reader.patch(f"{PROFILES}payments-tls/", {"api_enabled": False}), 403)
    assert (list(Membership.objects.values()), list(Pairing.objects.values())) == before


def test_the_list_is_filtered_and_sorted(governor, other_team):
    assert [r["name"] for r in governor.rows("applications/?sort=name&limit=1")] == [
        "billing",
        "payments",
    ]
    assert [r["name"] for r in governor.rows("applications/?profile=billing-tls")] == ["billing"]
    assert [r["name"] for r in governor.rows("applications/?search=PAY")] == ["payments"]
