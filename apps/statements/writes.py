"""How is one act written down in one statement? Rows are gathered, then sent together.

An act writes several rows: a request, a serial number, an audit event. In a transaction each
of them, and its beginning and end, is a message to the server and back. Inside ``together()``
they become one statement of several parts (on PostgreSQL; common table expressions), which is
a transaction by itself: all of it happens, or none. Other databases get a transaction.

Columns and values come from Django's fields; constraints, defaults and conversions are theirs.
``save()`` and signals are not called: no model here relies on them.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from django.db import DEFAULT_DB_ALIAS, DataError, transaction
from django.db.models import Model
from django.utils import timezone

from apps.statements import execution, rows
from apps.statements import sql as sql_of
from apps.statements.postgresql import parameters
from apps.statements.postgresql.parameters import Bound


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
        where = [(n, len(v) if isinstance(v, list) else 0) for n, v in self.where.items()]
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

    def bind(self, values: list[bytes | None], formats: list[int], connection: Any) -> None:
        """Append the values as they travel to a prepared statement, see ``parameters.Bound``."""
        columns = sql_of.columns(self.model, "postgresql")
        for wanted in (self.set, self.where):
            for name, value in wanted.items():
                wire = columns[name].wire
                if isinstance(value, list) and wanted is self.where:
                    prepared = [columns[name].prepared(item) for item in value]
                    values += parameters.as_texts([prepared], connection)
                    formats.append(parameters.TEXT)
                else:
                    values.append(None if value is None else wire.of(value))
                    formats.append(wire.format)

    def apply(self) -> int:
        """Make the change now; return how many rows it touched."""
        connection = execution.here()
        sql = sql_of.update(self.shape, guarded=False, vendor=connection.vendor)
        return execution.affected(connection, sql, self.values(connection.vendor))


class NotAllTouched(Exception):
    """The change of a batch found fewer rows than it had to; nothing was written."""


@dataclass(slots=True)
class Batch:
    """What is written together, or not at all: a context, see ``together``.

    Attributes:
        only_if: the change that has to touch a row, or what has to hold; otherwise nothing
            else happens.
        touching: how many rows ``only_if`` has to touch; 0 for any.
        durable: whether the commit waits for the disk.
        changes: further ones, each of other rows; they may find nothing to change.
        rows: to be inserted, by model in the order in which each came first: their columns by
            attribute.
        instances: those among the rows that are to be told.
        done: after the block, whether it was written: always, without ``only_if``.
    """

    only_if: Change | None = None
    touching: int = 0
    durable: bool = True
    changes: list[Change] = field(default_factory=list)
    rows: dict[type[Model], list[dict[str, Any]]] = field(default_factory=dict)
    instances: list[Model] = field(default_factory=list)
    done: bool = False

    def __enter__(self) -> Self:
        """Begin to gather."""
        if _open.batch is not None:
            raise RuntimeError("a batch is being gathered already")
        _open.batch = self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write what was gathered, unless the block has raised."""
        _open.batch = None
        if kind is None:
            self.done = _send(self)

    def add(self, model: type[Model], columns: dict[str, Any]) -> None:
        """Take a row, every column of it."""
        if model in self.rows:
            self.rows[model].append(columns)
        else:
            self.rows[model] = [columns]

    def insert(self, row: Model) -> None:
        """Take a row, and remember to tell the instance."""
        self.add(type(row), row.__dict__)
        self.instances.append(row)


_MAX_PREPARED_ROWS = 24


class _Open(threading.local):
    """The batch of this thread, as each thread has a database connection of its own."""

    batch: Batch | None = None


_open = _Open()


def insert(*instances: Model) -> None:
    """Insert rows: now, or with the batch that is being gathered.

    Rows of models whose key the database makes do not learn it.

    Raises:
        IntegrityError: a constraint refuses them; within a batch at the end of its block.
    """
    batch = _open.batch or Batch()
    for instance in instances:
        batch.insert(instance)
    if batch is not _open.batch:
        _send(batch)


def add(model: type[Model], **columns: Any) -> None:
    """Insert a row by its columns, as ``insert`` does; what is left out gets its default.

    Spares making an instance that nobody looks at.

    Raises:
        TypeError: the model has no such column.
        IntegrityError: as from ``insert``.
    """
    batch = _open.batch or Batch()
    batch.add(model, rows.completed(model, columns))
    if batch is not _open.batch:
        _send(batch)


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


def together(only_if: Change | None = None, *, touching: int = 0, durable: bool = True) -> Batch:
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
    return Batch(only_if, touching, durable)


def _send(batch: Batch) -> bool:
    if not batch.rows and not batch.changes:
        return batch.only_if is None or batch.only_if.apply() > 0
    _stamp(batch)
    connection = execution.here()
    if connection.vendor == "postgresql" and not connection.in_atomic_block:
        done = _in_one_statement(batch, connection)
    else:
        write = _in_one_statement if connection.vendor == "postgresql" else _one_by_one
        # Within somebody's transaction a refusal must leave that one usable: a savepoint.
        with transaction.atomic():
            done = write(batch, connection)
    if done:
        for instance in batch.instances:
            state = instance._state  # noqa: SLF001 - what save() does
            state.adding, state.db = False, DEFAULT_DB_ALIAS
    return done


def _stamp(batch: Batch) -> None:
    """Put the time of writing where Django does."""
    for model, given in batch.rows.items():
        for attribute in sql_of.stamped(model):
            for row in given:
                row[attribute] = timezone.now()


def _one_by_one(batch: Batch, connection: Any) -> bool:
    if batch.only_if is not None:
        touched = batch.only_if.apply()
        if batch.touching and touched != batch.touching:
            raise NotAllTouched
        if not touched:
            return False
    for item in batch.changes:
        item.apply()
    for model, given in batch.rows.items():
        sql = sql_of.insert(model, 1, guarded=False, vendor=connection.vendor)
        for row in given:
            execution.affected(connection, sql, _values(model, [row], connection.vendor))
    return True


def _in_one_statement(batch: Batch, connection: Any) -> bool:
    guard = batch.only_if
    counts = [(model, len(given)) for model, given in batch.rows.items()]
    sql = sql_of.batch(
        None if guard is None else guard.shape,
        tuple([item.shape for item in batch.changes]),
        tuple(counts),
        batch.touching,
        durable=batch.durable,
    )
    try:
        if connection.takes_prepared():
            bound = _bound(batch, connection)
            # Of large batches hardly two have the same number of rows: not worth preparing.
            once = sum([count for _, count in counts]) > _MAX_PREPARED_ROWS
            ((done,),), _ = connection.run_bound(sql, bound, once=once)
        else:
            values = [] if guard is None else guard.values(connection.vendor)
            for item in batch.changes:
                values += item.values(connection.vendor)
            for model, given in batch.rows.items():
                values += _values(model, given, connection.vendor)
            ((done,),) = execution.fetch_all(connection, sql, values)
    except DataError as error:
        if not batch.touching:
            raise
        raise NotAllTouched from error
    return bool(done)


def _values(model: type[Model], given: Sequence[dict[str, Any]], vendor: str) -> list[Any]:
    """Return what rows put into their columns, one after the other."""
    columns = sql_of.columns(model, vendor).values()
    return [column.prepared(row[column.attribute]) for row in given for column in columns]


def _bound(batch: Batch, connection: Any) -> Bound:
    """Return the values of changes and rows as they travel to a prepared statement."""
    values: list[bytes | None] = []
    formats: list[int] = []
    for item in (batch.only_if, *batch.changes):
        if item is not None:
            item.bind(values, formats, connection)
    for model, given in batch.rows.items():
        columns, of_row = sql_of.wire_forms(model)
        for row in given:
            for attribute, to_wire in columns:
                value = row[attribute]
                values.append(None if value is None else to_wire(value))
            formats += of_row
    return Bound(values, formats)
