"""Tests of attempts: outcomes, retries, leases and progress."""

import json
import uuid
from datetime import timedelta

import pytest
from django_q.models import OrmQ

from apps import clock, registry
from apps.errors import UpstreamRejected, UpstreamUnavailable
from apps.jobs import leases, runner, services
from apps.jobs.models import Job, JobState

from .conftest import KIND

pytestmark = pytest.mark.django_db


def _expire(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(lease_until=clock.now() - timedelta(seconds=1))


def _due(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(next_attempt_at=clock.now())


def test_success_keeps_the_result(work):
    job = services.enqueue(KIND, {"count": 3})
    assert runner.run_job(job.pk) == "succeeded: done"
    job.refresh_from_db()
    assert (job.state, job.result, job.attempts) == (JobState.SUCCEEDED, "done", 1)
    assert job.finished_at is not None
    assert work.calls == [{"count": 3}]


def test_second_delivery_of_the_same_task_does_nothing(work):
    job = services.enqueue(KIND, {})
    runner.run_job(job.pk)
    assert runner.run_job(job.pk) == "nothing to do"
    assert len(work.calls) == 1


def test_unknown_identifier_does_nothing(work):
    assert runner.run_job(uuid.uuid4()) == "nothing to do"


def test_failure_is_tried_again_later(work):
    def fail(**_):
        raise UpstreamUnavailable("the HSM does not answer")

    work.act = fail
    job = services.enqueue(KIND, {})
    assert runner.run_job(job.pk).startswith("again in ")
    job.refresh_from_db()
    assert (job.state, job.attempts, job.lease_token) == (JobState.QUEUED, 1, None)
    assert job.last_error == "upstream_unavailable: the HSM does not answer"
    assert clock.now() < job.next_attempt_at < clock.now() + timedelta(seconds=16)
    assert runner.run_job(job.pk) == "nothing to do"


def test_last_allowed_attempt_ends_the_job(work):
    def fail(**_):
        raise UpstreamUnavailable

    work.act = fail
    job = services.enqueue(KIND, {})
    for _ in range(3):
        _due(job)
        runner.run_job(job.pk)
    job.refresh_from_db()
    assert (job.state, job.attempts) == (JobState.FAILED, 3)


def test_rejection_is_not_repeated(work):
    def refuse(**_):
        raise UpstreamRejected("no such template")

    work.act = refuse
    job = services.enqueue(KIND, {})
    runner.run_job(job.pk)
    job.refresh_from_db()
    assert (job.state, job.attempts) == (JobState.FAILED, 1)


def test_foreign_exception_text_is_not_stored(work):
    def fail(**_):
        raise ValueError("cannot parse -----BEGIN PRIVATE KEY-----canary")

    work.act = fail
    job = services.enqueue(KIND, {})
    said = runner.run_job(job.pk)
    job.refresh_from_db()
    assert job.last_error == "ValueError (details are in the worker's log)"
    assert "canary" not in said


def test_expired_lease_lets_another_worker_take_over(work):
    job = services.enqueue(KIND, {})
    assert leases.claim(job.pk) is not None
    assert runner.run_job(job.pk) == "nothing to do"
    _expire(job)
    assert runner.run_job(job.pk) == "succeeded: done"
    job.refresh_from_db()
    assert job.attempts == 2


def test_result_of_a_worker_that_lost_its_lease_is_ignored(work):
    job = services.enqueue(KIND, {})

    def overtaken(**_):
        _expire(job)
        assert leases.claim(job.pk) is not None
        return "too late"

    work.act = overtaken
    assert runner.run_job(job.pk) == "lease lost, outcome ignored"
    job.refresh_from_db()
    assert (job.state, job.result) == (JobState.RUNNING, "")


def test_failure_of_a_worker_that_lost_its_lease_is_ignored(work):
    job = services.enqueue(KIND, {})

    def overtaken(**_):
        _expire(job)
        leases.claim(job.pk)
        raise UpstreamUnavailable

    work.act = overtaken
    assert runner.run_job(job.pk) == "lease lost, outcome ignored"
    job.refresh_from_db()
    assert job.state == JobState.RUNNING


def test_job_that_kills_its_workers_is_given_up(work):
    job = services.enqueue(KIND, {})
    for _ in range(3):
        leases.claim(job.pk)
        _expire(job)
    runner.run_job(job.pk)
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert "vanished" in job.last_error
    assert work.calls == []


def test_progress_is_shown_while_the_job_runs(work):
    job = services.enqueue(KIND, {})

    def report(**_):
        leases.report_progress("3 of 10")
        assert Job.objects.get(pk=job.pk).progress == "3 of 10"
        return "done"

    work.act = report
    assert runner.run_job(job.pk) == "succeeded: done"


def test_progress_stops_a_worker_whose_job_was_taken_over(work):
    job = services.enqueue(KIND, {})

    def overtaken(**_):
        _expire(job)
        leases.claim(job.pk)
        leases.report_progress("still here")
        raise AssertionError("must not get here")

    work.act = overtaken
    assert runner.run_job(job.pk) == "lease lost"


def test_progress_outside_a_job_is_silent():
    leases.report_progress("nobody listens")


def test_kind_unknown_to_this_worker_waits_for_one_that_knows_it(work):
    job = services.enqueue(KIND, {})
    del registry.job_kinds[KIND]
    runner.run_job(job.pk)
    job.refresh_from_db()
    assert (job.state, job.attempts) == (JobState.QUEUED, 0)


def test_task_in_the_queue_carries_nothing_but_the_identifier(work):
    services.enqueue(KIND, {"note": "canary-argument"})
    from django_q.signing import SignedPackage

    payload = SignedPackage.loads(OrmQ.objects.get().payload)
    assert "canary-argument" not in json.dumps(payload, default=str)
    assert payload["timeout"] == 60
