"""Requests in work are bounded; those beyond wait, and do not where nothing moves."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from apps.errors import Busy
from apps.web import places as places_module
from apps.web.places import Places, limit_requests


def test_a_place_that_becomes_free_goes_to_whoever_waits():
    places, entered, go = Places(1, patience_s=30.0), threading.Event(), threading.Event()

    def work():
        with places.held():
            entered.set()
            assert go.wait(30)
        return "done"

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(work)
        assert entered.wait(30)
        second = pool.submit(work)
        go.set()
        assert (first.result(), second.result()) == ("done", "done")


def test_nobody_waits_where_nothing_moves():
    places = Places(1, patience_s=0.0)
    with places.held(), pytest.raises(Busy), places.held():
        pass
    with places.held():  # free again
        pass


def test_a_fault_frees_its_place():
    places = Places(1, patience_s=0.0)
    with pytest.raises(ValueError, match="x"), places.held():
        raise ValueError("x")
    with places.held():
        pass


def test_while_all_requests_hang_probes_answer_and_others_are_503(settings, monkeypatch):
    monkeypatch.setattr(places_module, "PATIENCE_S", 0.0)
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"THREADS": 1}
    entered, go = threading.Event(), threading.Event()

    def view(request):
        if request.path == "/api/v1/hangs/":
            entered.set()
            assert go.wait(30)
        return HttpResponse("fine")

    handler, ask = limit_requests(view), RequestFactory().get
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
