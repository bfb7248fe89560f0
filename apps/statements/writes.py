"""How is one act written down in one statement? Rows are gathered, then sent together.

An act writes several rows: a request, a serial number, an audit event. In a transaction each
of them, and its beginning and end, is a message to the server and back. Inside ``together()``
they become one statement of several parts (on PostgreSQL; common table expressions), which is
a transaction by itself: all of it happens, or none. Other databases get a transaction.

Columns and values come from Django's fields; constraints, defaults and conversions are theirs.
``save()`` and signals are not called: no model here relies on them.
"""

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, DataError, connection, transaction
from django.db.models import AutoField, Field, GenericIPAddressField, JSONField, Model
from django.utils import timezone

from apps.statements import execution


@dataclass(frozen=True, slots=True)
class Change:
    """An UPDATE of the rows that have certain values, ready to be sent.

    Attributes:
        model: whose rows.
        set: new values by column.
        where: the values that a row must have, by column, none of them ``None``; a list stands
            for any of its values.
    """

    model: type[Model]
    set: Mapping[str, Any]
    where: Mapping[str, Any]

    @property
    def shape(self) -> "_Shape":
        """Return all of it but the values."""
        where = ((n, len(v) if isinstance(v, list) else 0) for n, v in self.where.items())
        return self.model, tuple(self.set), tuple(where)

    def values(self, vendor: str) -> list[Any]:
        """Return the values in the form that the database takes."""
        columns = _columns(self.model, vendor)
        found = [columns[name].prepared(value) for name, value in self.set.items()]
        for name, value in self.where.items():
            if not isinstance(value, list):
                found.append(columns[name].prepared(value))
            elif vendor == "postgresql":
                found.append([columns[name].prepared(item) for item in value])
            else:
                found += [columns[name].prepared(item) for item in value]
        return found

    def apply(self) -> int:
        """Make the change now; return how many rows it touched."""
        connection = execution.here()
        sql = _update_sql(self.shape, guarded=False, vendor=connection.vendor)
        return execution.affected(connection, sql, self.values(connection.vendor))


# Model, columns set, and columns asked for, each with the length of its list or 0.
_Shape = tuple[type[Model], tuple[str, ...], tuple[tuple[str, int], ...]]


class NotAllTouched(Exception):
    """The change of a batch found fewer rows than it had to; nothing was written."""


@dataclass(slots=True)
class Batch:
    """What is written together, or not at all.

    Attributes:
        only_if: the change that has to touch a row; otherwise nothing else happens.
        changes: further ones, each of other rows; they may find nothing to change.
        rows: to be inserted.
        touching: how many rows ``only_if`` has to touch; 0 for any.
        done: after the block, whether it was written: always, without ``only_if``.
    """

    only_if: Change | None = None
    changes: list[Change] = field(default_factory=list)
    rows: list["_Row"] = field(default_factory=list)
    touching: int = 0
    done: bool = False


@dataclass(slots=True)
class _Row:
    """A row to be inserted: its columns by attribute, and the instance to tell, if there is one."""

    model: type[Model]
    values: dict[str, Any]
    instance: Model | None = None


# Once, however many rows the change has touched.
_GUARDED = "(SELECT 1 FROM guard LIMIT 1) AS guarded"
_MAX_PREPARED_ROWS = 24


class _Open(threading.local):
    """The batch of this thread, as each thread has a database connection of its own."""

    batch: Batch | None = None


_open = _Open()


def insert(*rows: Model) -> None:
    """Insert rows: now, or with the batch that is being gathered.

    Rows of models whose key the database makes do not learn it.

    Raises:
        IntegrityError: a constraint refuses them; within a batch at the end of its block.
    """
    _put(_Row(type(row), row.__dict__, row) for row in rows)


def add(model: type[Model], **values: Any) -> None:
    """Insert a row by its columns, as ``insert`` does; what is left out gets its default.

    Spares making an instance that nobody looks at.
    """
    _put([_Row(model, values)])


def _put(rows: Iterable[_Row]) -> None:
    if _open.batch is not None:
        _open.batch.rows.extend(rows)
    else:
        _send(Batch(rows=list(rows)))


def change(model: type[Model], *, set: Mapping[str, Any], where: Mapping[str, Any]) -> None:  # noqa: A002 - SQL's word
    """Change rows: now, or with the batch that is being gathered; see ``Change``."""
    wanted = Change(model, set, where)
    if _open.batch is not None:
        _open.batch.changes.append(wanted)
    else:
        wanted.apply()


def is_gathering() -> bool:
    """Tell whether ``insert`` would write as part of a batch."""
    return _open.batch is not None


@contextmanager
def together(only_if: Change | None = None, *, touching: int = 0) -> Iterator[Batch]:
    """Gather what is inserted and changed in this block and write it at its end, all or nothing.

    Nothing is written when the block raises. Whoever needs to read or lock rows in the same
    transaction opens one around this block. Blocks do not nest.

    Args:
        only_if: a change that goes first; when it touches no row, nothing else happens.
        touching: how many rows exactly it has to touch.

    Raises:
        NotAllTouched: it would touch another number of rows; nothing was written.
        IntegrityError: a constraint refuses a row; then nothing was written, the change
            included.
    """
    if _open.batch is not None:
        raise RuntimeError("a batch is being gathered already")
    batch = _open.batch = Batch(only_if, touching=touching)
    try:
        yield batch
    finally:
        _open.batch = None
    batch.done = _send(batch)


def _send(batch: Batch) -> bool:
    if not batch.rows and not batch.changes:
        return batch.only_if is None or batch.only_if.apply() > 0
    connection = execution.here()
    write = _in_one_statement if connection.vendor == "postgresql" else _one_by_one
    if connection.vendor == "postgresql" and not connection.in_atomic_block:
        done = write(batch, connection)
    else:
        # Within somebody's transaction a refusal must leave that one usable: a savepoint.
        with transaction.atomic():
            done = write(batch, connection)
    for row in batch.rows if done else ():
        if row.instance is not None:
            state = row.instance._state  # noqa: SLF001 - what save() does
            state.adding, state.db = False, DEFAULT_DB_ALIAS
    return done


def _one_by_one(batch: Batch, connection: Any) -> bool:
    if batch.only_if is not None:
        touched = batch.only_if.apply()
        if batch.touching and touched != batch.touching:
            raise NotAllTouched
        if not touched:
            return False
    for item in batch.changes:
        item.apply()
    for model, rows in _runs(batch.rows):
        for row in rows:
            sql = _insert_sql(model, 1, guarded=False, vendor=connection.vendor)
            execution.affected(connection, sql, _values(model, [row], connection.vendor))
    return True


def _in_one_statement(batch: Batch, connection: Any) -> bool:
    vendor, runs = connection.vendor, list(_runs(batch.rows))
    guard = batch.only_if
    values = [] if guard is None else guard.values(vendor)
    for item in batch.changes:
        values += item.values(vendor)
    for model, rows in runs:
        values += _values(model, rows, vendor)
    sql = _statement(
        None if guard is None else guard.shape,
        tuple(item.shape for item in batch.changes),
        tuple((model, len(rows)) for model, rows in runs),
        batch.touching,
    )
    # Of large batches hardly two have the same number of rows: not worth preparing.
    once = len(batch.rows) > _MAX_PREPARED_ROWS
    try:
        ((done,),) = execution.fetch_all(connection, sql, values, once=once)
    except DataError as error:
        if not batch.touching:
            raise
        raise NotAllTouched from error
    return bool(done)


def _runs(rows: Sequence[_Row]) -> Iterator[tuple[type[Model], list[_Row]]]:
    """Return the rows by model, in the order in which each model came first."""
    found: dict[type[Model], list[_Row]] = {}
    for row in rows:
        found.setdefault(row.model, []).append(row)
    yield from found.items()


@lru_cache(maxsize=256)
def _statement(
    guard: _Shape | None,
    changes: tuple[_Shape, ...],
    inserts: tuple[tuple[type[Model], int], ...],
    touching: int,
) -> str:
    """Return PostgreSQL's statement for a batch of this shape; it says whether it was done."""
    guarded = guard is not None
    parts = []
    if guard is not None:
        first = _update_sql(guard, guarded=False, vendor="postgresql")
        parts.append(f"guard AS ({first} RETURNING 1)")
    others = [_update_sql(shape, guarded=guarded, vendor="postgresql") for shape in changes]
    others += [
        _insert_sql(model, count, guarded=guarded, vendor="postgresql") for model, count in inserts
    ]
    parts += [f"part{number} AS ({sql})" for number, sql in enumerate(others)]
    done = "true" if guard is None else "EXISTS (SELECT 1 FROM guard)"
    if touching:
        # Anything else divides by zero, which undoes the statement as a whole.
        done = f"1 / (CASE WHEN (SELECT count(*) FROM guard) = {touching:d} THEN 1 ELSE 0 END)"  # noqa: S608 - a number
    return f"WITH {', '.join(parts)} SELECT {done}"


@lru_cache(maxsize=256)
def _insert_sql(model: type[Model], count: int, *, guarded: bool, vendor: str) -> str:
    columns = _columns(model, vendor)
    quote = connection.ops.quote_name
    names = ", ".join(quote(column.name) for column in columns.values())
    row = ", ".join(column.placeholder for column in columns.values())
    values = ", ".join([f"({row})"] * count)
    into = f"INSERT INTO {quote(model._meta.db_table)} ({names})"  # noqa: SLF001 - Django's documented Meta API
    if not guarded:
        return f"{into} VALUES {values}"
    return f"{into} SELECT given.* FROM {_GUARDED}, (VALUES {values}) AS given"  # noqa: S608 - names of our own columns


@lru_cache(maxsize=256)
def _update_sql(shape: _Shape, *, guarded: bool, vendor: str) -> str:
    model, names, where = shape
    columns = _columns(model, vendor)
    table = connection.ops.quote_name(model._meta.db_table)  # noqa: SLF001 - Django's documented Meta API
    new = ", ".join(columns[name].assignment for name in names)
    same = " AND ".join(columns[name].comparison(count, vendor) for name, count in where)
    source = f" FROM {_GUARDED}" if guarded else ""
    return f"UPDATE {table} SET {new}{source} WHERE {same}"  # noqa: S608 - names of our own columns


@dataclass(frozen=True, slots=True)
class _Column:
    """One column of a table on one database.

    Attributes:
        name: in the database.
        placeholder: for its value; with a cast where the server could not tell the type.
        assignment: quoted name, ``=`` and placeholder.
        attribute: of the model's instances.
        ready: brings a value into the form that the database takes; ``None`` when it takes it
            as it is.
        default: for rows that do not say.
        is_stamped: Django puts the time of writing there (``auto_now``).
    """

    name: str
    placeholder: str
    assignment: str
    attribute: str
    ready: Callable[[Any], Any] | None
    default: Callable[[], Any]
    is_stamped: bool

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
def _columns(model: type[Model], vendor: str) -> dict[str, _Column]:
    """Return the columns that an INSERT fills, by attribute."""
    fields = [
        item
        for item in model._meta.local_concrete_fields  # noqa: SLF001 - Django's documented Meta API
        if not isinstance(item, AutoField)
    ]
    return {item.attname: _column(item, vendor) for item in fields}


def _column(item: "Field[Any, Any]", vendor: str) -> _Column:
    placeholder = "%s"
    if vendor == "postgresql":
        # Without its length: a cast to varchar(20) would cut longer texts instead of refusing.
        kind = str(item.db_type(connection)).partition("(")[0]
        placeholder = f"%s::{kind}"
    name = str(item.column)
    return _Column(
        name=name,
        placeholder=placeholder,
        assignment=f"{connection.ops.quote_name(name)} = {placeholder}",
        attribute=item.attname,
        ready=_preparation(item, vendor),
        default=item.get_default,
        is_stamped=bool(getattr(item, "auto_now", False) or getattr(item, "auto_now_add", False)),
    )


def _preparation(item: "Field[Any, Any]", vendor: str) -> Callable[[Any], Any] | None:
    def prepared(value: Any) -> Any:
        return item.get_db_prep_save(value, connection)

    if vendor != "postgresql":
        return prepared
    if isinstance(item, JSONField):
        encoder = item.encoder

        def text(value: Any) -> Any:
            return None if value is None else json.dumps(value, cls=encoder)

        return text
    # The casts of our statements read everything else from its text.
    return prepared if isinstance(item, GenericIPAddressField) else None


def _values(model: type[Model], rows: Sequence[_Row], vendor: str) -> list[Any]:
    """Return what rows put into their columns, one after the other."""
    columns = _columns(model, vendor).values()
    found: list[Any] = []
    for row in rows:
        given = row.values
        for column in columns:
            if column.is_stamped:
                value = given[column.attribute] = timezone.now()
            elif column.attribute in given:
                value = given[column.attribute]
            else:
                value = column.default()
            found.append(value if column.ready is None else column.ready(value))
    return found
