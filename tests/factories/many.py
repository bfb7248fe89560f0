"""Thousands of rows like one that exists, written by the database itself."""

from typing import Any

from django.db import connection, models

UUID = {"postgresql": "gen_random_uuid()", "sqlite": "lower(hex(randomblob(16)))"}


def multiply(row: models.Model, count: int, **changed: str) -> None:
    """Insert ``count`` rows like ``row``.

    Args:
        row: the one to repeat.
        count: how many to add.
        changed: SQL of the columns that differ; ``n`` in it counts from 1, and ``UUID`` stands
            for a new random key.
    """
    meta: Any = row._meta
    quote = connection.ops.quote_name
    new = UUID[connection.vendor]
    if meta.pk.get_internal_type() == "UUIDField":
        changed.setdefault(meta.pk.column, new)
    columns = [
        field.column
        for field in meta.local_concrete_fields
        if not isinstance(field, models.AutoField)
    ]
    assert set(changed) <= set(columns)
    values = [
        changed.get(column, f"source.{quote(column)}").replace("UUID", new) for column in columns
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE counter(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < {count}) "
            f"INSERT INTO {quote(meta.db_table)} ({', '.join(map(quote, columns))}) "
            f"SELECT {', '.join(values)} FROM {quote(meta.db_table)} AS source, counter "
            f"WHERE source.{quote(meta.pk.column)} = %s",
            [meta.pk.get_db_prep_value(row.pk, connection)],
        )


def analyze() -> None:
    """Let the database look at what it holds now, as it does by itself after a while."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # New entries of a GIN index wait in a list, which vacuuming empties.
            cursor.execute(
                "SELECT gin_clean_pending_list(pg_class.oid) FROM pg_class "
                "JOIN pg_am ON pg_am.oid = relam WHERE amname = 'gin' AND relkind = 'i'"
            )
        cursor.execute("ANALYZE")
