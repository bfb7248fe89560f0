"""Services of policies: administrators only, versions, audit events, use."""

import pytest

from apps.audit.models import AuditEvent
from apps.errors import AccessDenied, AlreadyExists, InUse, InvalidInput, NotFound
from apps.policies import selectors, services
from apps.policies.models import Policy, PolicyVersion
from apps.principals import Principal, ProductRole, Scope, system
from apps.profiles.models import IssuerType, Profile
from tests.unit.policies.samples import codes

pytestmark = pytest.mark.django_db

GOVERNOR = Principal(kind="user", id="1", label="Ada", product_role=ProductRole.ADMIN)
MEMBER = Principal(kind="user", id="2", label="Bob")
READER = Principal(
    kind="user", id="1", label="Ada", product_role=ProductRole.ADMIN, scopes=frozenset({Scope.READ})
)
RULES = {"validity": {"max": "2160h"}}
STORED = {"validity": {"max": "90d"}}


@pytest.fixture
def policy():
    return services.create_policy(GOVERNOR, name="web", description="", rules=RULES)


def test_a_policy_is_created_with_its_first_version_in_canonical_form(policy):
    stored = Policy.objects.get(name="web")
    assert stored == policy
    assert stored.current_version.number == 1
    assert stored.current_version.rules == STORED
    assert stored.current_version.created_by == "user:1"
    event = AuditEvent.objects.get(event="policy.created")
    assert (event.actor, event.subject_label, event.data["rules"]) == ("user:1", "web", STORED)


@pytest.mark.parametrize("principal", [MEMBER, READER], ids=["member", "token without manage"])
def test_only_administrators_write_policies(policy, principal):
    with pytest.raises(AccessDenied):
        services.create_policy(principal, name="other", rules=RULES)
    with pytest.raises(AccessDenied):
        services.update_policy(principal, policy, rules={})
    with pytest.raises(AccessDenied):
        services.delete_policy(principal, policy)
    assert Policy.objects.count() == PolicyVersion.objects.count() == 1


@pytest.mark.parametrize(
    "name", ["", "Web", "web_1", "-web", "web-", "a--b", "wéb", "web\n", "x" * 65]
)
def test_names_are_slugs(name):
    with pytest.raises(InvalidInput) as caught:
        services.create_policy(GOVERNOR, name=name, rules=RULES)
    assert codes(caught.value.violations) == ["name.not_a_slug"]


def test_faults_of_name_description_and_rules_are_listed_together():
    with pytest.raises(InvalidInput) as caught:
        services.create_policy(GOVERNOR, name="W", description="x" * 256, rules={"y": 1})
    assert codes(caught.value.violations) == [
        "name.not_a_slug",
        "description.invalid",
        "policy.unknown_key",
    ]
    assert not AuditEvent.objects.exists()


def test_a_name_is_taken_once(policy):
    with pytest.raises(AlreadyExists):
        services.create_policy(GOVERNOR, name="web", rules={})
    assert PolicyVersion.objects.count() == 1


def test_other_rules_become_a_new_version(policy):
    first = policy.current_version
    changed = services.update_policy(GOVERNOR, policy, rules={"validity": {"max": "30d"}})
    assert changed.current_version.number == 2
    assert PolicyVersion.objects.get(pk=first.pk).rules == STORED
    event = AuditEvent.objects.get(event="policy.updated")
    assert event.data == {"version": 2, "rules": {"validity": {"max": "30d"}}}


def test_the_same_rules_in_other_words_change_nothing(policy):
    services.update_policy(GOVERNOR, policy, rules=STORED, description="")
    assert PolicyVersion.objects.count() == 1
    assert not AuditEvent.objects.filter(event="policy.updated").exists()


def test_a_description_changes_without_a_new_version(policy):
    changed = services.update_policy(GOVERNOR, policy, description="Web servers")
    assert changed.description == "Web servers"
    assert changed.current_version.number == 1
    assert AuditEvent.objects.get(event="policy.updated").data == {"description": "Web servers"}


def test_a_stale_copy_does_not_reuse_a_version_number(policy):
    stale = Policy.objects.get(pk=policy.pk)
    services.update_policy(GOVERNOR, policy, rules={"validity": {"max": "30d"}})
    services.update_policy(GOVERNOR, stale, rules={"validity": {"max": "7d"}})
    assert list(policy.versions.values_list("number", flat=True)) == [3, 2, 1]


def test_versions_are_immutable(policy):
    version = policy.current_version
    version.rules = {}
    with pytest.raises(TypeError, match="immutable"):
        version.save()


def test_bad_rules_change_nothing(policy):
    with pytest.raises(InvalidInput):
        services.update_policy(GOVERNOR, policy, rules={"validity": {}}, description="new")
    assert Policy.objects.get().description == ""


def test_an_unused_policy_is_deleted_with_its_versions(policy):
    services.update_policy(GOVERNOR, policy, rules={})
    services.delete_policy(GOVERNOR, policy)
    assert not Policy.objects.exists()
    assert not PolicyVersion.objects.exists()
    assert AuditEvent.objects.get(event="policy.deleted").subject_label == "web"


def test_a_policy_in_use_is_kept_and_its_profiles_named(policy):
    for name in ("zulu", "alpha"):
        Profile.objects.create(name=name, policy=policy, issuer_type=IssuerType.SELF_SIGNED)
    with pytest.raises(InUse) as caught:
        services.delete_policy(GOVERNOR, policy)
    assert caught.value.users == ("alpha", "zulu")
    assert Policy.objects.exists()
    assert not AuditEvent.objects.filter(event="policy.deleted").exists()


def test_a_deleted_policy_is_gone(policy):
    Policy.objects.filter(pk=policy.pk).update(current_version=None)
    PolicyVersion.objects.all().delete()
    Policy.objects.all().delete()
    with pytest.raises(NotFound):
        services.update_policy(GOVERNOR, policy, rules={})
    with pytest.raises(NotFound):
        services.delete_policy(GOVERNOR, policy)


def test_the_system_may_write_policies():
    assert services.create_policy(system("quickstart"), name="web", rules={}).name == "web"


def test_rules_are_compiled_once_per_version(policy):
    version = policy.current_version
    assert selectors.rules_of(version) is selectors.rules_of(PolicyVersion.objects.get())
    changed = services.update_policy(GOVERNOR, policy, rules={})
    assert selectors.rules_of(changed.current_version).validity is None
    assert selectors.rules_of(version).validity is not None


def test_the_cache_of_compiled_rules_is_bounded(policy, monkeypatch):
    monkeypatch.setattr(selectors, "MAX_COMPILED", 2)
    monkeypatch.setattr(selectors, "compiled", {})
    for number in range(5):
        rules = {"validity": {"max": f"{number + 1}d"}}
        changed = services.update_policy(GOVERNOR, policy, rules=rules)
        selectors.rules_of(changed.current_version)
        assert len(selectors.compiled) <= 2
