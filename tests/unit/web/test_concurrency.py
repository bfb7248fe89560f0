"""Requests in work are bounded; those beyond wait, but not behind requests that hang."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from apps.errors import Busy
from apps.web import concurrency
from apps.web.concurrency import ConcurrencyLimit, limit_concurrency


def two_in_turn(limit, *, refusable_s=0.0):
    """Return what two pieces of work say; the second begins while the first has the only slot.

    Args:
        limit: what has one slot.
        refusable_s: how long the second may be refused before the first ends.
    """
    entered, go = threading.Event(), threading.Event()

    def work():
        with limit.slot():
            entered.set()
            assert go.wait(30)
        return "done"

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(work)
        assert entered.wait(30)
        second = pool.submit(work)
        if refusable_s:
            wait([second], timeout=refusable_s)
        go.set()
        return first.result(), second.result()


def test_a_slot_that_becomes_free_goes_to_whoever_waits():
    assert two_in_turn(ConcurrencyLimit(1, 30.0)) == ("done", "done")


def test_a_burst_after_a_quiet_hour_waits_for_its_slots(monkeypatch):
    limit = ConcurrencyLimit(1, 30.0)
    later = time.monotonic() + 3600
    monkeypatch.setattr(concurrency.time, "monotonic", lambda: later)
    assert two_in_turn(limit, refusable_s=0.3) == ("done", "done")


def test_nobody_waits_behind_requests_that_hang():
    limit = ConcurrencyLimit(1, 0.0)
    with limit.slot(), pytest.raises(Busy), limit.slot():
        pass
    with limit.slot():  # free again
        pass


def test_a_fault_frees_its_slot():
    limit = ConcurrencyLimit(1, 0.0)
    with pytest.raises(ValueError, match="x"), limit.slot():
        raise ValueError("x")
    with limit.slot():
        pass


def test_beyond_those_that_may_wait_nobody_waits_where_nothing_moves():
    limit = ConcurrencyLimit(1, 60.0, waiting=0, last_thread_s=0.0)
    with limit.slot(), pytest.raises(Busy), limit.slot():
        pass


def test_beyond_those_that_may_wait_a_slot_is_had_while_others_end():
    limit = ConcurrencyLimit(1, 60.0, waiting=0, last_thread_s=30.0)
    assert two_in_turn(limit, refusable_s=0.3) == ("done", "done")


def test_more_requests_than_threads_hang_and_a_probe_has_a_thread(settings, monkeypatch):
    monkeypatch.setattr(concurrency, "TIMEOUT_S", 60.0)
    monkeypatch.setattr(concurrency, "LAST_THREAD_S", 0.1)
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"THREADS": 2, "SPARE_THREADS": 3}
    go = threading.Event()

    def view(request):
        if request.path != "/livez":
            assert go.wait(30)
        return HttpResponse("fine")

    handler, ask = limit_concurrency(view), RequestFactory().get
    with ThreadPoolExecutor(2 + 3) as pool:  # as many as the server has
        hanging = [pool.submit(handler, ask("/api/v1/hangs/")) for _ in range(12)]
        probe = pool.submit(handler, ask("/livez"))
        try:
            assert probe.result(timeout=20).content == b"fine"
            assert sum(not one.done() for one in hanging) == 4  # two work, two may wait
        finally:
            go.set()
        statuses = sorted(one.result().status_code for one in hanging)
        assert statuses == [200] * 4 + [503] * 8


def test_while_all_requests_hang_probes_answer_and_others_are_503(settings, monkeypatch):
    monkeypatch.setattr(concurrency, "TIMEOUT_S", 0.0)
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"THREADS": 1}
    entered, go = threading.Event(), threading.Event()

    def view(request):
        if request.path == "/api/v1/hangs/":
            entered.set()
            assert go.wait(30)
        return HttpResponse("fine")

    handler, ask = limit_concurrency(view), RequestFactory().get
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(handler, ask("/api/v1/hangs/"))
        assert entered.wait(30)
        assert handler(ask("/livez")).content == b"fine"
        refused = handler(ask("/api/v1/certificates/"))
        assert (refused.status_code, refused["Retry-After"]) == (503, "5")
        assert json.loads(refused.content)["code"] == "busy"
        go.set()
        assert hanging.result().content == b"fine"
    assert handler(ask("/api/v1/certificates/")).content == b"fine"
