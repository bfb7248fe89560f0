"""Tests of the API of profiles, for each role."""

import pytest

from apps.profiles.models import Profile
from tests.factories.authorities import make_root
from tests.factories.profiles import make_policy
from tests.protocol.api.conftest import ABSENT, bare, code_of, fields_of

pytestmark = pytest.mark.django_db


def test_a_profile_is_made_from_names_or_ids(governor):
    root, policy = make_root("top"), make_policy("tls")
    for index, (authority, rules) in enumerate([("top", "tls"), (root.pk, policy.pk)]):
        made = governor.post(
            "profiles/",
            {
                "name": f"web-{index}",
                "authority": str(authority),
                "policy": str(rules),
                "defaults": {"ttl": "30d", "extended_key_usages": ["server_auth"]},
            },
        )
        assert made.status_code == 201, made.content
        body = made.json()
        assert (body["authority"], body["policy"], body["policy_version"]) == ("top", "tls", 1)
        assert body["defaults"]["ttl"] == "30d"
        assert governor.get(made["Location"]).json() == body


def test_self_signed_profiles_have_no_authority(governor):
    make_policy("tls")
    wanted = {"name": "own", "policy": "tls", "issuer_type": "self-signed", "authority": None}
    assert governor.post("profiles/", wanted).json()["authority"] is None
    answer = governor.post("profiles/", wanted | {"name": "x", "issuer_type": "authority"})
    assert code_of(answer, 422) == "invalid_input"
    assert fields_of(answer) == {"authority"}


def test_absent_references_in_a_body_are_404(governor, team):
    wanted = {"name": "x", "authority": team.authority.name, "policy": team.profile.policy.name}
    for field in ("authority", "policy"):
        for reference in ("nobody", ABSENT):
            answer = governor.post("profiles/", wanted | {field: reference})
            assert code_of(answer, 404) == "not_found"
            answer = governor.patch(f"profiles/{team.profile.name}/", {field: reference})
            assert code_of(answer, 404) == "not_found"
    assert Profile.objects.count() == 1


def test_every_mistake_is_listed(governor):
    answer = governor.post(
        "profiles/", {"issuer_type": "magic", "authority": 5, "defaults": "x", "revision": 3}
    )
    assert code_of(answer, 400) == "malformed"
    assert fields_of(answer) == {
        "name", "issuer_type", "authority", "policy", "defaults", "revision",
    }  # fmt: skip


def test_defaults_are_held_against_the_policy(governor, team):
    answer = governor.patch(f"profiles/{team.profile.name}/", {"defaults": {"ttl": "9y"}})
    assert code_of(answer, 422) == "invalid_input"
    assert fields_of(answer) == {"defaults.ttl"}


def test_changes_raise_the_revision_and_nothing_else_can_be_assigned(governor, team):
    path = f"profiles/{team.profile.name}/"
    assert governor.patch(path, {"description": "Web"}).json()["revision"] == 2
    assert governor.patch(path, {}).json()["revision"] == 2
    before = Profile.objects.values().get()
    for field in ("id", "name", "revision", "created_at", "policy_version", "policy_id"):
        assert code_of(governor.patch(path, {field: "x"}), 400) == "malformed"
    assert Profile.objects.values().get() == before


def test_deletion_names_the_applications(governor, team):
    answer = governor.delete(f"profiles/{team.profile.name}/")
    assert code_of(answer, 409) == "in_use"
    assert answer.json()["users"] == ["payments"]
    governor.delete(f"applications/payments/profiles/{team.profile.name}/")
    assert governor.delete(f"profiles/{team.profile.name}/").status_code == 204


def test_members_see_attached_profiles_only(members, other_team, stranger, governor):
    for member in members.values():
        assert [row["name"] for row in member.rows("profiles/")] == ["payments-tls"]
        absent = member.get(f"profiles/{ABSENT}/")
        for reference in ("billing-tls", other_team.profile.pk):
            assert bare(member.get(f"profiles/{reference}/")) == bare(absent)
            assert code_of(member.patch(f"profiles/{reference}/", {}), 404)
            assert code_of(member.delete(f"profiles/{reference}/"), 404)
        assert code_of(member.patch("profiles/payments-tls/", {"description": "x"}), 403)
        assert code_of(member.delete("profiles/payments-tls/"), 403)
        assert code_of(member.post("profiles/", {"name": "x", "policy": "y"}), 403)
    assert stranger.rows("profiles/") == []
    assert len(governor.rows("profiles/?sort=-name&limit=1")) == 2


def test_the_list_is_filtered(governor, other_team):
    assert len(governor.rows(f"profiles/?authority={other_team.authority.name}")) == 2
    assert len(governor.rows("profiles/?policy=billing-tls-policy")) == 1
    assert governor.rows("profiles/?issuer_type=self-signed") == []


def test_what_becomes_of_csrs_is_set_by_field(governor, team):
    shown = governor.get(f"profiles/{team.profile.name}/").json()
    assert (shown["csr_extras"], shown["must_staple"], shown["acme_subject"]) == ("ignore",) * 3
    changes = {"csr_extras": "refuse", "must_staple": "honour", "acme_subject": "take"}
    answer = governor.patch(f"profiles/{team.profile.name}/", changes)
    assert answer.status_code == 200, answer.content
    assert answer.json().items() >= changes.items()
    wrong = governor.patch(f"profiles/{team.profile.name}/", {"csr_extras": "drop"})
    assert wrong.status_code == 400
    assert wrong.json()["errors"][0]["field"] == "csr_extras"
