"""What do the statements of a batch look like? Texts from models, made once for each shape.

Tables, columns and types are Django's; values never become part of a text.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.models import AutoField, Field, GenericIPAddressField, JSONField, Model

from apps.statements.postgresql import parameters
from apps.statements.postgresql.parameters import WireForm

ToWire = Callable[[Any], bytes | None]
# Model, columns set, and columns asked for, each with the length of its list or 0.
Shape = tuple[type[Model], tuple[str, ...], tuple[tuple[str, int], ...]]
# A part that lets the transaction's commit not wait for the disk; it has to be selected from.
HASTY = "hasty AS (SELECT set_config('synchronous_commit', 'off', true))"
# Asked once, before. As a table to join it would be gone when a row that somebody else has just
# changed is looked at again, and that row be left as it is.
_GUARDED = "EXISTS (SELECT 1 FROM guard)"


@lru_cache(maxsize=256)
def batch(
    guard: Shape | str | None,
    changes: tuple[Shape, ...],
    inserts: tuple[tuple[type[Model], int], ...],
    touching: int,
    *,
    durable: bool,
) -> str:
    """Return PostgreSQL's statement for a batch of this shape; it says whether it was done.

    Args:
        guard: the change, or the query, that has to find rows for anything else to happen.
        changes: further ones.
        inserts: models, each with its number of rows.
        touching: how many rows the guard has to find; 0 for any.
        durable: whether the commit waits for the disk.
    """
    guarded = guard is not None
    parts = [] if durable else [HASTY]
    if isinstance(guard, str):
        parts.append(f"guard AS ({guard})")
    elif guard is not None:
        first = update(guard, guarded=False, vendor="postgresql")
        parts.append(f"guard AS ({first} RETURNING 1)")
    others = [update(shape, guarded=guarded, vendor="postgresql") for shape in changes]
    others += [
        insert(model, count, guarded=guarded, vendor="postgresql") for model, count in inserts
    ]
    parts += [f"part{number} AS ({sql})" for number, sql in enumerate(others)]
    done = "true" if guard is None else _GUARDED
    if touching:
        # Anything else divides by zero, which undoes the statement as a whole.
        done = f"1 / (CASE WHEN (SELECT count(*) FROM guard) = {touching:d} THEN 1 ELSE 0 END)"  # noqa: S608 - a number
    source = "" if durable else " FROM hasty"
    return f"WITH {', '.join(parts)} SELECT {done}{source}"


@lru_cache(maxsize=256)
def insert(model: type[Model], count: int, *, guarded: bool, vendor: str) -> str:
    """Return an INSERT of ``count`` rows; guarded, only if the batch's change has touched any."""
    known = columns(model, vendor)
    quote = connection.ops.quote_name
    names = ", ".join(quote(column.name) for column in known.values())
    row = ", ".join(column.placeholder for column in known.values())
    values = ", ".join([f"({row})"] * count)
    into = f"INSERT INTO {quote(model._meta.db_table)} ({names})"  # noqa: SLF001 - Django's documented Meta API
    if not guarded:
        return f"{into} VALUES {values}"
    return f"{into} SELECT given.* FROM (VALUES {values}) AS given WHERE {_GUARDED}"  # noqa: S608 - names of our own columns


@lru_cache(maxsize=256)
def update(shape: Shape, *, guarded: bool, vendor: str) -> str:
    """Return an UPDATE of this shape; guarded as ``insert``."""
    model, names, where = shape
    known = columns(model, vendor)
    table = connection.ops.quote_name(model._meta.db_table)  # noqa: SLF001 - Django's documented Meta API
    new = ", ".join(known[name].assignment for name in names)
    same = " AND ".join(known[name].comparison(count, vendor) for name, count in where)
    only = f"{_GUARDED} AND " if guarded else ""
    return f"UPDATE {table} SET {new} WHERE {only}{same}"  # noqa: S608 - names of our own columns


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table on one database.

    Attributes:
        name: in the database.
        placeholder: for its value; with a cast where the server could not tell the type.
        assignment: quoted name, ``=`` and placeholder.
        attribute: of the model's instances.
        ready: brings a value into the form that the database takes; ``None`` when it takes it
            as it is.
        wire: how its values travel to PostgreSQL in a row that is written.
    """

    name: str
    placeholder: str
    assignment: str
    attribute: str
    ready: Callable[[Any], Any] | None
    wire: WireForm

    def comparison(self, count: int, vendor: str) -> str:
        """Return what compares the column with one value, or with any of ``count``."""
        if not count:
            return self.assignment
        quoted = self.assignment.partition(" = ")[0]
        if vendor == "postgresql":
            return f"{quoted} = ANY({self.placeholder}[])"
        return f"{quoted} IN ({', '.join(['%s'] * count)})"

    def prepared(self, value: Any) -> Any:
        """Return a value in the form that the database takes."""
        return value if self.ready is None else self.ready(value)


@lru_cache(maxsize=256)
def columns(model: type[Model], vendor: str) -> dict[str, Column]:
    """Return the columns that an INSERT fills, by attribute."""
    fields = [
        item
        for item in model._meta.local_concrete_fields  # noqa: SLF001 - Django's documented Meta API
        if not isinstance(item, AutoField)
    ]
    return {item.attname: _column(item, vendor) for item in fields}


@lru_cache(maxsize=256)
def wire_forms(model: type[Model]) -> tuple[tuple[tuple[str, ToWire], ...], tuple[int, ...]]:
    """Return the attributes that an INSERT fills with what makes their values ready to travel.

    Beside them the formats, see ``parameters.Bound``.
    """
    known = columns(model, "postgresql").items()
    return (
        tuple((attribute, column.wire.of) for attribute, column in known),
        tuple(column.wire.format for _, column in known),
    )


@lru_cache(maxsize=256)
def stamped(model: type[Model]) -> tuple[str, ...]:
    """Return the attributes where Django puts the time of writing (``auto_now``)."""
    return tuple(
        item.attname
        for item in model._meta.local_concrete_fields  # noqa: SLF001 - Django's documented Meta API
        if getattr(item, "auto_now", False) or getattr(item, "auto_now_add", False)
    )


def _column(item: "Field[Any, Any]", vendor: str) -> Column:
    placeholder = "%s"
    if vendor == "postgresql":
        # Without its length: a cast to varchar(20) would cut longer texts instead of refusing.
        kind = str(item.db_type(connection)).partition("(")[0]
        placeholder = f"%s::{kind}"
    name = str(item.column)
    ready = _preparation(item, vendor)
    return Column(
        name=name,
        placeholder=placeholder,
        assignment=f"{connection.ops.quote_name(name)} = {placeholder}",
        attribute=item.attname,
        ready=ready,
        wire=_wire_form(item, ready),
    )


def _wire_form(item: "Field[Any, Any]", ready: Callable[[Any], Any] | None) -> WireForm:
    by_kind = parameters.wire_form(item)
    if by_kind is not None:
        return by_kind

    # The type of the value decides, not that of the column.
    def by_value(value: Any) -> bytes | None:
        prepared = value if ready is None else ready(value)
        (text,) = parameters.as_texts([prepared], connection)
        return text

    return WireForm(by_value)


def _preparation(item: "Field[Any, Any]", vendor: str) -> Callable[[Any], Any] | None:
    def prepared(value: Any) -> Any:
        return item.get_db_prep_save(value, connection)

    if vendor != "postgresql":
        return prepared
    if isinstance(item, JSONField):
        encode = (item.encoder or json.JSONEncoder)().encode

        def text(value: Any) -> Any:
            return None if value is None else encode(value)

        return text
    # The casts of our statements read everything else from its text.
    return prepared if isinstance(item, GenericIPAddressField) else None
