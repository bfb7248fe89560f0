"""Tests of sweeps, schedules, pruning and system checks."""

from datetime import timedelta

import pytest
from django_q.models import Schedule

from apps import clock, registry
from apps.jobs import leases, runner, schedules, selectors, services, sweeps, tasks
from apps.jobs.checks import leases_end_before_redelivery, recurring_kinds_exist
from apps.jobs.models import Job, JobState
from apps.registry import JobKind, Recurring

from .conftest import KIND

pytestmark = pytest.mark.django_db


@pytest.fixture
def every_minute(work):
    registry.recurring[KIND] = Recurring(KIND, timedelta(minutes=1))
    return work


def _age(job: Job, **fields: timedelta) -> None:
    Job.objects.filter(pk=job.pk).update(**{k: clock.now() - v for k, v in fields.items()})


def test_recurring_job_starts_with_the_first_sweep(every_minute):
    sweeps.sweep()
    assert Job.objects.get().kind == KIND


def test_recurring_job_is_not_started_twice_within_its_period(every_minute):
    sweeps.sweep()
    runner.run_job(Job.objects.get().pk)
    sweeps.sweep()
    assert Job.objects.count() == 1


def test_recurring_job_starts_again_after_its_period(every_minute):
    sweeps.sweep()
    job = Job.objects.get()
    runner.run_job(job.pk)
    _age(job, created_at=timedelta(seconds=59))  # minute sweeps are never exactly a minute apart
    sweeps.sweep()
    assert Job.objects.count() == 2


def test_recurring_jobs_go_on_when_the_clock_is_put_back(every_minute):
    sweeps.sweep()
    job = Job.objects.get()
    runner.run_job(job.pk)
    _age(job, created_at=-timedelta(days=1))
    sweeps.sweep()
    assert Job.objects.count() == 2
    runner.run_job(Job.objects.exclude(pk=job.pk).get().pk)
    sweeps.sweep()
    assert Job.objects.count() == 2


def test_recurring_job_that_is_still_open_is_left_alone(every_minute):
    sweeps.sweep()
    job = Job.objects.get()
    leases.claim(job.pk)
    _age(job, created_at=timedelta(hours=1))
    sweeps.sweep()
    assert Job.objects.count() == 1
    assert Job.objects.get().next_attempt_at == job.next_attempt_at


def test_sweep_pushes_due_jobs_and_expired_leases_only(work, pushed):
    due, abandoned, running, _delayed, fresh = (
        services.enqueue(KIND, {}, delay=timedelta(hours=1)) for _ in range(5)
    )
    _age(due, next_attempt_at=timedelta(minutes=1))
    _age(fresh, next_attempt_at=timedelta())
    for job in (abandoned, running):
        _age(job, next_attempt_at=timedelta(minutes=1))
        leases.claim(job.pk)
    _age(abandoned, lease_until=timedelta(seconds=1))
    assert sweeps.sweep() == "recurring 0, pushed 2"
    assert pushed() == [str(due.pk), str(abandoned.pk)]


def test_sweep_does_not_pile_tasks_on_a_backlog(work, pushed, monkeypatch):
    monkeypatch.setattr(sweeps, "QUEUE_LIMIT", 1)
    for _ in range(2):
        job = services.enqueue(KIND, {}, delay=timedelta(hours=1))
        _age(job, next_attempt_at=timedelta(minutes=1))
    sweeps.sweep()
    assert len(pushed()) == 1
    sweeps.sweep()
    assert len(pushed()) == 1


def test_swept_job_runs(work, pushed):
    job = services.enqueue(KIND, {}, delay=timedelta(minutes=2))
    _age(job, next_attempt_at=timedelta(minutes=1))
    tasks.sweep()
    assert tasks.run_job(pushed()[0]) == "succeeded: done"


def test_prune_deletes_old_ended_jobs_only(work):
    ended, recurring, waiting, recent = (
        services.enqueue(KIND, {}, idempotency_key=key)
        for key in ("old", sweeps.RECURRING_KEY, "waiting", "recent")
    )
    for job in (ended, recurring, recent):
        runner.run_job(job.pk)
    _age(ended, finished_at=timedelta(days=31))
    _age(recurring, finished_at=timedelta(days=2))
    _age(recent, finished_at=timedelta(days=2))
    _age(waiting, created_at=timedelta(days=90))
    assert sweeps.prune() == "deleted 2"
    assert set(Job.objects.all()) == {waiting, recent}


def test_schedules_follow_the_data(db):
    Schedule.objects.all().delete()
    for _ in range(2):  # django-q2 admits duplicates of a name
        Schedule.objects.create(name="sealwright.sweep", func="somewhere.else", schedule_type="D")
    Schedule.objects.create(name="sealwright.gone", func="a.b", schedule_type="D")
    Schedule.objects.create(name="mine", func="a.b", schedule_type="D")
    schedules.upsert("default")
    schedules.upsert("default")
    rows = Schedule.objects.order_by("name").values_list("name", "func", "schedule_type", "minutes")
    assert list(rows) == [
        ("mine", "a.b", "D", None),
        ("sealwright.sweep", "apps.jobs.tasks.sweep", "I", 1),
    ]


def test_migrate_leaves_the_schedules_in_place(db):
    assert Schedule.objects.filter(name="sealwright.sweep", minutes=1).count() == 1


def test_lease_longer_than_redelivery_is_a_configuration_error(work):
    assert leases_end_before_redelivery() == []
    registry.job_kinds["tests.long"] = JobKind("tests.long", work.run, lease=timedelta(hours=1))
    assert [message.id for message in leases_end_before_redelivery()] == ["jobs.E001"]


def test_schedule_of_an_unknown_kind_is_a_configuration_error(work):
    registry.recurring["nonsense"] = Recurring("nonsense", timedelta(minutes=1))
    assert [message.id for message in recurring_kinds_exist()] == ["jobs.E002"]


def test_selectors_tell_the_state_of_the_queue(work):
    assert selectors.queue_lag() == timedelta()
    job = services.enqueue(KIND, {})
    _age(job, next_attempt_at=timedelta(minutes=3))
    assert selectors.queue_lag() >= timedelta(minutes=3)
    assert list(selectors.open_jobs()) == [job]
    Job.objects.update(state=JobState.FAILED)
    assert list(selectors.failed_jobs()) == [job]
