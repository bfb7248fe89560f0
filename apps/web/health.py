"""Health endpoints: ``/livez`` (the process answers) and ``/readyz`` (it can serve)."""

import logging
from collections.abc import Callable, Iterator

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from apps import registry

_logger = logging.getLogger(__name__)
_NO_STORE = {"Cache-Control": "no-store"}
_ALIVE = b'{"status": "ok"}'
_WITHHELD = "failed, see the log"


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
    checks = {name: _outcome(name, check) for name, check in _checks()}
    wrong = {name for name, outcome in checks.items() if outcome != "ok"}
    advisory = {name for name, found in registry.readiness_checks.items() if found.advisory}
    failing = bool(wrong - advisory)
    return JsonResponse(
        {"status": "failing" if failing else "degraded" if wrong else "ok", "checks": checks},
        status=503 if failing else 200,
        headers=_NO_STORE,
    )


def _checks() -> Iterator[tuple[str, Callable[[], str]]]:
    yield "database", _database
    yield "migrations", migrations
    for name, registered in registry.readiness_checks.items():
        yield name, registered.check


def _outcome(name: str, check: Callable[[], str]) -> str:
    try:
        return check() or "ok"
    except Exception:  # a check that breaks is a failed check, whatever broke it
        _logger.exception("readiness check %s broke", name)
        return _WITHHELD


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return ""


class Migrations:
    """Remembers once all migrations are in: they are never taken out under a running process."""

    applied = False

    def check(self) -> str:
        """Return what is missing; empty when nothing is."""
        if not self.applied:
            executor = MigrationExecutor(connection)
            missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
            if missing:
                return f"{len(missing)} migrations are not applied"
            self.applied = True
        return ""


migrations = Migrations().check
