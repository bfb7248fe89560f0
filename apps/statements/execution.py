"""Execution of SQL that was compiled earlier, as server-side prepared statements on PostgreSQL.

Django binds values on the client, so that PostgreSQL parses and plans each statement anew. A
psycopg cursor with ``prepare=True`` lets it do that once for each connection. Transactions, query
logging, wrappers and error classes are Django's, and the same inside and outside of transactions.
"""

import re
import select
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import count
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections

# Preparing pays for statements that come again; those of larger batches hardly ever do.
_MAX_PREPARED_VALUES = 500
# As many as psycopg lets the server keep for one connection (``prepared_max``).
_MAX_CURSORS = 100
_TRUSTED_S = 20.0
_PLACEHOLDER = re.compile("%s|%%")


class _Connected(threading.local):
    """What belongs to the connection of this thread.

    Attributes:
        driver: psycopg's connection.
        cursors: by statement. A cursor that runs the same statement again keeps what it has found
            out about the types of its values and columns, which is half of its work.
        used_at: when a statement was last run, by the monotonic clock.
    """

    driver: Any = None
    used_at = 0.0

    def __init__(self) -> None:
        self.cursors: dict[str, Any] = {}


_connected = _Connected()


class _PreparingCursor(psycopg.RawCursor[Any]):
    """psycopg's cursor for ``$1`` placeholders, which asks for preparation of each statement."""

    def execute(
        self,
        query: Any,
        params: Sequence[Any] | Mapping[str, Any] | None = None,
        *,
        prepare: bool | None = None,  # noqa: ARG002 - decided here: Django's wrapper cannot say it
        binary: bool | None = None,
    ) -> "_PreparingCursor":
        """Execute, as psycopg does."""
        wanted = params is None or len(params) <= _MAX_PREPARED_VALUES
        return super().execute(_numbered(query), params, prepare=wanted, binary=binary)


@lru_cache(maxsize=1024)
def _numbered(sql: str) -> str:
    """Return a statement with ``$1``, ``$2`` ... for each ``%s`` of Django's, and ``%`` for ``%%``.

    psycopg converts long statements anew each time, which takes a tenth of a millisecond.
    """
    numbers = count(1)
    return _PLACEHOLDER.sub(lambda found: f"${next(numbers)}" if found[0] == "%s" else "%", sql)


def here() -> Any:
    """Return this thread's connection."""
    return connections[DEFAULT_DB_ALIAS]


def in_transaction() -> bool:
    """Tell whether this thread's connection is inside a transaction.

    The one that Django's test case opens around a test does not count, as production has none
    there. Django marks it, and uses the mark for its own check of durable blocks, but offers no
    public name for it (ADR 0017).
    """
    blocks = here().atomic_blocks
    return any(not block._from_testcase for block in blocks)  # noqa: SLF001 - ADR 0017


@contextmanager
def short_lock_wait(wait_ms: int = 50) -> Iterator[None]:
    """Let a write in this block fail soon if SQLite's only write lock is taken (``busy_timeout``).

    For writes that may as well be left out. On PostgreSQL writers wait for single rows only.

    Args:
        wait_ms: how long it may wait for the lock.
    """
    connection = here()
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        (usual,) = cursor.fetchone()
        cursor.execute(f"PRAGMA busy_timeout = {wait_ms:d}")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {usual:d}")


def fetch_all(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run a query and return its rows."""
    rows: list[tuple[Any, ...]] = _executed(sql, values).fetchall()
    return rows


def affected(sql: str, values: Sequence[Any]) -> int:
    """Run a change and return how many rows it touched."""
    return int(_executed(sql, values).rowcount)


def _executed(sql: str, values: Sequence[Any]) -> Any:
    """Return the cursor that has run a statement; it is good until the next one."""
    connection = here()
    if connection.vendor != "postgresql":
        cursor = connection.cursor()
        cursor.execute(sql, values)
        return cursor
    # As ``connection.cursor()`` begins: a connection that the server ended is made anew.
    if not _is_trusted(connection.connection):
        connection.close_if_health_check_failed()
        connection.ensure_connection()
    cursor = _cursor_for(connection, sql, len(values))
    if connection.queries_logged:
        # Django's own log would ask this cursor for a text with the values in it; it has none.
        with connection.make_debug_cursor(cursor).debug_sql(sql, values):
            cursor.execute(sql, values)
    else:
        cursor.execute(sql, values)
    _connected.used_at = time.monotonic()
    return cursor


def _cursor_for(connection: Any, sql: str, values: int) -> Any:
    """Return the cursor of this connection that has run the statement before, or a new one."""
    driver = connection.connection
    if _connected.driver is not driver:
        _connected.driver, _connected.cursors = driver, {}
    cursor = _connected.cursors.get(sql)
    if cursor is None:
        cursor = connection.make_cursor(_PreparingCursor(driver))
        if values <= _MAX_PREPARED_VALUES:
            if len(_connected.cursors) >= _MAX_CURSORS:
                _connected.cursors.clear()
            _connected.cursors[sql] = cursor
    return cursor


def _is_trusted(driver: Any) -> bool:
    """Tell whether a connection needs no health check, which takes a message to the server and back.

    It was used a moment ago, and the server has not spoken since: one that shuts down, or ends the
    connection, says so. A connection that was cut silently shows only after a while.
    """
    if driver is not _connected.driver or time.monotonic() - _connected.used_at > _TRUSTED_S:
        return False
    if driver is None or driver.closed:
        return False
    waiting = select.poll()
    waiting.register(driver.fileno(), select.POLLIN)
    return not waiting.poll(0)
