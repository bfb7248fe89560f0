"""How do values travel to a prepared statement? As texts, which the server reads by its types."""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db.models import (
    BinaryField,
    BooleanField,
    CharField,
    DateTimeField,
    Field,
    IntegerField,
    TextField,
    UUIDField,
)
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
    texts = [
        _TEXTS[type(value)](value) if type(value) in _TEXTS else other_text(value, connection)
        for value in values
    ]
    refuse_nul(texts)
    return texts


def refuse_nul(texts: Iterable[bytes | None]) -> None:
    """Refuse values in text form of which one holds NUL; none but texts of users ever does.

    Raises:
        ValueError: libpq would cut it there.
    """
    if b"\0" in b"".join(filter(None, texts)):
        raise ValueError("A text for PostgreSQL cannot hold NUL (0x00) characters.")


def _text(value: Any) -> bytes:
    encoded: bytes = (value if isinstance(value, str) else str(value)).encode()
    return encoded


def _number(value: int) -> bytes:
    return b"%d" % value


def _flag(value: Any) -> bytes:
    return b"t" if value else b"f"


def _octets(value: Any) -> bytes:
    return b"\\x" + value.hex().encode()


def _identifier(value: Any) -> bytes:
    return b"%032x" % value.int if type(value) is UUID else str(value).encode()


def _moment(value: datetime) -> bytes:
    return value.isoformat().encode()


def other_text(value: Any, connection: Any) -> bytes | None:
    """Return what psycopg makes of a value of any other type; subclasses of texts are texts."""
    if isinstance(value, str):
        return _text(value)
    connection.ensure_connection()
    (dumped,) = Transformer(connection.connection).dump_sequence([value], [PyFormat.TEXT])
    return None if dumped is None else bytes(dumped)


# By the type of the value, and, where rows are written, by the kind of the column.
_TEXTS: dict[type, Callable[[Any], bytes | None]] = {
    type(None): lambda _value: None,
    str: _text,
    int: _number,
    bool: _flag,
    bytes: _octets,
    UUID: _identifier,
    datetime: _moment,
}
_OF_FIELDS: dict[type, Callable[[Any], bytes]] = {
    CharField: _text,
    TextField: _text,
    UUIDField: _identifier,
    DateTimeField: _moment,
    BinaryField: _octets,
    BooleanField: _flag,
    IntegerField: _number,
}


def text_form(field: "Field[Any, Any]") -> Callable[[Any], bytes] | None:
    """Return what brings a column's values into text form; ``None`` for other kinds of columns."""
    target: Any = field
    while target.remote_field is not None:
        target = target.target_field
    kinds = [kind for kind in type(target).__mro__ if kind in _OF_FIELDS]
    return _OF_FIELDS[kinds[0]] if kinds else None
