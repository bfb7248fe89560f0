"""Compiled queries return what Django's own would, for any values."""

from datetime import timedelta
from uuid import uuid4

import pytest

from apps import clock
from apps.accounts.models import User
from apps.applications.models import ApiToken
from apps.audit.models import AuditEvent
from apps.policies.models import Policy, PolicyVersion
from apps.statements.lookups import KEY, NUMBER, TEXT, TIME, Lookup, RowLookup
from tests.factories.accounts import make_person

pytestmark = pytest.mark.django_db


def make_policy(name: str, *versions: dict) -> Policy:
    policy = Policy.objects.create(name=name)
    for number, rules in enumerate(versions, start=1):
        policy.current_version = PolicyVersion.objects.create(
            policy=policy, number=number, rules=rules, created_by="tests"
        )
    policy.save()
    return policy


_BY_NAME = Lookup(
    lambda name: (
        Policy.objects.filter(name=name)
        .order_by()
        .values_list("pk", "created_at", "current_version__rules")
    ),
    name=TEXT,
)


def test_columns_come_back_as_django_shows_them():
    policy = make_policy("web", {"subject": {"a": [1, None, "ü"]}})
    rules = policy.current_version.rules
    assert _BY_NAME.all("web") == [(policy.pk, policy.created_at, rules)]
    assert _BY_NAME.first("absent") is None


def test_a_query_is_built_once_and_run_with_other_values(django_assert_num_queries):
    make_policy("one"), make_policy("two")
    built = []

    def query(name):
        built.append(name)
        return Policy.objects.filter(name=name).order_by().values_list("name")

    lookup = Lookup(query, name=TEXT)
    with django_assert_num_queries(3):
        assert [lookup.first(name) for name in ("one", "two", "none")] == [
            ("one",),
            ("two",),
            None,
        ]
    assert len(built) == 1


@pytest.mark.parametrize("name", ["%", "%s", "a'b", '"', "\\", "one' OR '1'='1", "$1", "ü", ""])
def test_values_are_never_part_of_the_statement(name):
    make_policy("one")
    assert _BY_NAME.all(name) == []
    Policy.objects.create(name=name)
    assert len(_BY_NAME.all(name)) == 1


def test_every_kind_of_slot_and_constants_beside_them():
    policy = make_policy("web", {}, {})
    lookup = Lookup(
        lambda key, number, since: (
            PolicyVersion.objects.filter(
                policy_id=key, number__gte=number, created_at__gt=since, created_by="tests"
            )
            .order_by("number")
            .values_list("number")
        ),
        key=KEY,
        number=NUMBER,
        since=TIME,
    )
    past, future = clock.now() - timedelta(hours=1), clock.now() + timedelta(hours=1)
    assert lookup.all(policy.pk, 1, past) == [(1,), (2,)]
    assert lookup.all(policy.pk, 2, past) == [(2,)]
    assert lookup.all(policy.pk, 1, future) == []
    assert lookup.all(uuid4(), 1, past) == []


def test_a_slot_may_stand_in_several_places():
    first, second = make_policy("one", {}), make_policy("two", {})
    lookup = Lookup(
        lambda key: (
            Policy.objects.filter(pk=key)
            .order_by()
            .values_list("name")
            .union(Policy.objects.filter(versions__policy_id=key).order_by().values_list("name"))
        ),
        key=KEY,
    )
    assert lookup.all(first.pk) == [("one",)]
    assert lookup.all(second.pk) == [("two",)]


def test_rows_are_whole_and_bring_what_they_point_at(django_assert_num_queries):
    person = make_person("ann")
    token, _ = ApiToken.objects.create(user=person, name="laptop")
    lookup = RowLookup(
        ApiToken,
        lambda name: ApiToken.objects.filter(name=name).order_by(),
        related=("user", "application"),
        name=TEXT,
    )
    with django_assert_num_queries(1):
        found = lookup.first("laptop")
        assert found == token
        assert found.user == person
        assert found.user.username == person.username
        assert found.application is None
    assert not found._state.adding
    assert lookup.first("none") is None
    assert isinstance(found.user, User)


def test_a_loaded_row_can_be_changed_saved_and_read_again():
    make_policy("web", {})
    lookup = RowLookup(
        Policy,
        lambda name: Policy.objects.filter(name=name).order_by(),
        related=("current_version",),
        name=TEXT,
    )
    found = lookup.first("web")
    assert found.__dict__.keys() == Policy.objects.get().__dict__.keys()
    found.description = "changed"
    found.save(update_fields=["description"])
    found.refresh_from_db()
    assert found.description == "changed"
    assert found.current_version.number == 1
    assert found.versions.count() == 1


def test_lookups_read_in_the_transaction_around_them():
    assert AuditEvent.objects.count() == 0
    count = Lookup(
        lambda actor: AuditEvent.objects.filter(actor=actor).order_by().values_list("pk"),
        actor=TEXT,
    )
    assert count.all("user:1") == []
    AuditEvent.objects.create(event="login.succeeded", actor="user:1", actor_label="ann")
    assert len(count.all("user:1")) == 1
