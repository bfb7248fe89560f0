"""Indexes for the search of any part of a text: trigrams on PostgreSQL, FTS5 on SQLite.

``field__contains_text="part"`` finds what ``icontains`` finds, by the index. A part shorter than
``MIN_LENGTH`` has no trigram, so no index can help: forms and filters refuse it.
"""

# ruff: noqa: S608 - SQL is made of the names of our own tables and columns

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import AppConfig
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, transaction
from django.db.models import CharField, Model, TextField
from django.db.models.expressions import Col
from django.db.models.lookups import IContains
from django.db.models.signals import post_migrate

from apps import registry

MIN_LENGTH = 3
_EXTENSION = "pg_trgm"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TextIndex:
    """Columns of one model that are searched by parts.

    Attributes:
        model: its primary key may be of any type.
        columns: names of text columns.
    """

    model: type[Model]
    columns: tuple[str, ...]

    def install(self, using: str) -> None:
        """Create what is missing; connected to ``post_migrate``.

        A migration cannot do it: on SQLite, each later migration that changes a table makes the
        table anew, without its triggers.
        """
        connection = connections[using]
        table = _table(self.model)
        if table not in connection.introspection.table_names():  # migrated backwards
            return
        if connection.vendor == "postgresql":
            self._install_trigrams(connection)
        else:
            self._install_fts(connection)

    def _install_trigrams(self, connection: Any) -> None:
        """Create one GIN index for each column, on the expression that ``icontains`` compares."""
        try:
            with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
                cursor.execute(f"CREATE EXTENSION IF NOT EXISTS {_EXTENSION}")
        except DatabaseError as error:
            # Searching works without it, by reading the whole table.
            _logger.warning(
                "Search of %s has no index, because the extension %s cannot be created (%s). Let an "
                "administrator of the database run: CREATE EXTENSION %s; then run migrate again.",
                _table(self.model),
                _EXTENSION,
                str(error).splitlines()[0],
                _EXTENSION,
            )
            return
        quote = connection.ops.quote_name
        table = _table(self.model)
        with connection.cursor() as cursor:
            # An administrator may have put it into a schema that is not searched for names.
            cursor.execute(
                "SELECT nspname FROM pg_extension "
                "JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = %s",
                [_EXTENSION],
            )
            (schema,) = cursor.fetchone()
            for column in self.columns:
                cursor.execute(
                    f"CREATE INDEX IF NOT EXISTS {quote(f'{table}_{column}_trigrams')} "
                    f"ON {quote(table)} USING gin (upper({quote(column)}::text) {quote(schema)}.gin_trgm_ops)"
                )

    def _install_fts(self, connection: Any) -> None:
        """Create the FTS5 table and its triggers, and fill it, unless they are there."""
        if self.is_complete(connection):
            return
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            for statement in self._fts_statements():
                cursor.execute(statement)

    def is_complete(self, connection: Any) -> bool:
        """Tell whether SQLite's triggers are there, and are those of this version."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s",
                [_table(self.model)],
            )
            # SQLite keeps the text of a trigger as it was written.
            found = set(cursor.fetchall())
        return {(name, _create(name, body)) for name, body in self._triggers()} <= found

    def _fts_statements(self) -> Iterator[str]:
        """Yield what makes tables and triggers anew.

        FTS5 numbers its rows, and SQLite may renumber those of a table without an integer key,
        for example in VACUUM. Hence a table of our own that gives each key its number.
        """
        table, numbers, texts = _tables(self.model)
        columns = ", ".join(f'"{column}"' for column in self.columns)
        yield f'DROP TABLE IF EXISTS "{texts}"'
        yield f'DROP TABLE IF EXISTS "{numbers}"'
        yield f'CREATE TABLE "{numbers}" (number INTEGER PRIMARY KEY, key UNIQUE NOT NULL)'
        yield f"CREATE VIRTUAL TABLE \"{texts}\" USING fts5({columns}, tokenize = 'trigram')"
        yield f'INSERT INTO "{numbers}" (key) SELECT {self._key} FROM "{table}"'
        yield (
            f'INSERT INTO "{texts}" (rowid, {columns}) SELECT number, {columns} '
            f'FROM "{table}" JOIN "{numbers}" ON key = {self._key}'
        )
        for name, body in self._triggers():
            yield f'DROP TRIGGER IF EXISTS "{name}"'
            yield _create(name, body)

    def _triggers(self) -> list[tuple[str, str]]:
        """Return names and bodies of SQLite's triggers."""
        table, numbers, texts = _tables(self.model)
        columns = ", ".join(f'"{column}"' for column in self.columns)
        new = ", ".join(f'NEW."{column}"' for column in self.columns)
        number = f'(SELECT number FROM "{numbers}" WHERE key = {{}}.{self._key})'
        changed = ", ".join(f'"{column}" = NEW."{column}"' for column in self.columns)
        on_insert = (
            f'INSERT INTO "{numbers}" (key) VALUES (NEW.{self._key}); '
            f'INSERT INTO "{texts}" (rowid, {columns}) VALUES ({number.format("NEW")}, {new})'
        )
        on_update = f'UPDATE "{texts}" SET {changed} WHERE rowid = {number.format("NEW")}'
        on_delete = (
            f'DELETE FROM "{texts}" WHERE rowid = {number.format("OLD")}; '
            f'DELETE FROM "{numbers}" WHERE key = OLD.{self._key}'
        )
        return [
            (f"{texts}_insert", f'AFTER INSERT ON "{table}" BEGIN {on_insert}; END'),
            (f"{texts}_update", f'AFTER UPDATE OF {columns} ON "{table}" BEGIN {on_update}; END'),
            (f"{texts}_delete", f'AFTER DELETE ON "{table}" BEGIN {on_delete}; END'),
        ]

    @property
    def _key(self) -> str:
        return f'"{_primary_key(self.model).column}"'


def _create(name: str, body: str) -> str:
    return f'CREATE TRIGGER "{name}" {body}'


_registered: list[TextIndex] = []


def register(app: AppConfig, *indexes: TextIndex) -> None:
    """Let each ``migrate`` create the indexes of an app; called in its ``ready()``."""
    _registered.extend(indexes)
    registry.readiness_checks["search"] = registry.ReadinessCheck("search", missing, advisory=True)

    def install(*, using: str, **_: Any) -> None:
        for index in indexes:
            index.install(using)

    post_migrate.connect(install, sender=app, weak=False, dispatch_uid=f"text_index.{app.label}")


def missing() -> str:
    """Return a text for ``/readyz`` when search overlooks rows; empty otherwise.

    Without its indexes PostgreSQL finds the same rows, only slower.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.vendor == "postgresql":
        return ""
    tables = [_table(index.model) for index in _registered if not index.is_complete(connection)]
    return f"search misses rows of {', '.join(tables)}; run migrate" if tables else ""


class ContainsText(IContains):
    """Whether a column of a ``TextIndex`` holds a text, in whatever case."""

    lookup_name = "contains_text"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        """Return what ``icontains`` compiles to: the index is on that expression."""
        return IContains(self.lhs, self.rhs).as_sql(compiler, connection)

    def as_sqlite(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        """Return a look-up by key among the rows that FTS5 finds."""
        if len(self.rhs) < MIN_LENGTH:
            return self.as_sql(compiler, connection)
        column = self.lhs.target
        _, numbers, texts = _tables(column.model)
        key, parameters = compiler.compile(Col(self.lhs.alias, _primary_key(column.model)))
        quoted = self.rhs.replace('"', '""')
        found = (
            f'SELECT key FROM "{texts}" JOIN "{numbers}" ON number = "{texts}".rowid '
            f'WHERE "{texts}" MATCH %s'
        )
        return f"{key} IN ({found})", [*parameters, f'"{column.column}" : "{quoted}"']


CharField.register_lookup(ContainsText)
TextField.register_lookup(ContainsText)


def _table(model: type[Model]) -> str:
    return str(model._meta.db_table)  # noqa: SLF001 - Django's documented Meta API


def _tables(model: type[Model]) -> tuple[str, str, str]:
    """Return SQLite's tables: of the model, of the numbers of its rows, and of their texts."""
    table = _table(model)
    return table, f"{table}_text_numbers", f"{table}_texts"


def _primary_key(model: type[Model]) -> Any:
    return model._meta.pk  # noqa: SLF001 - Django's documented Meta API
