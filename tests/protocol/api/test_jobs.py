"""Tests of the API of background jobs, for each role."""

import pytest

from apps.jobs.models import Job, JobState
from tests.protocol.api.conftest import ABSENT, bare, code_of, fields_of

pytestmark = pytest.mark.django_db


def make_job(state: str = JobState.FAILED, kind: str = "crl.publish") -> Job:
    return Job.objects.create(kind=kind, state=state, last_error="it rained", attempts=8)


def test_a_failed_job_is_tried_again_and_cancelled(governor):
    job = make_job()
    again = governor.post(f"jobs/{job.pk}/retry/").json()
    assert (again["state"], again["attempts"], again["last_error"]) == ("queued", 0, "")
    assert governor.post(f"jobs/{job.pk}/cancel/").json()["state"] == "cancelled"
    assert code_of(governor.post(f"jobs/{job.pk}/cancel/"), 409) == "invalid_transition"
    assert governor.get(f"jobs/{job.pk}/").json()["finished_at"]


def test_a_job_that_succeeded_is_not_repeated(governor):
    job = make_job(JobState.SUCCEEDED)
    assert code_of(governor.post(f"jobs/{job.pk}/retry/"), 409) == "invalid_transition"
    assert fields_of(governor.post(f"jobs/{job.pk}/retry/", {"force": 1})) == {"force"}


def test_the_list_is_filtered_and_sorted(governor):
    for state, kind in (("failed", "b"), ("queued", "a"), ("failed", "c"), ("failed", "a")):
        make_job(state, kind)
    assert len(governor.rows("jobs/?state=failed")) == 3
    assert [row["kind"] for row in governor.rows("jobs/?sort=kind&limit=1")] == list("aabc")
    assert [row["kind"] for row in governor.rows("jobs/?sort=-kind&limit=1")] == list("cbaa")
    assert len(governor.rows("jobs/?search=RAIN&kind=a")) == 2


def test_only_administrators_see_jobs(stranger, members, reading_governor):
    job = make_job()
    for caller in (stranger, *members.values()):
        assert code_of(caller.get("jobs/"), 403) == "access_denied"
        for method, path in (("GET", ""), ("POST", "retry/"), ("POST", "cancel/")):
            answer = caller(method, f"jobs/{job.pk}/{path}")
            assert code_of(answer, 404) == "not_found"
            assert bare(answer) == bare(caller(method, f"jobs/{ABSENT}/{path}"))
    assert len(reading_governor.rows("jobs/")) >= 1
    assert code_of(reading_governor.post(f"jobs/{job.pk}/retry/"), 403) == "access_denied"
    assert Job.objects.get(pk=job.pk).state == JobState.FAILED
