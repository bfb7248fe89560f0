"""Who runs a statement that was put together before? The thread's connection, prepared if it can."""

from collections.abc import Sequence
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections


def here() -> Any:
    """Return this thread's connection itself: every look through Django's proxy costs a little."""
    return connections[DEFAULT_DB_ALIAS]


def fetch_all(
    connection: Any, sql: str, values: Sequence[Any], *, once: bool = False
) -> list[tuple[Any, ...]]:
    """Run a query and return its rows; ``once`` when it will hardly be run again."""
    if connection.vendor == "postgresql" and connection.takes_prepared():
        rows: list[tuple[Any, ...]] = connection.run_prepared(sql, values, once=once)[0]
        return rows
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def affected(connection: Any, sql: str, values: Sequence[Any]) -> int:
    """Run a change and return how many rows it touched."""
    if connection.vendor == "postgresql" and connection.takes_prepared():
        return int(connection.run_prepared(sql, values)[1])
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return int(cursor.rowcount)
