"""What does Sealwright ask of PostgreSQL beyond Django's own backend? Two things, for speed.

* ``run_prepared``: statements that the server parses and plans once per connection, sent
  through libpq without the machinery of a cursor, which costs more than most of them.
* A kept connection that was used a moment ago is believed to be alive, unless its socket says
  otherwise. Django's health check costs every request a round trip.
"""

import select
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg import errors
from psycopg.adapt import Buffer, Transformer
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.types.datetime import TimestamptzLoader

from apps.statements.postgresql import parameters
from apps.statements.postgresql.parameters import Bound

_TRUSTED_S = 20.0
# Every prepared statement takes memory in a server process; ours are written in the code.
_MAX_PREPARED = 500
_DONE = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)
# The statement is gone (a pooler in between), or a migration changed a column under its plan.
_STALE = (errors.InvalidSqlStatementName, errors.FeatureNotSupported)


@dataclass(slots=True)
class _Prepared:
    """A statement that the server knows.

    Attributes:
        name: there.
        reader: knows how to read the columns, once a row has come.
    """

    name: bytes
    reader: Any = None  # a psycopg.adapt.Transformer


class _TimeLoader(TimestamptzLoader):
    """Reads times in UTC, as all of ours arrive, at a tenth of the cost."""

    timezone = UTC  # Django looks here before it lets the loader be

    def load(self, data: Buffer) -> datetime:
        """Return an aware time."""
        text = str(data, "ascii")
        if text.endswith("+00") and text[4] == "-":  # no year that Python lacks
            return datetime.fromisoformat(text)
        return super().load(data)


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's PostgreSQL with the above; everything else is inherited."""

    _alive_at = 0.0

    def connect(self) -> None:
        """Connect, which proves the connection; it has no prepared statements yet."""
        super().connect()
        # Our statements find few rows by their keys, whatever the values: one plan serves all,
        # where the server would else make a new one for each run that compares times.
        self.connection.pgconn.exec_(b"SET plan_cache_mode = force_generic_plan")
        if self.timezone_name == "UTC":
            self.connection.adapters.register_loader("timestamptz", _TimeLoader)
        self._alive_at = time.monotonic()
        self._prepared: dict[str, _Prepared] = {}
        self._made = 0

    def takes_prepared(self) -> bool:
        """Tell whether ``run_prepared`` may be used now.

        Within a transaction, and where statements are logged or wrapped, cursors do the work.
        """
        return not (self.in_atomic_block or self.queries_logged or self.execute_wrappers)

    def run_prepared(
        self, sql: str, values: Sequence[Any], *, once: bool = False
    ) -> tuple[list[tuple[Any, ...]], int]:
        """Run one statement as a transaction of its own.

        Args:
            sql: with ``%s`` for values, as Django writes it.
            values: in the form that Django's fields give for this database.
            once: do not keep the statement for the next time.

        Returns:
            The rows as cursors return them, and how many were found or changed.

        Raises:
            django.db.Error: as from cursors.
            ValueError: a text holds NUL.
        """
        return self.run_bound(sql, Bound(parameters.as_texts(values, self)), once=once)

    def run_bound(
        self, sql: str, given: Bound, *, once: bool = False
    ) -> tuple[list[tuple[Any, ...]], int]:
        """Do as ``run_prepared`` with values that are ready to travel."""
        # Either may connect anew, and forget what the old connection had prepared.
        self.close_if_health_check_failed()
        if self.connection is None:
            self.ensure_connection()
        try:
            if once:
                text = parameters.numbered_once(sql)
                result = self.connection.pgconn.exec_params(
                    text, given.values, param_formats=given.formats
                )
                return self._read(result, _Prepared(b""))
            try:
                return self._run(sql, given)
            except _STALE:
                self._prepared.pop(sql, None)
                return self._run(sql, given)
        except psycopg.Error:
            with self.wrap_database_errors:
                raise

    def close_if_unusable_or_obsolete(self) -> None:
        """Do as Django's, at one glance where nothing about the connection is unusual."""
        if (
            self.connection is None
            or self.errors_occurred
            or self.autocommit != self.settings_dict["AUTOCOMMIT"]
            or (self.close_at is not None and time.monotonic() >= self.close_at)
        ):
            super().close_if_unusable_or_obsolete()
        else:
            self.health_check_done = False

    def is_usable(self) -> bool:
        """Tell whether a kept connection still works.

        A server that shut down, or ended this connection, has said so on the socket; a path
        that was cut silently shows only after a while, hence the bound.
        """
        now = time.monotonic()
        trusted = now - self._alive_at < _TRUSTED_S and not self.errors_occurred
        if trusted and self._is_silent():
            return True
        usable: bool = super().is_usable()
        if usable:
            self._alive_at = now
        return usable

    def _run(self, sql: str, given: Bound) -> tuple[list[tuple[Any, ...]], int]:
        statement = self._prepared.get(sql) or self._prepare(sql)
        result = self.connection.pgconn.exec_prepared(statement.name, given.values, given.formats)
        return self._read(result, statement)

    def _read(self, result: Any, statement: _Prepared) -> tuple[list[tuple[Any, ...]], int]:
        if result.status not in _DONE:
            raise self._error_of(result)
        rows: list[tuple[Any, ...]] = []
        if result.ntuples:
            reader = statement.reader
            if reader is None:
                reader = statement.reader = Transformer(self.connection)
                reader.set_pgresult(result)
            else:
                # The server refuses to run a statement whose columns are not what they were.
                reader.set_pgresult(result, set_loaders=False)
            rows = reader.load_rows(0, result.ntuples, tuple)
            reader.set_pgresult(None, set_loaders=False)
        return rows, result.command_tuples or 0

    def _prepare(self, sql: str) -> _Prepared:
        driver = self.connection
        if len(self._prepared) >= _MAX_PREPARED:
            driver.pgconn.exec_(b"DEALLOCATE ALL")
            self._prepared.clear()
        self._made += 1
        name = b"sealwright_%d" % self._made
        result = driver.pgconn.prepare(name, parameters.numbered(sql))
        if result.status not in _DONE:
            raise self._error_of(result)
        statement = self._prepared[sql] = _Prepared(name)
        return statement

    def _error_of(self, result: Any) -> psycopg.Error:
        driver = self.connection
        if driver.pgconn.status != ConnStatus.OK:
            return psycopg.OperationalError(driver.pgconn.get_error_message())
        return errors.error_from_result(result, encoding=driver.info.encoding)

    def _is_silent(self) -> bool:
        """Tell whether nothing has come in that nobody asked for."""
        try:
            readable, _, _ = select.select([self.connection.fileno()], [], [], 0)
        except (OSError, ValueError, psycopg.Error):
            return False
        return not readable
