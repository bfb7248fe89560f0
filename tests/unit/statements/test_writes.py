"""Batches of writes are atomic and store what ``save()`` would."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import DataError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from apps import clock
from apps.jobs.models import Job
from apps.policies.models import Policy, PolicyVersion
from apps.statements import writes

pytestmark = pytest.mark.django_db


def version_of(policy: Policy, number: int = 1, **columns: object) -> PolicyVersion:
    values = {"rules": {"n": [number, None, "ü"]}, "created_by": "tests"} | columns
    return PolicyVersion(policy=policy, number=number, **values)


def test_a_row_reads_back_as_it_was():
    policy, late = Policy(name="web", description="%s 'quoted' ü"), clock.now() + timedelta(days=9)
    version = version_of(policy, created_at=late)
    with writes.batch() as batch:
        writes.insert(policy)
        writes.insert(version)
    assert batch.done
    found = PolicyVersion.objects.select_related("policy").get()
    assert (found.pk, found.rules, found.created_at) == (version.pk, version.rules, late)
    assert found.policy.description == policy.description


@pytest.mark.django_db(transaction=True)
def test_a_batch_is_one_statement_where_the_database_can():
    policy = Policy(name="web")
    with CaptureQueriesContext(connection) as asked, writes.batch():
        writes.insert(policy)
        writes.insert(version_of(policy, 1), version_of(policy, 2))
    if connection.vendor == "postgresql":
        assert len(asked) == 1
    assert PolicyVersion.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_refused_row_takes_the_others_with_it():
    Policy.objects.create(name="taken")
    with pytest.raises(IntegrityError), writes.batch():
        writes.insert(Policy(name="fresh"), Policy(name="taken"))
    assert list(Policy.objects.values_list("name", flat=True)) == ["taken"]


def test_a_refusal_leaves_the_transaction_around_it_usable():
    Policy.objects.create(name="taken")
    with transaction.atomic():
        with pytest.raises(IntegrityError), writes.batch():
            writes.insert(Policy(name="taken"))
        Policy.objects.create(name="later")
    assert Policy.objects.count() == 2


def test_nothing_is_written_when_the_block_raises():
    def fails() -> None:
        with writes.batch():
            writes.insert(Policy(name="web"))
            raise LookupError

    with pytest.raises(LookupError):
        fails()
    assert not Policy.objects.exists()
    assert not writes.is_open()
    writes.insert(Policy(name="web"))
    assert Policy.objects.count() == 1


def test_a_change_that_finds_its_row_goes_with_the_inserts():
    policy = Policy.objects.create(name="web", description="old")
    change = writes.Change(
        Policy, set={"description": "new"}, where={"id": policy.pk, "description": "old"}
    )
    with writes.batch(change) as batch:
        writes.insert(version_of(policy), version_of(policy, 2))
    assert batch.done
    policy.refresh_from_db()
    assert policy.description == "new"
    assert policy.versions.count() == 2


def test_a_change_that_finds_nothing_stops_everything_else():
    policy = Policy.objects.create(name="web", description="newer")
    other = Policy.objects.create(name="other", description="old")
    change = writes.Change(
        Policy, set={"description": "new"}, where={"id": policy.pk, "description": "old"}
    )
    version = version_of(policy)
    with writes.batch(change) as batch:
        writes.change(Policy, set={"description": "new"}, where={"id": other.pk})
        writes.insert(version)
    assert not batch.done
    assert version._state.adding
    assert not PolicyVersion.objects.exists()
    assert set(Policy.objects.values_list("description", flat=True)) == {"newer", "old"}


def test_further_changes_may_find_nothing():
    first, second = (Policy.objects.create(name=name) for name in ("one", "two"))
    with writes.batch() as batch:
        writes.change(Policy, set={"description": "a"}, where={"id": first.pk})
        writes.change(Policy, set={"description": "b"}, where={"id": second.pk, "name": "2"})
        writes.insert(version_of(first))
    assert batch.done
    assert set(Policy.objects.values_list("description", flat=True)) == {"a", ""}


def test_outside_of_a_block_everything_happens_at_once():
    policy = Policy(name="web")
    writes.insert(policy)
    writes.change(Policy, set={"description": "x"}, where={"id": policy.pk})
    assert Policy.objects.get().description == "x"
    assert writes.Change(Policy, {"description": "y"}, {"id": uuid4()}).apply() == 0


def test_blocks_do_not_nest():
    with writes.batch(), pytest.raises(RuntimeError), writes.batch():
        pass
    assert not writes.is_open()


def test_an_empty_block_does_nothing(django_assert_num_queries):
    with django_assert_num_queries(0), writes.batch() as batch:
        pass
    assert batch.done


def test_a_block_with_a_condition_alone_makes_the_change():
    policy = Policy.objects.create(name="web")
    change = writes.Change(Policy, {"description": "x"}, {"id": policy.pk})
    with writes.batch(change) as batch:
        pass
    assert batch.done
    assert Policy.objects.get().description == "x"


def test_texts_that_are_too_long_are_refused_and_not_cut():
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no lengths")
    with pytest.raises(DataError):
        writes.insert(Policy(name="x" * 65))
    change = writes.Change(Policy, {"name": "y" * 65}, {"name": "web"})
    Policy.objects.create(name="web")
    with pytest.raises(DataError), transaction.atomic():
        change.apply()


@pytest.mark.postgres
def test_a_text_that_is_too_long_is_not_taken_for_a_missing_row():
    policy = Policy.objects.create(name="web")
    renamed = writes.Change(Policy, {"name": "mail"}, {"id": policy.pk})
    with pytest.raises(DataError), writes.batch(renamed, expected_rows=1):
        writes.insert(Policy(name="x" * 300))


def test_what_no_text_can_hold_is_refused():
    if connection.vendor != "postgresql":
        pytest.skip("SQLite takes NUL")
    with pytest.raises((ValueError, DataError)), transaction.atomic():
        writes.insert(Policy(name="a\0b"))
    assert not Policy.objects.exists()


def test_many_rows_of_one_model_go_in_one_statement():
    jobs = [Job(kind="crl.publish", arguments={"n": n}) for n in range(50)]
    writes.insert(*jobs)
    assert {job.arguments["n"] for job in Job.objects.all()} == set(range(50))
