"""Tests of enqueuing: transactions, open jobs, repeated requests."""

from datetime import timedelta

import pytest
from django.db import transaction

from apps import clock
from apps.jobs import leases, runner, services
from apps.jobs.models import Job, JobState

from .conftest import KIND

pytestmark = pytest.mark.django_db


def test_enqueue_writes_the_job_and_pushes_its_identifier(work, pushed):
    job = services.enqueue(KIND, {"authority": "a1"})
    assert (job.state, job.arguments) == (JobState.QUEUED, {"authority": "a1"})
    assert pushed() == [str(job.pk)]


def test_rolled_back_enqueue_leaves_neither_job_nor_task(work, pushed):
    def act_that_fails():
        with transaction.atomic():
            services.enqueue(KIND, {})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        act_that_fails()
    assert not Job.objects.exists()
    assert pushed() == []


def test_unknown_kind_is_refused(work):
    with pytest.raises(LookupError, match="nonsense"):
        services.enqueue("nonsense", {})


def test_open_job_with_the_same_key_is_returned(work):
    first = services.enqueue(KIND, {}, idempotency_key="a1")
    assert services.enqueue(KIND, {}, idempotency_key="a1") == first
    assert services.enqueue(KIND, {}, idempotency_key="b2") != first


def test_needless_job_is_withdrawn_unless_a_worker_began_on_it(work):
    services.enqueue(KIND, {}, idempotency_key="a1")
    other = services.enqueue(KIND, {}, idempotency_key="b2")
    assert services.withdraw(KIND, "a1")
    assert not services.withdraw(KIND, "a1")
    leases.claim(other.pk)
    assert not services.withdraw(KIND, "b2")
    assert Job.objects.get() == other


def test_without_a_key_every_call_is_a_job_of_its_own(work):
    assert services.enqueue(KIND, {}) != services.enqueue(KIND, {})


def test_ended_job_does_not_stand_in_for_a_new_one(work):
    first = services.enqueue(KIND, {}, idempotency_key="a1")
    runner.run_job(first.pk)
    assert services.enqueue(KIND, {}, idempotency_key="a1") != first


def test_delayed_job_waits_for_the_sweep(work, pushed):
    job = services.enqueue(KIND, {}, delay=timedelta(minutes=5))
    assert pushed() == []
    assert runner.run_job(job.pk) == "nothing to do"
    assert work.calls == []


def test_asking_at_once_brings_a_delayed_job_forward(work, pushed):
    job = services.enqueue(KIND, {}, idempotency_key="a1", delay=timedelta(minutes=5))
    services.enqueue(KIND, {}, idempotency_key="a1")
    assert pushed() == [str(job.pk)]
    assert runner.run_job(job.pk) == "succeeded: done"


def test_job_asked_for_while_it_runs_runs_once_more(work, pushed):
    job = services.enqueue(KIND, {}, idempotency_key="a1")

    def ask_again_once(**_):
        if len(work.calls) == 1:
            assert services.enqueue(KIND, {}, idempotency_key="a1") == job
        return "done"

    work.act = ask_again_once
    assert runner.run_job(job.pk) == "succeeded, and asked for again"
    assert pushed() == [str(job.pk)] * 2
    assert runner.run_job(job.pk) == "succeeded: done"
    assert len(work.calls) == 2


def test_job_asked_for_during_its_last_failing_attempt_gets_fresh_attempts(work):
    job = services.enqueue(KIND, {}, idempotency_key="a1")
    Job.objects.filter(pk=job.pk).update(attempts=2)

    def ask_and_fail(**_):
        services.enqueue(KIND, {}, idempotency_key="a1")
        raise ValueError

    work.act = ask_and_fail
    runner.run_job(job.pk)
    job.refresh_from_db()
    assert (job.state, job.attempts) == (JobState.QUEUED, 0)


def test_lease_ends_later_when_progress_is_reported(work):
    job = services.enqueue(KIND, {})
    lease = leases.claim(job.pk)
    Job.objects.filter(pk=job.pk).update(lease_until=clock.now())
    with leases.current_lease(lease):
        leases.report_progress("half")
    job.refresh_from_db()
    assert job.progress == "half"
    assert job.lease_until > clock.now() + timedelta(seconds=50)
