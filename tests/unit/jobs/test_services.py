"""Tests of cancel and retry."""

import pytest

from apps import principals
from apps.audit.models import AuditEvent
from apps.errors import AccessDenied, AlreadyExists, InvalidTransition
from apps.jobs import runner, services
from apps.jobs.models import Job, JobState
from apps.principals import Principal, ProductRole

from .conftest import KIND

pytestmark = pytest.mark.django_db
ADMIN = Principal("user", "1", "Ada", product_role=ProductRole.ADMIN)
MEMBER = Principal("user", "2", "Max")


def test_cancelled_job_does_not_run(work):
    job = services.cancel(ADMIN, services.enqueue(KIND, {}))
    assert job.state == JobState.CANCELLED
    assert runner.run_job(job.pk) == "nothing to do"
    assert AuditEvent.objects.get().event == "job.cancelled"


def test_cancelling_a_running_job_voids_its_outcome(work):
    job = services.enqueue(KIND, {})

    def cancelled(**_):
        services.cancel(ADMIN, job)
        return "too late"

    work.act = cancelled
    assert runner.run_job(job.pk) == "lease lost, outcome ignored"
    job.refresh_from_db()
    assert (job.state, job.result) == (JobState.CANCELLED, "")


def test_ended_job_cannot_be_cancelled(work):
    job = services.enqueue(KIND, {})
    runner.run_job(job.pk)
    with pytest.raises(InvalidTransition):
        services.cancel(ADMIN, job)


def test_failed_job_can_be_retried_afresh(work, pushed):
    job = services.enqueue(KIND, {})
    Job.objects.filter(pk=job.pk).update(state=JobState.FAILED, attempts=3, last_error="x")
    services.retry(ADMIN, job)
    assert (job.state, job.attempts, job.last_error) == (JobState.QUEUED, 0, "")
    assert pushed() == [str(job.pk)] * 2
    assert runner.run_job(job.pk) == "succeeded: done"
    assert AuditEvent.objects.get().event == "job.retried"


def test_succeeded_job_is_not_retried(work):
    job = services.enqueue(KIND, {})
    runner.run_job(job.pk)
    with pytest.raises(InvalidTransition):
        services.retry(ADMIN, job)


def test_retry_yields_to_an_open_job_of_the_same_purpose(work):
    failed = services.enqueue(KIND, {}, idempotency_key="a1")
    Job.objects.filter(pk=failed.pk).update(state=JobState.FAILED)
    services.enqueue(KIND, {}, idempotency_key="a1")
    with pytest.raises(AlreadyExists):
        services.retry(ADMIN, failed)


@pytest.mark.parametrize("act", [services.cancel, services.retry])
def test_only_administrators_steer_jobs(work, act):
    with pytest.raises(AccessDenied):
        act(MEMBER, services.enqueue(KIND, {}))
    assert act(principals.system("tests"), services.enqueue(KIND, {}))
