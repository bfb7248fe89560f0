"""Health endpoints: ``/livez`` (the process answers) and ``/readyz`` (it can serve)."""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from apps import registry
from apps.statements import execution, faults
from apps.web import trace

_logger = logging.getLogger(__name__)
_NO_STORE = {"Cache-Control": "no-store"}
_ALIVE = b'{"status": "ok"}'
_WITHHELD = "failed, see the log"
_UNASKED = "not looked at, because the database does not answer in time"
# Of all checks together, and for a lock on SQLite's file; probes give up after a few seconds.
_WITHIN_S, _LOCK_WAIT_MS = 1.5, 400
_READ = "SELECT count(*) FROM sqlite_master"
_UNAVAILABLE = "the database is away, read-only, locked or full, see the log"


@require_safe
def livez(_request: HttpRequest) -> HttpResponse:
    """Answer 200 as long as the process answers at all; touches nothing else."""
    return HttpResponse(_ALIVE, content_type="application/json", headers=_NO_STORE)


@require_safe
def readyz(_request: HttpRequest) -> HttpResponse:
    """Run every check: 200 when all pass, else 503, each check by name.

    Body: ``{"status": "ok"|"degraded"|"failing", "checks": {name: "ok" or what is wrong}}``.
    ``degraded`` comes with 200: something wants attention, and the server serves nevertheless.
    """
    checks = _outcomes()
    wrong = {name: outcome for name, outcome in checks.items() if outcome != "ok"}
    advisory = {name for name, found in registry.readiness_checks.items() if found.advisory}
    failing = {name: outcome for name, outcome in wrong.items() if name not in advisory}
    if failing:
        listed = "; ".join(f"{name}: {outcome}" for name, outcome in failing.items())
        trace.note_cause("; ".join(filter(None, [listed, trace.cause()])))
    return JsonResponse(
        {"status": "failing" if failing else "degraded" if wrong else "ok", "checks": checks},
        status=503 if failing else 200,
        headers=_NO_STORE,
    )


def _outcomes() -> dict[str, str]:
    """Run the checks; soon enough for whoever probes, also when the database is locked."""
    found = {"database": _outcome("database", _database)}
    if found["database"] == _UNAVAILABLE:  # asking on would wait for the same once more each time
        return found | {name: _UNASKED for name, _ in _checks()}
    until = time.monotonic() + _WITHIN_S
    with execution.short_lock_wait(_LOCK_WAIT_MS):
        for name, check in _checks():
            found[name] = _outcome(name, check) if time.monotonic() < until else _UNASKED
    return found


def _checks() -> Iterator[tuple[str, Callable[[], str]]]:
    yield "migrations", migrations
    for name, registered in registry.readiness_checks.items():
        yield name, registered.check


def _outcome(name: str, check: Callable[[], str]) -> str:
    try:
        return check() or "ok"
    except Exception as error:  # a check that breaks is a failed check, whatever broke it
        known = faults.unavailability(error)
        if known is not None:
            trace.note_cause(known.cause)
            return _UNAVAILABLE
        _logger.exception("readiness check %s broke", name)
        return _WITHHELD


def _database() -> str:
    if connection.vendor == "sqlite":
        return _sqlite()
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('transaction_read_only')")
        (read_only,) = cursor.fetchone()
    return "the database is read-only" if read_only == "on" else ""


def _sqlite() -> str:
    """Read something; a new connection of Django's would wait long for whoever locks the file."""
    if connection.connection is None:
        url = f"{Path(connection.settings_dict['NAME']).absolute().as_uri()}?mode=rw"
        try:
            with closing(sqlite3.connect(url, uri=True, timeout=_LOCK_WAIT_MS / 1000)) as probe:
                probe.execute(_READ)
        except sqlite3.Error as error:
            trace.note_cause(str(error))
            return _UNAVAILABLE
    with execution.short_lock_wait(_LOCK_WAIT_MS), connection.cursor() as cursor:
        cursor.execute(_READ)
    return ""


@dataclass(slots=True)
class Remembered:
    """A check whose outcome holds for a while, so that whoever asks often costs no more.

    Attributes:
        check: returns what is wrong; empty when all is well.
        ok_for_s: how long a good outcome holds.
        failing_for_s: how long a bad one does; shorter, so that a recovery shows soon.
    """

    check: Callable[[], str]
    ok_for_s: float = 5.0
    failing_for_s: float = 1.0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _outcome: str = ""
    _until: float = 0.0

    def __call__(self) -> str:
        """Return the outcome that holds now; while somebody else checks, the one before."""
        # Before the first outcome there is none to return: whoever asks then waits for it.
        if time.monotonic() >= self._until and self._lock.acquire(blocking=not self._until):
            try:
                if time.monotonic() >= self._until:
                    self._outcome = self._checked()
                    holds_s = self.failing_for_s if self._outcome else self.ok_for_s
                    self._until = time.monotonic() + holds_s
            finally:
                self._lock.release()
        return self._outcome

    def _checked(self) -> str:
        try:
            return self.check()
        except DatabaseError as error:
            known = faults.unavailability(error)
            if known is None:
                raise
            trace.note_cause(known.cause)
            return _UNAVAILABLE


def missing_migrations() -> int:
    """Return how many migrations are not applied; it reads all migration files for that."""
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


class Migrations:
    """Remembers what was applied when nothing was missing: only then the plan is made again."""

    def __init__(self) -> None:
        self.applied: frozenset[tuple[str, str]] = frozenset()

    def check(self) -> str:
        """Return what is missing; empty when nothing is."""
        if (
            self.applied
            and self.applied <= MigrationRecorder(connection).applied_migrations().keys()
        ):
            return ""
        self.applied = frozenset()
        missing = missing_migrations()
        if missing:
            return f"{missing} migrations are not applied"
        self.applied = frozenset(MigrationRecorder(connection).applied_migrations())
        return ""


migrations = Remembered(Migrations().check)
