"""Races between workers and enqueuers; only a server with row locks can show them."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections, transaction

from apps.jobs import leases, runner, services
from apps.jobs.models import Job, JobState

from .conftest import KIND

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
_THREADS = 12


def at_once(act: Callable[[], object]) -> list[object]:
    """Run ``act`` in many threads at the same moment, each with a connection of its own."""
    gate = threading.Barrier(_THREADS)

    def run(_: int) -> object:
        gate.wait()
        try:
            return act()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(run, range(_THREADS)))


def test_of_many_workers_one_runs_the_job(work):
    job = services.enqueue(KIND, {})
    outcomes = at_once(lambda: runner.run_job(job.pk))
    assert len(work.calls) == 1
    assert sorted(outcomes) == ["nothing to do"] * (_THREADS - 1) + ["succeeded: done"]


def test_expired_lease_is_taken_over_once(work):
    job = services.enqueue(KIND, {})
    leases.claim(job.pk)
    Job.objects.update(lease_until="2020-01-01T00:00Z")
    at_once(lambda: runner.run_job(job.pk))
    assert len(work.calls) == 1


def test_many_enqueuers_open_one_job(work):
    jobs = at_once(lambda: services.enqueue(KIND, {}, idempotency_key="a1").pk)
    assert len(set(jobs)) == 1
    assert Job.objects.count() == 1


def test_worker_waits_for_the_transaction_that_asks_for_the_job(work):
    """Else it would read the data before the caller's changes, and nobody would run it again."""
    job = services.enqueue(KIND, {}, idempotency_key="a1")
    asked, committed = threading.Event(), threading.Event()
    seen: list[bool] = []

    def look(**_):
        seen.append(committed.is_set())
        return "done"

    work.act = look

    def worker() -> None:
        asked.wait()
        runner.run_job(job.pk)
        connections.close_all()

    thread = threading.Thread(target=worker)
    thread.start()
    with transaction.atomic():
        services.enqueue(KIND, {}, idempotency_key="a1")
        asked.set()
        thread.join(timeout=0.5)
        assert thread.is_alive()
        committed.set()
    thread.join()
    assert seen == [True]


def test_no_request_is_lost_between_enqueuers_and_workers(work):
    """Whatever the interleaving, the last run sees what every committed request had written."""
    seen: list[int] = []

    def look(**_):
        seen.append(Job.objects.filter(state=JobState.CANCELLED).count())
        return "done"

    work.act = look

    def write_and_ask() -> None:
        with transaction.atomic():
            Job.objects.create(kind="tests.data", state=JobState.CANCELLED)
            job = services.enqueue(KIND, {}, idempotency_key="a1")
        runner.run_job(job.pk)

    at_once(write_and_ask)
    for job in Job.objects.filter(state=JobState.QUEUED):
        runner.run_job(job.pk)
    assert max(seen) == _THREADS
    assert not Job.objects.filter(kind=KIND).exclude(state=JobState.SUCCEEDED).exists()
