"""How is one act written down in one statement? Rows are gathered, then sent together.

An act writes several rows: a request, a serial number, an audit event. In a transaction each
of them, and its beginning and end, is a message to the server and back. Inside ``together()``
they become one statement of several parts (on PostgreSQL; common table expressions), which is
a transaction by itself: all of it happens, or none. Other databases get a transaction.

Columns and values come from Django's fields; constraints, defaults and conversions are theirs.
``save()`` and signals are not called: no model here relies on them.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import DEFAULT_DB_ALIAS, DataError, transaction
from django.db.models import Model
from django.utils import timezone

from apps.statements import execution
from apps.statements import sql as sql_of
from apps.statements.lookups import Lookup
from apps.statements.postgresql import parameters


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
    def shape(self) -> sql_of.Shape:
        """Return all of it but the values."""
        where = ((n, len(v) if isinstance(v, list) else 0) for n, v in self.where.items())
        return self.model, tuple(self.set), tuple(where)

    def values(self, vendor: str) -> list[Any]:
        """Return the values in the form that the database takes."""
        columns = sql_of.columns(self.model, vendor)
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
        sql = sql_of.update(self.shape, guarded=False, vendor=connection.vendor)
        return execution.affected(connection, sql, self.values(connection.vendor))


@dataclass(frozen=True, slots=True)
class Holds:
    """That a query finds a certain value, on which a batch can hang as it can on a change.

    Attributes:
        lookup: of one column and at most one row, a text; without slots.
        value: what it has to find.
    """

    lookup: Lookup
    value: str

    @property
    def shape(self) -> str:
        """Return PostgreSQL's query for it, which finds a row where it holds."""
        query, _, _ = self.lookup.compiled(())
        return f"SELECT 1 FROM ({query}) AS found (value) WHERE found.value = %s::text"  # noqa: S608 - Django's own SQL

    def values(self, _vendor: str) -> list[Any]:
        """Return the values for its slots."""
        return [*self.lookup.compiled(())[1], self.value]

    def apply(self) -> int:
        """Ask now; return 1 where it holds, otherwise 0."""
        return int(self.lookup.first() == (self.value,))


class NotAllTouched(Exception):
    """The change of a batch found fewer rows than it had to; nothing was written."""


@dataclass(slots=True)
class Batch:
    """What is written together, or not at all.

    Attributes:
        only_if: the change that has to touch a row, or what has to hold; otherwise nothing
            else happens.
        changes: further ones, each of other rows; they may find nothing to change.
        rows: to be inserted.
        touching: how many rows ``only_if`` has to touch; 0 for any.
        durable: whether the commit waits for the disk.
        done: after the block, whether it was written: always, without ``only_if``.
    """

    only_if: Change | Holds | None = None
    changes: list[Change] = field(default_factory=list)
    rows: list["_Row"] = field(default_factory=list)
    touching: int = 0
    durable: bool = True
    done: bool = False


@dataclass(slots=True)
class _Row:
    """A row to be inserted: its columns by attribute, and the instance to tell, if there is one."""

    model: type[Model]
    values: dict[str, Any]
    instance: Model | None = None


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


def condition() -> Change | Holds | None:
    """Return what the batch that is being gathered hangs on."""
    return _open.batch.only_if if _open.batch is not None else None


@contextmanager
def together(
    only_if: Change | Holds | None = None, *, touching: int = 0, durable: bool = True
) -> Iterator[Batch]:
    """Gather what is inserted and changed in this block and write it at its end, all or nothing.

    Nothing is written when the block raises. Whoever needs to read or lock rows in the same
    transaction opens one around this block. Blocks do not nest.

    Args:
        only_if: a change that goes first, or what has to hold; when it touches no row, or does
            not hold, nothing else happens.
        touching: how many rows exactly it has to touch.
        durable: ``False`` lets PostgreSQL say "committed" a moment before it is on disk. For
            what is worth nothing without a later commit, which makes it durable as well.

    Raises:
        NotAllTouched: it would touch another number of rows; nothing was written.
        IntegrityError: a constraint refuses a row; then nothing was written, the change
            included.
    """
    if _open.batch is not None:
        raise RuntimeError("a batch is being gathered already")
    batch = _open.batch = Batch(only_if, touching=touching, durable=durable)
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
            sql = sql_of.insert(model, 1, guarded=False, vendor=connection.vendor)
            execution.affected(connection, sql, _values(model, [row], connection.vendor))
    return True


def _in_one_statement(batch: Batch, connection: Any) -> bool:
    vendor, runs = connection.vendor, list(_runs(batch.rows))
    guard = batch.only_if
    values = [] if guard is None else guard.values(vendor)
    for item in batch.changes:
        values += item.values(vendor)
    sql = sql_of.batch(
        None if guard is None else guard.shape,
        tuple(item.shape for item in batch.changes),
        tuple((model, len(rows)) for model, rows in runs),
        batch.touching,
        durable=batch.durable,
    )
    # Of large batches hardly two have the same number of rows: not worth preparing.
    once = len(batch.rows) > _MAX_PREPARED_ROWS
    try:
        if connection.takes_prepared():
            texts = parameters.as_texts(values, connection)
            for model, rows in runs:
                texts += _texts(model, rows, connection)
            ((done,),), _ = connection.run_texts(sql, texts, once=once)
        else:
            for model, rows in runs:
                values += _values(model, rows, vendor)
            ((done,),) = execution.fetch_all(connection, sql, values)
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


def _values(model: type[Model], rows: Sequence[_Row], vendor: str) -> list[Any]:
    """Return what rows put into their columns, one after the other."""
    columns = sql_of.columns(model, vendor).values()
    found = []
    for row in rows:
        _complete(row, columns)
        found += [column.prepared(row.values[column.attribute]) for column in columns]
    return found


def _texts(model: type[Model], rows: Sequence[_Row], connection: Any) -> list[bytes | None]:
    """Return the same in PostgreSQL's text form."""
    columns = sql_of.columns(model, connection.vendor).values()
    found: list[bytes | None] = []
    for row in rows:
        _complete(row, columns)
        given = row.values
        for column in columns:
            value = given[column.attribute]
            if value is None:
                found.append(None)
            elif column.text is not None:
                found.append(column.text(value))
            else:
                found += parameters.as_texts([column.prepared(value)], connection)
    return found


def _complete(row: _Row, columns: Iterable[sql_of.Column]) -> None:
    """Fill in what the row leaves out, and the time of writing."""
    given = row.values
    for column in columns:
        if column.is_stamped:
            given[column.attribute] = timezone.now()
        elif column.attribute not in given:
            given[column.attribute] = column.default()
