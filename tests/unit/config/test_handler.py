"""Does a server process close its database connection when it should, and only then?"""

import time

import pytest
from django.core.signals import request_finished, request_started
from django.db import connections

from config import handler


@pytest.fixture
def closed(transactional_db, monkeypatch):
    """Return a list that each closing of the connection adds to; it is open at first."""
    found: list[str] = []
    connections["default"].ensure_connection()
    # An SQLite database in memory would ignore the call.
    monkeypatch.setattr(connections["default"], "close", lambda: found.append("closed"))
    return found


def test_a_sound_connection_is_kept(closed):
    handler.close_old_connection()
    assert not closed


def test_a_connection_left_in_a_transaction_is_closed(closed):
    connections["default"].set_autocommit(False)
    handler.close_old_connection()
    connections["default"].set_autocommit(True)
    assert closed


@pytest.mark.parametrize("usable", [True, False])
def test_a_connection_after_an_error_is_closed_if_it_is_broken(closed, monkeypatch, usable):
    monkeypatch.setattr(connections["default"], "errors_occurred", True)
    monkeypatch.setattr(connections["default"], "is_usable", lambda: usable)
    handler.close_old_connection()
    assert bool(closed) is not usable


def test_a_connection_that_is_too_old_is_closed(closed, monkeypatch):
    monkeypatch.setattr(connections["default"], "close_at", time.monotonic())
    handler.close_old_connection()
    assert closed


def test_connections_are_closed_around_each_request_and_nothing_else_is_done(monkeypatch):
    for signal in (request_started, request_finished):
        monkeypatch.setattr(signal, "receivers", list(signal.receivers))
    handler.application()
    for signal in (request_started, request_finished):
        assert [receiver for _, receiver, _ in signal.receivers] == [handler.close_old_connection]


def test_there_is_no_other_database(settings):
    assert list(settings.DATABASES) == ["default"]
