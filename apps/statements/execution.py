"""Who runs a statement that was put together before? The database's own connection, prepared."""

from collections.abc import Sequence
from typing import Any

from django.db import connection


def cursor() -> Any:
    """Return a cursor as a context manager; on PostgreSQL its statements are prepared."""
    prepared = getattr(connection, "prepared_cursor", None)
    return prepared() if prepared is not None else connection.cursor()


def fetch_all(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run a query and return its rows."""
    with cursor() as ready:
        ready.execute(sql, values)
        rows: list[tuple[Any, ...]] = ready.fetchall()
    return rows


def affected(sql: str, values: Sequence[Any]) -> int:
    """Run a change and return how many rows it touched."""
    with cursor() as ready:
        ready.execute(sql, values)
        return int(ready.rowcount)
