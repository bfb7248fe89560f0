"""Readiness tells that nothing can be written, and that no worker runs."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django_q.models import Schedule

from apps import clock
from apps.jobs import health
from apps.jobs.models import Job, JobState
from apps.statements import faults

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def long_started(monkeypatch):
    monkeypatch.setattr(health, "started_at", health.started_at - 3600)


def schedules(due: timedelta) -> None:
    Schedule.objects.filter(name__startswith="sealwright.").update(next_run=clock.now() + due)


def test_the_probe_leaves_nothing_behind():
    assert health.cannot_write() == ""
    assert not Job.objects.filter(kind="probe").exists()


def test_a_session_that_is_read_only_fails_the_probe():
    readers = {
        "postgresql": ("SET TRANSACTION READ ONLY", ""),
        "sqlite": ("PRAGMA query_only = on", "PRAGMA query_only = off"),
    }
    before, after = readers[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(before)
    try:
        with pytest.raises(DatabaseError) as caught:
            health.cannot_write()
    finally:
        if after:
            with connection.cursor() as cursor:
                cursor.execute(after)
    assert faults.unavailability(caught.value) is not None


def test_a_schedule_that_nobody_moves_on_is_noticed():
    schedules(timedelta(minutes=1))
    assert health.not_running() == ""
    schedules(-timedelta(minutes=4))
    assert "no worker" in health.not_running()


def test_due_jobs_that_nobody_begins_are_noticed_unless_others_run():
    schedules(timedelta(minutes=1))
    Job.objects.create(kind="crl.sweep", next_attempt_at=clock.now() - timedelta(minutes=4))
    assert "have waited" in health.not_running()
    Job.objects.create(
        kind="crl.sweep",
        state=JobState.RUNNING,
        lease_until=clock.now() + timedelta(minutes=1),
    )
    assert health.not_running() == ""


def test_nothing_is_late_right_after_a_start(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(health, "started_at", health.time.monotonic())
    schedules(-timedelta(days=1))
    assert health.not_running() == ""
