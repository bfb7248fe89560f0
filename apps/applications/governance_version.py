"""The governance version: a number that changes with everything that decides about requests.

Each process caches what it has read of governed tables (tokens, rights, pairings, ACME
endpoints). A cached value may be used while the governance version is the one under which it was
read, so a role that is taken away counts at once, in every process and on every host
(ADR 0010).

* Triggers on each governed table write a random number into ``GovernanceChange``, in the
  transaction of the change; changes made by the shell or by a migration count as well.
* The version is the sum of these numbers. A change never waits for another one, and a change
  that is rolled back takes its number with it, so two states of governance share a version with
  odds of 2^-44 only. A counter would make writers queue, and would repeat a value after a rollback.
* Each request reads the version once, by one small statement, and hands it on in
  ``Principal.governance_version``.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from django.contrib.auth.models import Group
from django.db import connections, transaction
from django.db.models import Model, Sum, TextField, Value
from django.db.models.functions import Cast

from apps import registry
from apps.accounts.models import User
from apps.applications.models import (
    ApiToken,
    Application,
    ApplicationGroupObjectPermission,
    ApplicationUserObjectPermission,
    GovernanceChange,
    Pairing,
)
from apps.authorities.models import Authority, AuthorityCertificate
from apps.keys.models import Key
from apps.policies.models import Policy, PolicyVersion
from apps.profiles.models import Profile
from apps.statements.lookups import Lookup

_NUMBER_BITS = 44
# With more rows than this, the scheduled job replaces them by one.
_COMPACT_ABOVE = 20
_TRIGGER = "governed"
_TABLE = GovernanceChange._meta.db_table  # noqa: SLF001 - Django's documented Meta API
# Columns that note a use and decide nothing: writing only these does not change the version.
_COLUMNS_OF_USE: dict[str, frozenset[str]] = {
    User._meta.db_table: frozenset({"last_login"}),  # noqa: SLF001 - see above
    ApiToken._meta.db_table: frozenset({"last_used_at"}),  # noqa: SLF001 - see above
}

VERSION = Lookup(
    lambda: (
        GovernanceChange.objects.order_by()
        .annotate(one=Value(1))
        .values("one")
        .annotate(version=Cast(Sum("token"), TextField()))
        .values_list("version")
    )
)
"""Finds the version as a text; no row where nothing was ever governed."""

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def current() -> str:
    """Return the governance version now, by one statement.

    Empty where no governed table was ever written; nothing is cached under an empty version.
    """
    return of(VERSION.all())


def of(rows: Iterable[tuple[Any, ...]]) -> str:
    """Return the version from the rows that ``VERSION`` found."""
    return next((str(version) for (version,) in rows if version is not None), "")


class GovernanceCache(Generic[_Key, _Value]):
    """Values made of governed rows, each usable under the version that it was read in.

    Args:
        max_entries: when it is full, everything is dropped.
    """

    def __init__(self, max_entries: int) -> None:
        self._max_entries = max_entries
        self._values: dict[_Key, tuple[str, _Value]] = {}

    def fetch(self, key: _Key, version: str, read: Callable[[str], _Value]) -> _Value:
        """Return the cached value, or read it from the database and cache it.

        To fill the cache, the version is read again, immediately before the rows. The caller's
        would be wrong inside a transaction that has changed governance since: after a rollback,
        rows that were never committed would be found under a version that exists. Rows that
        somebody commits between the two statements are newer than the version, and are dropped
        together with it by the next request.

        Args:
            key: under which to cache.
            version: as the request has read it. Without one the database is always read, and
                nothing cached.
            read: reads the rows; called with the version. What it raises is not cached.
        """
        if not version:
            return read("")
        read_under, value = self._values.get(key, ("", None))
        if value is not None and read_under == version:
            return value
        version = current()
        value = read(version)
        if len(self._values) >= self._max_entries:
            self._values.clear()
        self._values[key] = version, value
        return value


def governed_models() -> list[type[Model]]:
    """Return the models that ``GovernanceCache`` values are read from, with those registered above."""
    return [
        Application,
        ApplicationGroupObjectPermission,
        ApplicationUserObjectPermission,
        Pairing,
        Group,
        User,
        User.groups.through,
        ApiToken,
        Profile,
        Policy,
        PolicyVersion,
        Authority,
        AuthorityCertificate,
        Key,
        *registry.governed_models,
    ]


def install_triggers(using: str) -> None:
    """Create the triggers that governed tables lack; connected to ``post_migrate``.

    A migration cannot do it: on SQLite, each later migration that changes a table makes the table
    anew, without its triggers. ``/readyz`` fails while one is missing (``missing_triggers``).
    """
    connection = connections[using]
    tables = set(
        connection.introspection.table_names()
    )  # after a migration backwards some are gone
    if _TABLE not in tables:
        return
    missing = [table for table in _without_trigger(connection) if table in tables]
    with transaction.atomic(using=using), connection.cursor() as cursor:
        if missing and connection.vendor == "postgresql":
            cursor.execute(_FUNCTION)
        for table in missing:
            for statement in _statements(connection, table):
                cursor.execute(statement)
        if missing or not GovernanceChange.objects.using(using).exists():
            _add_number(using)


def missing_triggers() -> str:
    """Return a text for ``/readyz`` when triggers are missing or do not fire; empty otherwise.

    On PostgreSQL foreign keys are triggers as well: whoever disabled them let rows point nowhere.
    """
    connection = connections["default"]
    missing = _without_trigger(connection)
    if missing:
        return f"triggers are missing or not always enabled on {', '.join(missing)}; run migrate"
    if connection.vendor != "postgresql":
        return ""
    with connection.cursor() as cursor:
        cursor.execute(_SILENCED)
        ((replica, tables),) = cursor.fetchall()
    if replica:
        return "session_replication_role is replica: foreign keys are not enforced"
    return f"foreign keys are not enforced on {tables}: enable its triggers" if tables else ""


def compact() -> str:
    """Replace many numbers by one; every cached value is then read again, once."""
    with transaction.atomic():
        keys = list(GovernanceChange.objects.values_list("pk", flat=True))
        if len(keys) <= _COMPACT_ABOVE:
            return "nothing to do"
        GovernanceChange.objects.filter(pk__in=keys).delete()
        _add_number("default")
    return f"replaced {len(keys)} changes"


def _add_number(using: str) -> None:
    GovernanceChange.objects.using(using).create(token=secrets.randbelow(1 << _NUMBER_BITS))


def _without_trigger(connection: Any) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(_INSTALLED[connection.vendor])
        installed = {(table, name) for table, name in cursor.fetchall()}
    tables = [model._meta.db_table for model in governed_models()]  # noqa: SLF001 - Django's documented Meta API
    return [
        table
        for table in tables
        if not {(table, name) for name, _ in _triggers(connection, table)} <= installed
    ]


def _statements(connection: Any, table: str) -> Iterable[str]:
    quote = connection.ops.quote_name
    for name, body in _triggers(connection, table):
        on = f" ON {quote(table)}" if connection.vendor == "postgresql" else ""
        yield f"DROP TRIGGER IF EXISTS {quote(name)}{on}"
        yield f"CREATE TRIGGER {quote(name)} {body}"
        if connection.vendor == "postgresql":
            # Else it would not fire for what replication or a restore writes.
            yield f"ALTER TABLE {quote(table)} ENABLE ALWAYS TRIGGER {quote(name)}"


def _triggers(connection: Any, table: str) -> list[tuple[str, str]]:
    """Return names and bodies. SQLite needs a trigger for each event, with unique names."""
    quoted = connection.ops.quote_name(table)
    name, update = _TRIGGER, "UPDATE"
    if table in _COLUMNS_OF_USE:
        columns = _deciding_columns(connection, table)
        # With a digest of its columns: a trigger from before a column was added counts as missing.
        name += f"_{hashlib.sha256(columns.encode()).hexdigest()[:8]}"
        update += f" OF {columns}"
    if connection.vendor == "postgresql":
        events = f"INSERT OR {update} OR DELETE OR TRUNCATE"
        return [(name, f"AFTER {events} ON {quoted} FOR EACH STATEMENT EXECUTE FUNCTION {_NOTE}()")]
    note = f'INSERT INTO "{_TABLE}" (token) VALUES (abs(random() % {1 << _NUMBER_BITS}))'  # noqa: S608 - constants
    return [
        (
            f"{table}_{name}_{event.partition(' ')[0].lower()}",
            f"AFTER {event} ON {quoted} BEGIN {note}; END",
        )
        for event in ("INSERT", update, "DELETE")
    ]


def _deciding_columns(connection: Any, table: str) -> str:
    """Return the columns of a table that decide something, quoted for a trigger."""
    (model,) = (one for one in governed_models() if one._meta.db_table == table)  # noqa: SLF001 - Django's documented Meta API
    columns = sorted(str(field.column) for field in model._meta.local_concrete_fields)  # noqa: SLF001 - see above
    return ", ".join(
        connection.ops.quote_name(column)
        for column in columns
        if column not in _COLUMNS_OF_USE[table]
    )


_NOTE = "applications_note_governance_change"
_FUNCTION = f"""
CREATE OR REPLACE FUNCTION {_NOTE}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO "{_TABLE}" (token) VALUES (floor(random() * {1 << _NUMBER_BITS})::bigint);
  RETURN NULL;
END $$
"""  # noqa: S608 - constants
_INSTALLED = {
    "postgresql": (
        "SELECT relname, tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
        "WHERE NOT tgisinternal AND tgenabled = 'A' AND pg_table_is_visible(pg_class.oid)"
    ),
    "sqlite": "SELECT tbl_name, name FROM sqlite_master WHERE type = 'trigger'",
}
_SILENCED = """
SELECT current_setting('session_replication_role') = 'replica',
       (SELECT string_agg(DISTINCT relname, ', ') FROM pg_trigger
        JOIN pg_class ON pg_class.oid = tgrelid
        WHERE tgisinternal AND tgenabled IN ('D', 'R') AND pg_table_is_visible(pg_class.oid))
"""
