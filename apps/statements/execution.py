"""Who runs a statement that was put together before? The thread's connection, prepared if it can."""

from collections.abc import Sequence
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections


def fetch_all(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run a query and return its rows."""
    connection: Any = connections[DEFAULT_DB_ALIAS]
    if connection.vendor == "postgresql" and connection.takes_prepared():
        rows: list[tuple[Any, ...]] = connection.run_prepared(sql, values)[0]
        return rows
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def affected(sql: str, values: Sequence[Any]) -> int:
    """Run a change and return how many rows it touched."""
    connection: Any = connections[DEFAULT_DB_ALIAS]
    if connection.vendor == "postgresql" and connection.takes_prepared():
        return int(connection.run_prepared(sql, values)[1])
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return int(cursor.rowcount)
