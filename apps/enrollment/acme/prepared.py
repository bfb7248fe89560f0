"""How are the same few rows found thousands of times a second? By SQL that Django built once.

Half of what an ACME step would cost is the ORM putting together, from the same lines of code,
the same statement as the time before. Here a query set is compiled once per process, with
placeholders, and run again with other values; Django still writes the SQL and converts the
columns, so nothing here knows tables or dialects.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.models import Model, QuerySet

_Row = TypeVar("_Row", bound=Model)


@dataclass(frozen=True, slots=True)
class _Compiled:
    sql: str
    order: tuple[int, ...]
    convert: Callable[[tuple[Any, ...]], tuple[Any, ...]]


class Placeholder(str):
    """Stands for a value that is known at each run only; ``number`` tells which."""

    __slots__ = ("number",)
    number: int


def _placeholder(number: int) -> Placeholder:
    made = Placeholder(f"placeholder {number}")
    made.number = number
    return made


class Prepared:
    """A query of columns: ``query`` gets placeholders for texts, and returns ``values_list``.

    Only columns that take a text as it is can be compared with placeholders.
    """

    def __init__(self, query: Callable[..., QuerySet[Any, Any]], *, values: int) -> None:
        self._query = query
        self._values = values
        self._compiled: _Compiled | None = None

    def all(self, *values: str) -> list[tuple[Any, ...]]:
        """Return every row for these values."""
        compiled = self._compiled or self._compile()
        with connection.cursor() as cursor:
            cursor.execute(compiled.sql, [values[number] for number in compiled.order])
            rows = cursor.fetchall()
        return [compiled.convert(row) for row in rows]

    def first(self, *values: str) -> tuple[Any, ...] | None:
        """Return the first row for these values, ``None`` when there is none."""
        rows = self.all(*values)
        return rows[0] if rows else None

    def _compile(self) -> _Compiled:
        placeholders = [_placeholder(number) for number in range(self._values)]
        compiler = self._query(*placeholders).query.get_compiler(connection=connection)
        sql, parameters = compiler.as_sql()
        assert all(isinstance(parameter, Placeholder) for parameter in parameters), parameters
        converters = compiler.get_converters([item[0] for item in compiler.select])

        def convert(row: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(next(iter(compiler.apply_converters([row], converters))))

        order = tuple(parameter.number for parameter in parameters)
        self._compiled = _Compiled(sql, order, convert)
        return self._compiled


class PreparedRows(Generic[_Row]):
    """A query of whole rows of one model, found by texts; see ``Prepared``."""

    def __init__(
        self, model: type[_Row], query: Callable[..., QuerySet[_Row]], *, values: int
    ) -> None:
        self._model = model
        names = [field.attname for field in model._meta.concrete_fields]  # noqa: SLF001 - Django's documented Meta API
        self._names = names
        self._columns = Prepared(lambda *p: query(*p).values_list(*names), values=values)

    def all(self, *values: str) -> list[_Row]:
        """Return the rows for these values."""
        rows = self._columns.all(*values)
        return [self._model.from_db("default", self._names, row) for row in rows]

    def first(self, *values: str) -> _Row | None:
        """Return the first row for these values, ``None`` when there is none."""
        rows = self.all(*values)
        return rows[0] if rows else None
