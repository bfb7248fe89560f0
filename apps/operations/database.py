"""Diagnosis of the database as a whole: reachable, of a usable version, writable, up to date."""

from collections.abc import Callable
from pathlib import Path

from django.db import Error, connection, transaction

from apps.web.health import missing_migrations

OLDEST_POSTGRESQL = 15
_SETTING = "SEALWRIGHT_DATABASE_URL"


def problems(*, migrated: bool = True) -> list[str]:
    """Return what keeps Sealwright from using the database; empty when nothing does.

    Args:
        migrated: whether its tables must be there already. Where they need not, the right to
            make them is asked for.
    """
    steps: list[Callable[[], str]] = [_unreachable, _unsuitable, _unwritable]
    steps.append(_not_migrated if migrated else _without_rights)
    for step in steps:  # each needs the ones before
        try:
            found = step()
        except Error as error:
            found = f"{_SETTING}: {_reason(error)}"
        if found:
            return [found]
    return []


def missing_file() -> Path | None:
    """Return SQLite's file where it is still to be made; ``None`` for any other database."""
    name = str(connection.settings_dict["NAME"])
    if not _is_sqlite() or name == ":memory:" or name.startswith("file:"):
        return None
    return None if Path(name).exists() else Path(name)


def place() -> str:
    """Return where the database is, without credentials."""
    found = connection.settings_dict
    if connection.vendor == "sqlite":
        return str(found["NAME"])
    host = found.get("HOST") or "the local socket"
    port = f":{found['PORT']}" if found.get("PORT") else ""
    return f"{host}{port}/{found['NAME']}"


def _unreachable() -> str:
    try:
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM sqlite_master" if _is_sqlite() else "SELECT 1")
    except Error as error:
        connection.close()
        return f"{_SETTING}: the database {place()} cannot be used: {_reason(error)}"
    return ""


def _unsuitable() -> str:
    if _is_sqlite():
        return ""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('server_version'), current_setting('server_encoding')"
        )
        version, encoding = cursor.fetchone()
    if int(version.partition(".")[0].split()[0]) < OLDEST_POSTGRESQL:
        return f"{_SETTING}: PostgreSQL {OLDEST_POSTGRESQL} or newer is needed; this is {version}"
    if encoding != "UTF8":
        return f"{_SETTING}: the database's encoding is {encoding}; it must be made with UTF8"
    return ""


def _unwritable() -> str:
    """Look whether a transaction may write, without writing."""
    if _is_sqlite():
        with transaction.atomic(durable=False):  # takes the write lock, as every write does
            return ""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('transaction_read_only'), pg_is_in_recovery()")
        read_only, standby = cursor.fetchone()
    if standby:
        return f"{_SETTING}: {place()} is a standby, which cannot be written"
    return f"{_SETTING}: {place()} is read-only" if read_only == "on" else ""


def _not_migrated() -> str:
    if not missing_migrations():
        return ""
    return "The database is not up to date with this version: run `manage.py migrate` first"


def _without_rights() -> str:
    if _is_sqlite():
        return ""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, current_schema()")
        user, schema = cursor.fetchone()
        if schema is None:
            return f"{_SETTING}: {user} may use no schema of {place()}"
        cursor.execute("SELECT has_schema_privilege(%s, 'CREATE')", [schema])
        (allowed,) = cursor.fetchone()
    if allowed or not missing_migrations():
        return ""
    return (
        f"{_SETTING}: {user} may not make tables in the schema {schema} of {place()} "
        f"(GRANT CREATE ON SCHEMA {schema} TO ...)"
    )


def _is_sqlite() -> bool:
    return connection.vendor == "sqlite"


def _reason(error: Exception) -> str:
    """Return the server's own words, without what the driver puts around them."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = next(
        (line for line in lines if "FATAL:" in line), lines[0] if lines else "no reason given"
    )
    for mark in ("FATAL:", "failed: "):
        text = text.rpartition(mark)[2].strip()
    return text.removeprefix("connection ").strip().rstrip(".") or "no reason given"
