"""How are the same few rows found thousands of times a second? By SQL that Django built once.

Half of what a hot request would cost is the ORM putting together, from the same lines of code,
the same statement as the time before. Here a query set is compiled once per process, with
slots for the values, and run again and again; Django still writes the SQL and converts the
columns, so nothing here knows tables or dialects.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any, Generic, TypeVar

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
from apps.statements.rows import loaded

# Of which kind a slot's value is.
TEXT, NUMBER, KEY, TIME = TextField(), IntegerField(), UUIDField(), DateTimeField()

_Row = TypeVar("_Row", bound=Model)
_Converter = Callable[[Any, Any, Any], Any]


class Slot(Expression):
    """Stands in a query for a value that each run brings along."""

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
        width: how many columns there are.
        fields: of the values, to bring them into the form that the database takes.
        converters: of the columns that need any, by column number.
    """

    sql: str
    width: int
    parameters: tuple[tuple[bool, Any], ...]
    fields: tuple["Field[Any, Any]", ...]
    converters: tuple[tuple[int, tuple[_Converter, ...], Any], ...]

    def bound(self, values: Sequence[Any], connection: Any) -> list[Any]:
        """Return the parameters for one run."""
        if len(values) != len(self.fields):
            raise TypeError(f"{len(self.fields)} values are wanted, not {len(values)}")
        # PostgreSQL reads all of them from their texts.
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
        rows = execution.fetch_all(connection, compiled.sql, compiled.bound(values, connection))
        return [compiled.converted(row, connection) for row in rows]

    def made_of(self, rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Return raw rows as ``all`` would."""
        connection = execution.here()
        compiled = self._for(connection)
        return [compiled.converted(row, connection) for row in rows]

    def first(self, *values: Any) -> tuple[Any, ...] | None:
        """Return the first row for these values, ``None`` when there is none."""
        return next(iter(self.all(*values)), None)

    def compiled(self) -> _Compiled:
        """Return the query as this thread's database takes it, to be a part of a statement."""
        return self._for(execution.here())

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
                width=len(compiler.select),
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
        related: to-one relations to load along, such as ``("user", "user__group")``.
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

    def made_of(self, rows: Sequence[tuple[Any, ...]]) -> list[_Row]:
        """Return raw rows as ``all`` would."""
        return self._rows(self._lookup.made_of(rows))

    def compiled(self) -> _Compiled:
        """Do as ``Lookup.compiled``."""
        return self._lookup.compiled()

    def _rows(self, found: Sequence[tuple[Any, ...]]) -> list[_Row]:
        met: dict[Any, Any] = {}
        return [self._row(columns, met) for columns in found]

    def _row(self, columns: tuple[Any, ...], met: dict[Any, Any] | None = None) -> _Row:
        """Return a row; what several rows of one answer point at is made once, kept in ``met``."""
        made: dict[str, Any] = {}
        at = 0
        for part in self._parts:
            end = at + len(part.names)
            mine, at = columns[at:end], end
            known = met.get((part.path, mine[part.key])) if met is not None and part.path else None
            row = made[part.path] = known if known is not None else part.made(mine)
            if part.path and made[part.parent] is not None:
                made[part.parent]._state.fields_cache[part.relation] = row  # noqa: SLF001 - as assigning does, for less
                if met is not None:
                    met[part.path, mine[part.key]] = row
        found: _Row = made[""]
        return found


@dataclass(frozen=True, slots=True)
class _Part:
    """The columns of one model within a joined row."""

    path: str
    parent: str
    relation: str
    model: type[Model]
    names: tuple[str, ...]
    columns: tuple[str, ...]
    key: int

    @classmethod
    def of(cls, root: type[Model], path: str) -> "_Part":
        model: Any = root
        for step in path.split("__") if path else ():
            model = model._meta.get_field(step).related_model  # noqa: SLF001 - Django's documented Meta API
        fields = model._meta.concrete_fields  # noqa: SLF001 - Django's documented Meta API
        names = tuple(field.attname for field in fields)
        parent, _, relation = path.rpartition("__")
        return cls(
            path=path,
            parent=parent,
            relation=relation,
            model=model,
            names=names,
            columns=tuple(f"{path}__{name}" if path else name for name in names),
            key=next(n for n, field in enumerate(fields) if field.primary_key),
        )

    def made(self, columns: tuple[Any, ...]) -> Model | None:
        if columns[self.key] is None:
            return None
        return loaded(self.model, self.names, columns)


# A query with the values for its slots.
Asked = tuple[Lookup | RowLookup[Any], Sequence[Any]]


class Joined:
    """Several queries in one statement, which spares the way there and back for all but one.

    Each finds at most one row, save for the last, which may find any number; and the first
    column of each is never null.
    """

    def __init__(self, asked: Sequence[Asked]) -> None:
        connection = execution.here()
        queries, self.columns, self.source, self._places = _joined(
            tuple([lookup for lookup, _ in asked]), connection.vendor
        )
        self.values: list[Any] = []
        for query, (_, values) in zip(queries, asked, strict=True):
            self.values += query.bound(values, connection)

    def split(self, rows: Sequence[tuple[Any, ...]]) -> list[list[tuple[Any, ...]]]:
        """Return the raw rows that each query found."""
        found = []
        for start, end, is_last in self._places:
            mine = rows if is_last else rows[:1]
            found.append([row[start:end] for row in mine if row[start] is not None])
        return found


@lru_cache(maxsize=256)
def _joined(
    lookups: tuple[Lookup | RowLookup[Any], ...],
    vendor: str,  # noqa: ARG001 - for which the queries are compiled
) -> tuple[tuple[_Compiled, ...], str, str, tuple[tuple[int, int, bool], ...]]:
    """Return the queries, columns and source of the statement, and where each query's columns are.

    The statement finds a row even where no query does.
    """
    queries = tuple(lookup.compiled() for lookup in lookups)
    names = [f"found{number}" for number in range(len(queries))]
    joins = [
        f"LEFT JOIN ({query.sql}) AS {name} ON true"
        for query, name in zip(queries, names, strict=True)
    ]
    columns = ", ".join(f"{name}.*" for name in names)
    ends = list(accumulate(query.width for query in queries))
    places = tuple(
        (end - query.width, end, end == ends[-1]) for end, query in zip(ends, queries, strict=True)
    )
    return queries, columns, " ".join(["FROM (SELECT 1) AS one", *joins]), places


def raw_rows(*asked: Asked) -> list[list[tuple[Any, ...]]]:
    """Run several queries by one statement, see ``Joined``; return the raw rows of each.

    A raw row is as the database gave it: fit to be the key of a cache. Whoever has made something
    of an equal row before need not take it apart again; others ask ``made_of``.
    """
    if not asked:
        return []
    joined = Joined(asked)
    sql = f"SELECT {joined.columns} {joined.source}"
    return joined.split(execution.fetch_all(execution.here(), sql, joined.values))


def at_once(*asked: Asked) -> list[list[Any]]:
    """Run several queries by one statement, see ``Joined``.

    Returns:
        For each what its ``all`` would.
    """
    found = raw_rows(*asked)
    return [lookup.made_of(rows) for (lookup, _), rows in zip(asked, found, strict=True)]
