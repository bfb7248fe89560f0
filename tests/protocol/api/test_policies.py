"""Tests of the API of policies, for each role."""

import pytest

from apps.policies.models import Policy, PolicyVersion
from apps.policies.presets import PRESETS
from tests.factories.profiles import make_policy
from tests.protocol.api.conftest import ABSENT, bare, code_of, fields_of

pytestmark = pytest.mark.django_db

RULES = {"key_algorithms": ["ec-p256"], "validity": {"max": "30d"}}


def test_a_policy_is_made_changed_and_its_versions_read(governor):
    made = governor.post("policies/", {"name": "strict", "rules": RULES})
    assert (made.status_code, made["Location"]) == (201, "/api/v1/policies/strict/")
    assert (made.json()["version"], made.json()["rules"]) == (1, RULES)
    wider = RULES | {"validity": {"max": "60d"}}
    assert governor.patch("policies/strict/", {"rules": wider}).json()["version"] == 2
    renamed = governor.patch("policies/strict/", {"description": "Two months"}).json()
    assert (renamed["version"], renamed["description"]) == (2, "Two months")
    assert governor.patch("policies/strict/", {"description": ""}).json()["description"] == ""
    assert [row["version"] for row in governor.rows("policies/strict/versions/?limit=1")] == [2, 1]
    assert governor.get("policies/strict/versions/1/").json()["rules"] == RULES
    for number in (0, 3, 2**31, 10**30):
        assert code_of(governor.get(f"policies/strict/versions/{number}/"), 404) == "not_found"


def test_profiles_with_defaults_outside_of_new_rules_are_named(governor, team):
    policy = team.profile.policy
    rules = policy.current_version.rules
    wider = governor.patch(
        f"policies/{policy.name}/", {"rules": rules | {"validity": {"max": "397d"}}}
    )
    assert wider.json()["warnings"] == []
    tighter = rules | {"validity": {"max": "7d"}, "key_algorithms": ["rsa-3072"]}
    answer = governor.patch(f"policies/{policy.name}/", {"rules": tighter})
    (warning,) = answer.json()["warnings"]
    assert warning["profile"] == team.profile.name
    found = {one["field"]: one for one in warning["violations"]}
    assert found["defaults.ttl"]["hint"] == "At most 7 days."
    described = governor.patch(f"profiles/{team.profile.name}/", {"description": "Seven days"})
    assert described.status_code == 200, "the policy keeps nobody from changing the rest"
    refused = governor.patch(f"profiles/{team.profile.name}/", {"defaults": {"ttl": "8d"}})
    assert fields_of(refused) == {"defaults.ttl"}


def test_every_mistake_is_listed(governor):
    answer = governor.post("policies/", {"description": 5, "rules": [], "version": 7})
    assert code_of(answer, 400) == "malformed"
    assert fields_of(answer) == {"name", "description", "rules", "version"}
    answer = governor.post(
        "policies/", {"name": "Not A Slug", "rules": {"colour": 1, "validity": {"max": "long"}}}
    )
    assert code_of(answer, 422) == "invalid_input"
    assert len(answer.json()["errors"]) >= 3
    assert not Policy.objects.exists()


def test_read_only_fields_cannot_be_assigned(governor):
    make_policy("strict", RULES)
    before = (Policy.objects.values().get(), PolicyVersion.objects.values().get())
    for field in ("id", "name", "version", "created_at", "created_by", "current_version"):
        assert code_of(governor.patch("policies/strict/", {field: "x"}), 400) == "malformed"
    assert (Policy.objects.values().get(), PolicyVersion.objects.values().get()) == before


def test_deletion_names_the_profiles(governor, team):
    policy = team.profile.policy.name
    answer = governor.delete(f"policies/{policy}/")
    assert code_of(answer, 409) == "in_use"
    assert answer.json()["users"] == [team.profile.name]
    make_policy("unused", RULES)
    assert governor.delete("policies/unused/").status_code == 204


def test_presets_are_usable_as_they_are(governor):
    presets = governor.get("policy-presets/").json()
    assert [row["name"] for row in presets["results"]] == list(PRESETS)
    for row in presets["results"]:
        made = governor.post("policies/", {"name": row["name"], "rules": row["rules"]})
        assert made.status_code == 201


def test_members_see_the_policies_behind_their_profiles_only(members, other_team):
    own, foreign = "payments-tls-policy", other_team.profile.policy
    for member in members.values():
        assert [row["name"] for row in member.rows("policies/")] == [own]
        assert member.get(f"policies/{own}/versions/1/").status_code == 200
        for path in ("", "versions/", "versions/1/"):
            absent = member.get(f"policies/{ABSENT}/{path}")
            for reference in (foreign.name, foreign.pk, "nobody"):
                answer = member.get(f"policies/{reference}/{path}")
                assert code_of(answer, 404) == "not_found"
                assert bare(answer) == bare(absent)


def test_writing_is_403_in_sight_and_404_out_of_it(members, other_team, stranger):
    before = list(PolicyVersion.objects.values())
    for member in members.values():
        for name, status in (("payments-tls-policy", 403), (other_team.profile.policy.name, 404)):
            assert code_of(member.patch(f"policies/{name}/", {"rules": {}}), status)
            assert code_of(member.delete(f"policies/{name}/"), status)
        assert code_of(member.post("policies/", {"name": "x", "rules": {}}), 403)
    assert stranger.rows("policies/") == []
    assert list(PolicyVersion.objects.values()) == before


def test_a_reading_token_writes_nothing(reading_governor):
    make_policy("strict", RULES)
    assert reading_governor.get("policies/strict/").status_code == 200
    assert code_of(reading_governor.patch("policies/strict/", {"rules": {}}), 403)
    assert code_of(reading_governor.delete("policies/strict/"), 403)


def test_names_sort_both_ways_and_search_finds_descriptions(governor):
    for name in ("beta", "alpha", "gamma"):
        governor.post(
            "policies/", {"name": name, "rules": {}, "description": f"For {name.upper()}s"}
        )
    rows = governor.rows("policies/?sort=name&limit=2")
    assert [row["name"] for row in rows] == ["alpha", "beta", "gamma"]
    assert [r["name"] for r in governor.rows("policies/?sort=-name")] == ["gamma", "beta", "alpha"]
    assert [row["name"] for row in governor.rows("policies/?search=for alpha")] == ["alpha"]


def test_a_cursor_of_another_order_is_refused(governor):
    for name in ("beta", "alpha"):
        governor.post("policies/", {"name": name, "rules": {}})
    following = governor.get("policies/?sort=name&limit=1").json()["next"]
    assert governor.get(following).status_code == 200
    assert code_of(governor.get(following.replace("sort=name", "sort=-name")), 400) == "malformed"
