"""Batches: all rows of one act, written by one statement.

An act writes several rows: a request, a serial number, an audit event. In a transaction each of
them, and its beginning and end, is a message to the server and back. Inside ``batch()`` they become
one statement of several parts on PostgreSQL (common table expressions), which is a transaction by
itself: all of it happens, or nothing. Other databases get a transaction.

Columns, defaults, conversions and constraints are those of Django's models. ``save()`` and signals
are not called: no model here relies on them.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from django.db import DEFAULT_DB_ALIAS, DataError, transaction
from django.db.models import Model
from psycopg.errors import DivisionByZero

from apps.statements import execution
from apps.statements import sql as sql_of


@dataclass(frozen=True, slots=True)
class Change:
    """An UPDATE of the rows that have certain values, ready to be sent.

    Attributes:
        model: whose rows.
        set: new values by column.
        where: the values that a row must have, by column, none of them ``None``; a list stands
            for any of its values. ``key__column`` is a column of the row that a foreign key names.
    """

    model: type[Model]
    set: Mapping[str, Any]
    where: Mapping[str, Any]

    @property
    def shape(self) -> sql_of.Shape:
        """Return all of it but the values."""
        where = [(n, len(v) if isinstance(v, list) else 0) for n, v in self.wanted.items()]
        return self.model, tuple(self.set), tuple(where)

    @property
    def wanted(self) -> Mapping[str, Any]:
        """Return ``where`` with a list of one as that value.

        PostgreSQL would plan a comparison with a list anew for each run: not knowing its length,
        it expects ten values in a plan for all runs.
        """
        return {
            name: value[0] if isinstance(value, list) and len(value) == 1 else value
            for name, value in self.where.items()
        }

    def values(self, vendor: str) -> list[Any]:
        """Return the values in the form that the database takes."""
        columns = sql_of.columns(self.model, vendor)
        found = [columns[name].prepared(value) for name, value in self.set.items()]
        for name, value in self.wanted.items():
            column = sql_of.compared_column(self.model, name, vendor)
            if not isinstance(value, list):
                found.append(column.prepared(value))
            elif vendor == "postgresql":
                found.append([column.prepared(item) for item in value])
            else:
                found += [column.prepared(item) for item in value]
        return found

    def apply(self) -> int:
        """Make the change now; return how many rows it touched."""
        vendor = execution.here().vendor
        sql = sql_of.update(self.shape, guarded=False, vendor=vendor)
        return execution.affected(sql, self.values(vendor))


class UnexpectedRowCount(Exception):
    """The precondition of a batch touched another number of rows; nothing was written."""


@dataclass(slots=True)
class Batch:
    """What is written together, or not at all: a context, see ``batch``.

    Attributes:
        precondition: a change that has to touch a row; otherwise nothing else happens.
        expected_rows: how many rows it has to touch; 0 for any.
        changes: further ones, each of other rows; they may find nothing to change.
        rows: to be inserted, by model in the order in which each came first.
        done: after the block, whether it was written: always, without ``precondition``.
    """

    precondition: Change | None = None
    expected_rows: int = 0
    changes: list[Change] = field(default_factory=list)
    rows: dict[type[Model], list[Model]] = field(default_factory=dict)
    done: bool = False

    def __enter__(self) -> Self:
        """Begin to collect."""
        if _open.batch is not None:
            raise RuntimeError("a batch is open already")
        _open.batch = self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write what was collected, unless the block has raised."""
        _open.batch = None
        if kind is None:
            self.done = _send(self)

    def insert(self, row: Model) -> None:
        """Add a row."""
        self.rows.setdefault(type(row), []).append(row)


class _Open(threading.local):
    """The batch of this thread, as each thread has a database connection of its own."""

    batch: Batch | None = None


_open = _Open()


def batch(precondition: Change | None = None, *, expected_rows: int = 0) -> Batch:
    """Collect what is inserted and changed in this block, and write it at its end, all or nothing.

    Nothing is written when the block raises. Whoever needs to read or lock rows in the same
    transaction opens one around this block. Blocks do not nest.

    Args:
        precondition: a change that goes first; when it touches no row, nothing else happens.
        expected_rows: how many rows exactly it has to touch.

    Raises:
        UnexpectedRowCount: it would touch another number of rows; nothing was written.
        IntegrityError: a constraint refuses a row; then nothing was written, the change included.
    """
    return Batch(precondition, expected_rows)


def insert(*instances: Model) -> None:
    """Insert rows: now, or with the batch that is open.

    Rows of models whose key the database makes do not learn it.

    Raises:
        IntegrityError: a constraint refuses them; within a batch at the end of its block.
    """
    target = _open.batch or Batch()
    for instance in instances:
        target.insert(instance)
    if target is not _open.batch:
        _send(target)


def change(model: type[Model], *, set: Mapping[str, Any], where: Mapping[str, Any]) -> None:  # noqa: A002 - SQL's word
    """Change rows: now, or with the batch that is open; see ``Change``."""
    wanted = Change(model, set, where)
    if _open.batch is not None:
        _open.batch.changes.append(wanted)
    else:
        wanted.apply()


def is_open() -> bool:
    """Tell whether ``insert`` would write as part of a batch."""
    return _open.batch is not None


def _send(collected: Batch) -> bool:
    if not collected.rows and not collected.changes:
        return collected.precondition is None or collected.precondition.apply() > 0
    connection = execution.here()
    if connection.vendor == "postgresql" and not connection.in_atomic_block:
        done = _in_one_statement(collected)
    else:
        write = _in_one_statement if connection.vendor == "postgresql" else _one_by_one
        # Within the caller's transaction a refusal must leave that one usable: a savepoint.
        with transaction.atomic():
            done = write(collected)
    if done:
        for instances in collected.rows.values():
            for instance in instances:
                state = instance._state  # noqa: SLF001 - documented; what save() sets
                state.adding, state.db = False, DEFAULT_DB_ALIAS
    return done


def _one_by_one(collected: Batch) -> bool:
    vendor = execution.here().vendor
    if collected.precondition is not None:
        touched = collected.precondition.apply()
        if collected.expected_rows and touched != collected.expected_rows:
            raise UnexpectedRowCount
        if not touched:
            return False
    for item in collected.changes:
        item.apply()
    for model, given in collected.rows.items():
        sql = sql_of.insert(model, 1, guarded=False, vendor=vendor)
        for row in given:
            execution.affected(sql, _values(model, [row], vendor))
    return True


def _in_one_statement(collected: Batch) -> bool:
    guard = collected.precondition
    sql = sql_of.batch(
        None if guard is None else guard.shape,
        tuple([item.shape for item in collected.changes]),
        tuple([(model, len(given)) for model, given in collected.rows.items()]),
        collected.expected_rows,
    )
    values = [] if guard is None else guard.values("postgresql")
    for item in collected.changes:
        values += item.values("postgresql")
    for model, given in collected.rows.items():
        values += _values(model, given, "postgresql")
    try:
        ((done,),) = execution.fetch_all(sql, values)
    except DataError as error:
        # The division of ``sql.batch``; a value that does not fit its column is another error.
        if not isinstance(error.__cause__, DivisionByZero):
            raise
        raise UnexpectedRowCount from error
    return bool(done)


def _values(model: type[Model], given: Sequence[Model], vendor: str) -> list[Any]:
    """Return what rows put into their columns, one after the other."""
    columns = sql_of.columns(model, vendor).items()
    found = []
    for row in given:
        for attribute, column in columns:
            # Only time stamps ask the field, which costs as much as everything else here.
            value = (
                column.field.pre_save(row, True) if column.is_stamped else getattr(row, attribute)
            )
            found.append(column.prepared(value))
    return found
