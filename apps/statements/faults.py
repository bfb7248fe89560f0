"""Faults of the database that are nobody's mistake: away, read-only, locked or full.

Django's error classes do not tell them from mistakes in a statement: a read-only database is an
``InternalError`` on PostgreSQL and an ``OperationalError``, as a missing table is, on SQLite. The
codes of the drivers do.
"""

import sqlite3

import psycopg
from django.db import Error, IntegrityError

from apps.errors import DatabaseUnavailable

# Classes of SQLSTATE (PostgreSQL's manual, appendix A): connection, transaction rollback (deadlock,
# serialization), resources (full disk, memory, too many connections), object not in the needed
# state (lock timeouts), intervention by an operator (shutdown, cancelled statements), system errors.
_CLASSES = ("08", "40", "53", "55", "57", "58")
# Of class 25, which is mostly mistakes: read-only transactions, and sessions that were ended.
_STATES = frozenset({"25006", "25P03", "25P04"})
_SQLITE_CODES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)
_PRIMARY = 0xFF  # SQLite's extended codes keep the primary one in their lowest octet
_MAX_REASON = 200


def unavailability(error: BaseException | None) -> DatabaseUnavailable | None:
    """Return the domain error for a fault of the database; ``None`` for any other error.

    ``cause`` of the result is a line for the log.
    """
    if not isinstance(error, Error):
        return None
    cause = error.__cause__
    if isinstance(cause, psycopg.Error):
        found = _of_postgresql(cause)
    elif isinstance(cause, sqlite3.Error):
        # The module's own errors (a closed connection, say) have no code.
        found = getattr(cause, "sqlite_errorcode", 0) & _PRIMARY in _SQLITE_CODES
    else:
        found = False
    return DatabaseUnavailable(cause=_line(cause)) if found else None


def is_missing_reference(error: BaseException | None) -> bool:
    """Tell whether a row was refused because what it points at is gone, or points at it still.

    That is a race between two calls, each of which found everything in place.
    """
    if not isinstance(error, IntegrityError):
        return False
    cause = error.__cause__
    if isinstance(cause, psycopg.Error):
        return isinstance(cause, psycopg.errors.ForeignKeyViolation)
    return getattr(cause, "sqlite_errorcode", 0) == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY


def _of_postgresql(cause: psycopg.Error) -> bool:
    state = cause.sqlstate
    if state is None:
        # Without an answer of the server: it cannot be reached, or the connection broke.
        return isinstance(cause, psycopg.OperationalError)
    return state.startswith(_CLASSES) or state in _STATES


def _line(cause: BaseException | None) -> str:
    state = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", "")
    text = " ".join(str(cause).split())[:_MAX_REASON]
    return f"{type(cause).__name__} {state}: {text}".replace(" :", ":")
