"""Faults of the database are told from mistakes, by the codes of the drivers."""

import sqlite3

import psycopg
import pytest
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError, connections
from django.db.backends.sqlite3.base import DatabaseWrapper

from apps.statements import faults


def wrapped(cause: Exception, kind: type[Exception] = OperationalError) -> Exception:
    error = kind(str(cause))
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "state",
    [
        "08006",  # connection failure
        "25006",  # read_only_sql_transaction: an InternalError
        "40001",  # serialization failure
        "40P01",  # deadlock
        "53100",  # disk full
        "53200",  # out of memory
        "53300",  # too many connections
        "55P03",  # lock timeout
        "57014",  # query cancelled, statement timeout
        "57P01",  # admin shutdown
        "57P02",  # crash shutdown
        "57P03",  # cannot connect now
        "58030",  # I/O error
    ],
)
def test_faults_of_postgresql(state):
    cause = psycopg.errors.lookup(state)("canary")
    found = faults.unavailability(wrapped(cause, DatabaseError))
    assert found is not None
    assert state in found.cause
    assert "canary" not in found.detail


@pytest.mark.parametrize("kind", [psycopg.OperationalError, psycopg.errors.ConnectionTimeout])
def test_a_server_that_says_nothing_is_away(kind):
    assert faults.unavailability(wrapped(kind("the connection is closed"))) is not None


@pytest.mark.parametrize("state", ["23505", "22001", "42P01", "42601", "25P02", "XX000", "0A000"])
def test_mistakes_on_postgresql_are_none(state):
    assert faults.unavailability(wrapped(psycopg.errors.lookup(state)("x"))) is None


@pytest.mark.parametrize("error", [ValueError("x"), None, IntegrityError("x"), InterfaceError("x")])
def test_other_errors_are_none(error):
    assert faults.unavailability(error) is None


@pytest.fixture
def on_sqlite(tmp_path, db):
    """Connections of Django's to one file of SQLite."""
    made = []

    def connect(**options) -> DatabaseWrapper:
        settings = connections["default"].settings_dict | {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": tmp_path / "one.sqlite3",
            "OPTIONS": {"timeout": 0} | options,
        }
        made.append(DatabaseWrapper(settings, "one"))
        return made[-1]

    yield connect
    for one in made:
        one.close()


def raised(connection: DatabaseWrapper, statement: str) -> Exception:
    with connection.cursor() as cursor, pytest.raises(DatabaseError) as caught:
        cursor.execute(statement)
    return caught.value


def test_a_locked_sqlite(on_sqlite):
    holder, other = on_sqlite(), on_sqlite()
    with holder.cursor() as cursor:
        cursor.execute("CREATE TABLE t (x)")
        cursor.execute("BEGIN EXCLUSIVE")
        found = faults.unavailability(raised(other, "INSERT INTO t VALUES (1)"))
    assert "SQLITE_BUSY" in found.cause


def test_a_read_only_sqlite(on_sqlite):
    with on_sqlite().cursor() as cursor:
        cursor.execute("CREATE TABLE t (x)")
    reader = on_sqlite(init_command="PRAGMA query_only = on")
    found = faults.unavailability(raised(reader, "INSERT INTO t VALUES (1)"))
    assert "SQLITE_READONLY" in found.cause


def test_a_full_sqlite(on_sqlite):
    connection = on_sqlite()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (x)")
        cursor.execute("PRAGMA max_page_count = 1")
    found = faults.unavailability(raised(connection, "INSERT INTO t VALUES (zeroblob(100000))"))
    assert "SQLITE_FULL" in found.cause


def test_a_missing_table_of_sqlite_is_a_mistake(on_sqlite):
    assert faults.unavailability(raised(on_sqlite(), "SELECT * FROM missing")) is None


def test_an_error_of_the_module_without_a_code_is_none():
    assert faults.unavailability(wrapped(sqlite3.ProgrammingError("closed"))) is None
