"""SQL texts of batches, made from models once for each shape.

Tables, columns and types are Django's; values never become part of a text.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.models import AutoField, Field, ForeignKey, GenericIPAddressField, JSONField, Model
from psycopg.types.json import Jsonb

# Model, columns set, and columns compared, each with the length of its list or 0.
Shape = tuple[type[Model], tuple[str, ...], tuple[tuple[str, int], ...]]
# Evaluated once, before the other parts. Joined as a table it would be empty when PostgreSQL looks
# again at a row that somebody else has just changed, and that row would be left as it is.
_GUARDED = "EXISTS (SELECT 1 FROM guard)"


@lru_cache(maxsize=256)
def batch(
    guard: Shape | None,
    changes: tuple[Shape, ...],
    inserts: tuple[tuple[type[Model], int], ...],
    expected_rows: int,
) -> str:
    """Return PostgreSQL's statement for a batch of this shape; it tells whether it was done.

    Args:
        guard: the change that has to touch rows for anything else to happen.
        changes: further ones.
        inserts: models, each with its number of rows.
        expected_rows: how many rows the guard has to touch; 0 for any.
    """
    guarded = guard is not None
    parts = []
    if guard is not None:
        parts.append(f"guard AS ({update(guard, guarded=False, vendor='postgresql')} RETURNING 1)")
    others = [update(shape, guarded=guarded, vendor="postgresql") for shape in changes]
    others += [
        insert(model, count, guarded=guarded, vendor="postgresql") for model, count in inserts
    ]
    parts += [f"part{number} AS ({sql})" for number, sql in enumerate(others)]
    done = "true" if guard is None else _GUARDED
    if expected_rows:
        # Any other number divides by zero, which undoes the statement as a whole.
        done = f"1 / (CASE WHEN (SELECT count(*) FROM guard) = {expected_rows:d} THEN 1 ELSE 0 END)"  # noqa: S608 - a number
    return f"WITH {', '.join(parts)} SELECT {done}"


@lru_cache(maxsize=256)
def insert(model: type[Model], count: int, *, guarded: bool, vendor: str) -> str:
    """Return an INSERT of ``count`` rows; guarded: only if the guard has touched any."""
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
    same = " AND ".join(_condition(model, name, count, vendor) for name, count in where)
    only = f"{_GUARDED} AND " if guarded else ""
    return f"UPDATE {table} SET {new} WHERE {only}{same}"  # noqa: S608 - names of our own columns


def _condition(model: type[Model], name: str, count: int, vendor: str) -> str:
    """Return what compares a column, or ``key__column`` of the row that a foreign key names."""
    key, _, related_name = name.partition("__")
    if not related_name:
        return columns(model, vendor)[name].comparison(count, vendor)
    quote = connection.ops.quote_name
    foreign = related_key(model, key)
    related = foreign.related_model
    table, target = quote(model._meta.db_table), quote(related._meta.db_table)  # noqa: SLF001 - Django's documented Meta API
    mine, theirs = quote(str(foreign.column)), quote(str(foreign.target_field.column))
    wanted = columns(related, vendor)[related_name].comparison(count, vendor)
    return f"EXISTS (SELECT 1 FROM {target} WHERE {target}.{theirs} = {table}.{mine} AND {target}.{wanted})"  # noqa: S608 - names of our own columns


def related_key(model: type[Model], name: str) -> "ForeignKey[Any, Any]":
    """Return a foreign key of a model."""
    found = model._meta.get_field(name)  # noqa: SLF001 - Django's documented Meta API
    assert isinstance(found, ForeignKey)
    return found


def compared_column(model: type[Model], name: str, vendor: str) -> "Column":
    """Return the column that a name in ``where`` stands for."""
    key, _, related_name = name.partition("__")
    if not related_name:
        return columns(model, vendor)[name]
    return columns(related_key(model, key).related_model, vendor)[related_name]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table on one database.

    Attributes:
        field: of the model.
        name: in the database.
        placeholder: for its value; with a cast where the server could not tell the type.
        assignment: quoted name, ``=`` and placeholder.
        prepared: brings a value into the form that the database driver takes.
        is_stamped: whether Django sets the value when the row is written (``auto_now``).
    """

    field: "Field[Any, Any]"
    name: str
    placeholder: str
    assignment: str
    prepared: Callable[[Any], Any]
    is_stamped: bool

    def comparison(self, count: int, vendor: str) -> str:
        """Return what compares the column with one value, or with any of ``count``."""
        if not count:
            return self.assignment
        quoted = self.assignment.partition(" = ")[0]
        if vendor == "postgresql":
            return f"{quoted} = ANY({self.placeholder}[])"
        return f"{quoted} IN ({', '.join(['%s'] * count)})"


@lru_cache(maxsize=256)
def columns(model: type[Model], vendor: str) -> dict[str, Column]:
    """Return the columns that an INSERT fills, by attribute."""
    fields = [
        item
        for item in model._meta.local_concrete_fields  # noqa: SLF001 - Django's documented Meta API
        if not isinstance(item, AutoField)
    ]
    return {item.attname: _column(item, vendor) for item in fields}


def _column(item: "Field[Any, Any]", vendor: str) -> Column:
    placeholder = "%s"
    prepared: Callable[[Any], Any] = lambda value: item.get_db_prep_save(value, connection)  # noqa: E731
    if vendor == "postgresql":
        # Without its length: a cast to varchar(20) would cut longer texts instead of refusing.
        kind = str(item.db_type(connection)).partition("(")[0]
        placeholder = f"%s::{kind}"
        if isinstance(item, JSONField) and item.encoder is None:
            prepared = _json
        elif not isinstance(item, JSONField | GenericIPAddressField):
            prepared = _unchanged  # psycopg adapts every other value by its Python type
    name = str(item.column)
    return Column(
        field=item,
        name=name,
        placeholder=placeholder,
        assignment=f"{connection.ops.quote_name(name)} = {placeholder}",
        prepared=prepared,
        is_stamped=getattr(item, "auto_now", False) or getattr(item, "auto_now_add", False),
    )


def _unchanged(value: Any) -> Any:
    return value


def _json(value: Any) -> Jsonb | None:
    """Return what Django's field would, which looks the connection up several times for it."""
    return None if value is None else Jsonb(value)
