"""How do values travel to a prepared statement? As texts, which the server reads by its types.

Where a row is written, the column says what the type is. Keys, times and octets then travel in
the server's own form, which costs both sides less than their texts.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from json import JSONEncoder
from typing import Any
from uuid import UUID

from django.db.models import (
    BinaryField,
    BooleanField,
    CharField,
    DateTimeField,
    Field,
    IntegerField,
    JSONField,
    TextField,
    UUIDField,
)
from psycopg.adapt import PyFormat, Transformer

TEXT, BINARY = 0, 1

_PLACEHOLDER = re.compile("%s|%%")
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Bound:
    """What stands in a statement's placeholders, as libpq takes it.

    Attributes:
        values: ``None`` for NULL.
        formats: ``TEXT`` or ``BINARY`` for each; ``None`` where all are texts.
    """

    values: list[bytes | None]
    formats: list[int] | None = None


@dataclass(frozen=True, slots=True)
class WireForm:
    """How the values of a column travel.

    Attributes:
        of: brings a value that is not ``None`` into this form.
        format: ``TEXT`` or ``BINARY``.
    """

    of: Callable[[Any], bytes | None]
    format: int = TEXT


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


def _text(value: Any) -> bytes:
    text = value if isinstance(value, str) else str(value)
    if "\0" in text:
        raise ValueError("A text for PostgreSQL cannot hold NUL (0x00) characters.")
    return text.encode()


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


def _other(value: Any, connection: Any) -> bytes | None:
    """Return what psycopg makes of a value of any other type; subclasses of texts are texts."""
    if isinstance(value, str):
        return _text(value)
    connection.ensure_connection()
    (dumped,) = Transformer(connection.connection).dump_sequence([value], [PyFormat.TEXT])
    return None if dumped is None else bytes(dumped)


def _binary_identifier(value: Any) -> bytes:
    identifier = value if type(value) is UUID else UUID(str(value))
    return identifier.int.to_bytes(16, "big")


def _binary_moment(value: datetime) -> bytes:
    """Return microseconds since the year 2000, as PostgreSQL keeps times."""
    return ((value - _EPOCH) // _MICROSECOND).to_bytes(8, "big", signed=True)


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
_OF_FIELDS: dict[type, WireForm] = {
    CharField: WireForm(_text),
    TextField: WireForm(_text),
    UUIDField: WireForm(_binary_identifier, BINARY),
    DateTimeField: WireForm(_binary_moment, BINARY),
    BinaryField: WireForm(bytes, BINARY),
    BooleanField: WireForm(_flag),
    IntegerField: WireForm(_number),
}


def wire_form(field: "Field[Any, Any]") -> WireForm | None:
    """Return how a column's values travel; ``None`` for other kinds of columns."""
    if isinstance(field, JSONField):
        encode = (field.encoder or JSONEncoder)().encode
        return WireForm(lambda value: encode(value).encode())
    target: Any = field
    while target.remote_field is not None:
        target = target.target_field
    kinds = [kind for kind in type(target).__mro__ if kind in _OF_FIELDS]
    return _OF_FIELDS[kinds[0]] if kinds else None
