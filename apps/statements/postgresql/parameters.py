"""How do values travel to a prepared statement? As texts, which the server reads by its types."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from psycopg.adapt import PyFormat, Transformer

_PLACEHOLDER = re.compile("%s|%%")


@lru_cache(maxsize=1024)
def numbered(sql: str) -> bytes:
    """Return a statement with ``$1``, ``$2`` ... for each ``%s``, and ``%`` for ``%%``."""
    return _numbered(sql)


@lru_cache(maxsize=8)
def numbered_once(sql: str) -> bytes:
    """Do the same for statements that are long and seldom come again."""
    return _numbered(sql)


def _numbered(sql: str) -> bytes:
    numbers = iter(range(1, sql.count("%s") + 1))
    return _PLACEHOLDER.sub(
        lambda found: f"${next(numbers)}" if found[0] == "%s" else "%", sql
    ).encode()


def as_texts(values: Sequence[Any], connection: Any) -> list[bytes | None]:
    """Return values as PostgreSQL reads them in text format.

    Raises:
        ValueError: a text holds NUL, at which libpq would cut it.
    """
    return [
        _TEXTS[type(value)](value) if type(value) in _TEXTS else _other(value, connection)
        for value in values
    ]


def _text(value: str) -> bytes:
    encoded = value.encode()
    if b"\0" in encoded:
        raise ValueError("A text for PostgreSQL cannot hold NUL (0x00) characters.")
    return encoded


def _other(value: Any, connection: Any) -> bytes | None:
    """Return what psycopg makes of a value of any other type; subclasses of texts are texts."""
    if isinstance(value, str):
        return _text(str(value))
    connection.ensure_connection()
    (dumped,) = Transformer(connection.connection).dump_sequence([value], [PyFormat.TEXT])
    return None if dumped is None else bytes(dumped)


_TEXTS: dict[type, Callable[[Any], bytes | None]] = {
    type(None): lambda _value: None,
    str: _text,
    int: lambda value: b"%d" % value,
    bool: lambda value: b"t" if value else b"f",
    bytes: lambda value: b"\\x" + value.hex().encode(),
    UUID: lambda value: str(value).encode(),
    datetime: lambda value: value.isoformat().encode(),
}
