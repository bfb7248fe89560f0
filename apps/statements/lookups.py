"""Queries that are compiled once per process and run with different values.

For queries of each certificate or protocol request: building the same SQL again costs the ORM about
half of what such a request takes. Django still writes the SQL and converts the columns, so nothing
here knows tables or dialects.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS
from django.db.models import (
    DateTimeField,
    Expression,
    Field,
    IntegerField,
    Model,
    QuerySet,
    TextField,
    UUIDField,
)

from apps.statements import execution

# Types of slots.
TEXT, NUMBER, KEY, TIME = TextField(), IntegerField(), UUIDField(), DateTimeField()

_Row = TypeVar("_Row", bound=Model)
_Converter = Callable[[Any, Any, Any], Any]


class Slot(Expression):
    """Placeholder in a query for a value that each run passes."""

    def __init__(self, name: str, field: "Field[Any, Any]") -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:  # noqa: ARG002 - Django's signature
        """Return a placeholder, and the slot itself in place of its value."""
        return "%s", [self]


@dataclass(frozen=True, slots=True)
class _Compiled:
    """One query for one database.

    Attributes:
        sql: with placeholders.
        parameters: for each placeholder a constant, or the number of the value to put there.
        fields: of the values, to bring them into the form that the database takes.
        converters: of the columns that need any, by column number.
    """

    sql: str
    parameters: tuple[tuple[bool, Any], ...]
    fields: tuple["Field[Any, Any]", ...]
    converters: tuple[tuple[int, tuple[_Converter, ...], Any], ...]

    def bound(self, values: Sequence[Any], connection: Any) -> list[Any]:
        """Return the parameters for one run."""
        if len(values) != len(self.fields):
            raise TypeError(f"{len(self.fields)} values are wanted, not {len(values)}")
        # psycopg adapts them by their Python types.
        ready = (
            values
            if connection.vendor == "postgresql"
            else [
                field.get_db_prep_value(value, connection, prepared=False)
                for field, value in zip(self.fields, values, strict=True)
            ]
        )
        return [ready[item] if varies else item for varies, item in self.parameters]

    def converted(self, row: tuple[Any, ...], connection: Any) -> tuple[Any, ...]:
        """Return a row with its columns as Django's fields show them."""
        if not self.converters:
            return row
        columns = list(row)
        for number, converters, expression in self.converters:
            value = columns[number]
            for convert in converters:
                value = convert(value, expression, connection)
            columns[number] = value
        return tuple(columns)


class Lookup:
    """A query of columns.

    ``query`` takes one ``Slot`` for each of ``slots`` and returns ``values_list(...)``. Give
    it an ``order_by()`` of its own: the model's default ordering is seldom wanted here.

    A slot is never ``None``: ``= NULL`` finds nothing.
    """

    def __init__(
        self, query: Callable[..., QuerySet[Any, Any]], **slots: "Field[Any, Any]"
    ) -> None:
        self._query = query
        self._slots = slots
        self._compiled: dict[str, _Compiled] = {}
        self._lock = threading.Lock()

    def all(self, *values: Any) -> list[tuple[Any, ...]]:
        """Return every row for these values, given in the order of the slots."""
        connection = execution.here()
        compiled = self._for(connection)
        rows = execution.fetch_all(compiled.sql, compiled.bound(values, connection))
        return [compiled.converted(row, connection) for row in rows]

    def first(self, *values: Any) -> tuple[Any, ...] | None:
        """Return the first row for these values, ``None`` when there is none."""
        return next(iter(self.all(*values)), None)

    def _for(self, connection: Any) -> _Compiled:
        return self._compiled.get(connection.vendor) or self._compile(connection)

    def _compile(self, connection: Any) -> _Compiled:
        with self._lock:
            slots = {name: Slot(name, field) for name, field in self._slots.items()}
            compiler = self._query(**slots).query.get_compiler(connection=connection)
            sql, parameters = compiler.as_sql()
            numbers = {name: number for number, name in enumerate(self._slots)}
            found = compiler.get_converters([item[0] for item in compiler.select])
            compiled = _Compiled(
                sql=sql,
                parameters=tuple(
                    (True, numbers[item.name]) if isinstance(item, Slot) else (False, item)
                    for item in parameters
                ),
                fields=tuple(self._slots.values()),
                converters=tuple((n, tuple(c), e) for n, (c, e) in found.items()),
            )
            self._compiled[connection.vendor] = compiled
            return compiled


class RowLookup(Generic[_Row]):
    """A query of whole rows of one model, with rows that they point at.

    Args:
        model: of the rows.
        query: as for ``Lookup``, but returns plain query sets of the model.
        related: to-one relations to load with each row, such as ``("user", "user__group")``.
        slots: as for ``Lookup``.
    """

    def __init__(
        self,
        model: type[_Row],
        query: Callable[..., QuerySet[_Row]],
        *,
        related: Sequence[str] = (),
        **slots: "Field[Any, Any]",
    ) -> None:
        self._parts = [_Part.of(model, path) for path in ("", *related)]
        columns = [name for part in self._parts for name in part.columns]
        self._lookup = Lookup(lambda **s: query(**s).values_list(*columns), **slots)

    def all(self, *values: Any) -> list[_Row]:
        """Return the rows for these values, given in the order of the slots."""
        return self._rows(self._lookup.all(*values))

    def first(self, *values: Any) -> _Row | None:
        """Return the first row for these values, ``None`` when there is none."""
        found = self._lookup.first(*values)
        return self._row(found) if found is not None else None

    def _rows(self, found: Sequence[tuple[Any, ...]]) -> list[_Row]:
        return [self._row(columns) for columns in found]

    def _row(self, columns: tuple[Any, ...]) -> _Row:
        made: dict[str, Any] = {}
        at = 0
        for part in self._parts:
            end = at + len(part.names)
            mine, at = columns[at:end], end
            row = made[part.path] = part.made(mine)
            if part.relation is not None and made[part.parent] is not None:
                part.relation.set_cached_value(made[part.parent], row)
        found: _Row = made[""]
        return found


@dataclass(frozen=True, slots=True)
class _Part:
    """The columns of one model within a joined row.

    Attributes:
        path: relation from the first model, as in ``select_related``; empty for the first one.
        parent: path of the model that points here.
        relation: its foreign key; ``None`` for the first one.
        model: whose columns they are.
        names: of the columns, as attributes of the model.
        columns: of the columns, as in ``values_list`` of the first model.
        key: place of the primary key among them.
    """

    path: str
    parent: str
    relation: Any
    model: type[Model]
    names: tuple[str, ...]
    columns: tuple[str, ...]
    key: int

    @classmethod
    def of(cls, root: type[Model], path: str) -> "_Part":
        model: Any = root
        relation = None
        for step in path.split("__") if path else ():
            relation = model._meta.get_field(step)  # noqa: SLF001 - Django's documented Meta API
            model = relation.related_model
        fields = model._meta.concrete_fields  # noqa: SLF001 - Django's documented Meta API
        names = tuple(field.attname for field in fields)
        return cls(
            path=path,
            parent=path.rpartition("__")[0],
            relation=relation,
            model=model,
            names=names,
            columns=tuple(f"{path}__{name}" if path else name for name in names),
            key=next(n for n, field in enumerate(fields) if field.primary_key),
        )

    def made(self, columns: tuple[Any, ...]) -> Model | None:
        if columns[self.key] is None:
            return None
        return self.model.from_db(DEFAULT_DB_ALIAS, self.names, columns)
