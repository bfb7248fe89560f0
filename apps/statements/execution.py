"""Execution of SQL that was compiled earlier, as server-side prepared statements on PostgreSQL.

Django binds values on the client, so that PostgreSQL parses and plans each statement anew. A
psycopg cursor with ``prepare=True`` lets it do that once for each connection. Transactions, query
logging, wrappers and error classes are Django's, and the same inside and outside of transactions.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from itertools import count
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections

# Preparing pays for statements that come again; those of larger batches hardly ever do.
_MAX_PREPARED_VALUES = 500
_PLACEHOLDER = re.compile("%s|%%")


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


def fetch_all(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run a query and return its rows."""
    with _executed(sql, values) as cursor:
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def affected(sql: str, values: Sequence[Any]) -> int:
    """Run a change and return how many rows it touched."""
    with _executed(sql, values) as cursor:
        return int(cursor.rowcount)


@contextmanager
def _executed(sql: str, values: Sequence[Any]) -> Iterator[Any]:
    connection = here()
    if connection.vendor != "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            yield cursor
        return
    # As ``connection.cursor()`` begins: a connection that the server ended is made anew.
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    raw = _PreparingCursor(connection.connection)
    logged: Any = nullcontext()
    if connection.queries_logged:
        # Django's own log would ask this cursor for a text with the values in it; it has none.
        logged = connection.make_debug_cursor(raw).debug_sql(sql, values)
    with connection.make_cursor(raw) as cursor:
        with logged:
            cursor.execute(sql, values)
        yield cursor
