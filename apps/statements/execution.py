"""Who runs a statement that was put together before? The thread's connection, prepared if it can."""

import threading
from collections.abc import Sequence
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections


class _Here(threading.local):
    """The connection of each thread, which Django makes once: its own way to it is a long one."""

    def __init__(self) -> None:
        self.connection = connections[DEFAULT_DB_ALIAS]


_here = _Here()


def here() -> Any:
    """Return this thread's connection."""
    return _here.connection


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
