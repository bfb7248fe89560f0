"""Has anything changed that decides who may have what? One look at the epoch tells.

Whatever a process keeps of governance (rights, pairings, ACME doors) holds for as long as the
epoch is the one under which it was read. Triggers write a random number down with every change
of a governed table: in the transaction of the change, whoever makes it, and without waiting for
anybody. The epoch is the sum of these numbers. What is rolled back takes its number along, so
no two states of governance share an epoch, but for odds of 2^-44.

A cache (``Kept``) is filled by a statement that reads the epoch along with the rows, and keeps
them under that one: an epoch read before may not know of what the transaction has changed since.

A request need not ask for the epoch before it acts: it may assume the one that the process knows
(``principals.Assumption``) if its first write hangs on that (``holds``).
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
from apps.principals import Assumption
from apps.profiles.models import Profile
from apps.statements.lookups import Asked, Lookup, at_once
from apps.statements.writes import Holds

_TOKEN_BITS = 44
# With so many rows it pays to put one in their place.
_FEW = 20
_NAME = "governed"
_TABLE = GovernanceChange._meta.db_table  # noqa: SLF001 - Django's documented Meta API
# Columns that change with use and decide nothing: writing them alone is no change of governance.
_INDIFFERENT: dict[str, frozenset[str]] = {
    User._meta.db_table: frozenset({"last_login"}),  # noqa: SLF001 - see above
    ApiToken._meta.db_table: frozenset({"last_used_at"}),  # noqa: SLF001 - see above
}

EPOCH = Lookup(
    lambda: (
        GovernanceChange.objects.order_by()
        .annotate(one=Value(1))
        .values("one")
        .annotate(epoch=Cast(Sum("token"), TextField()))
        .values_list("epoch")
    )
)
"""Finds the epoch as a text; no row where nothing was ever governed. A part of ``at_once``."""


_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Kept(Generic[_Key, _Value]):
    """What a process has made of governed rows, each while the epoch lasts that it was read in.

    Args:
        most: so many at a time; then all are forgotten.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: dict[_Key, tuple[str, _Value]] = {}

    def get(self, key: _Key, epoch: str) -> _Value | None:
        """Return what was made in this epoch; nothing is believed without one."""
        made_in, value = self._values.get(key, ("", None))
        return value if epoch and made_in == epoch else None

    def last(self, key: _Key) -> _Value | None:
        """Return what was made last, in whatever epoch."""
        return self._values.get(key, ("", None))[1]

    def read(self, key: _Key, make: Callable[..., _Value], *asked: Asked) -> _Value:
        """Make a value of what queries find now, and keep it.

        Args:
            key: under which.
            make: called with the epoch and what each query finds; what it raises is not kept.
            asked: as for ``lookups.Joined``.
        """
        changes, *found = at_once((EPOCH, ()), *asked)
        epoch = of(changes)
        value = make(epoch, *found)
        if len(self._values) >= self._most:
            self._values.clear()
        self._values[key] = epoch, value
        return value


def governed() -> list[type[Model]]:
    """Return the models of which caches keep anything; upper layers have registered theirs."""
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


def holds(assumption: Assumption) -> Holds:
    """Return what a batch has to hang on whose principal is assumed."""
    return Holds(EPOCH, assumption.epoch)


def of(rows: Iterable[tuple[Any, ...]]) -> str:
    """Return the epoch from what ``EPOCH`` found; empty, which nothing is kept under, for none."""
    return next((str(epoch) for (epoch,) in rows if epoch is not None), "")


def install(using: str) -> None:
    """Put the triggers on every governed table that lacks them; run after each migrate.

    Not by a migration: on SQLite, every migration that changes a table makes it anew, without
    its triggers.
    """
    connection = connections[using]
    tables = set(connection.introspection.table_names())  # not all, after a migration backwards
    if _TABLE not in tables:
        return
    lacking = [table for table in _without_trigger(connection) if table in tables]
    with transaction.atomic(using=using), connection.cursor() as cursor:
        if lacking and connection.vendor == "postgresql":
            cursor.execute(_FUNCTION)
        for table in lacking:
            for statement in _statements(connection, table):
                cursor.execute(statement)
        if lacking or not GovernanceChange.objects.using(using).exists():
            _change(using)


def missing() -> str:
    """Return what is wrong when a governed table has no trigger, for ``/readyz``."""
    lacking = _without_trigger(connections["default"])
    return f"no triggers on {', '.join(lacking)}; run migrate" if lacking else ""


def compact() -> str:
    """Replace many numbers by one; what processes keep is read anew, once."""
    with transaction.atomic():
        keys = list(GovernanceChange.objects.values_list("pk", flat=True))
        if len(keys) <= _FEW:
            return "nothing to do"
        GovernanceChange.objects.filter(pk__in=keys).delete()
        _change("default")
    return f"replaced {len(keys)} changes"


def _change(using: str) -> None:
    GovernanceChange.objects.using(using).create(token=secrets.randbelow(1 << _TOKEN_BITS))


def _without_trigger(connection: Any) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(_INSTALLED[connection.vendor])
        there = {(table, name) for table, name in cursor.fetchall()}
    tables = [model._meta.db_table for model in governed()]  # noqa: SLF001 - Django's documented Meta API
    return [
        table
        for table in tables
        if not {(table, name) for name, _ in _triggers(connection, table)} <= there
    ]


def _statements(connection: Any, table: str) -> Iterable[str]:
    quote = connection.ops.quote_name
    for name, body in _triggers(connection, table):
        on = f" ON {quote(table)}" if connection.vendor == "postgresql" else ""
        yield f"DROP TRIGGER IF EXISTS {quote(name)}{on}"
        yield f"CREATE TRIGGER {quote(name)} {body}"


def _triggers(connection: Any, table: str) -> list[tuple[str, str]]:
    """Return names and bodies; SQLite's names are the database's, and each is for one event."""
    quoted = connection.ops.quote_name(table)
    name, update = _NAME, "UPDATE"
    if table in _INDIFFERENT:
        columns = _telling_columns(connection, table)
        # A trigger that lacks a new column has another name, so that this one is put in place.
        name += f"_{hashlib.sha256(columns.encode()).hexdigest()[:8]}"
        update += f" OF {columns}"
    if connection.vendor == "postgresql":
        events = f"INSERT OR {update} OR DELETE OR TRUNCATE"
        return [(name, f"AFTER {events} ON {quoted} FOR EACH STATEMENT EXECUTE FUNCTION {_NOTE}()")]
    note = f'INSERT INTO "{_TABLE}" (token) VALUES (abs(random() % {1 << _TOKEN_BITS}))'  # noqa: S608 - constants
    return [
        (
            f"{table}_{name}_{event.partition(' ')[0].lower()}",
            f"AFTER {event} ON {quoted} BEGIN {note}; END",
        )
        for event in ("INSERT", update, "DELETE")
    ]


def _telling_columns(connection: Any, table: str) -> str:
    """Return the columns of a table that decide something, as a trigger names them."""
    (model,) = (one for one in governed() if one._meta.db_table == table)  # noqa: SLF001 - Django's documented Meta API
    columns = sorted(str(field.column) for field in model._meta.local_concrete_fields)  # noqa: SLF001 - see above
    return ", ".join(
        connection.ops.quote_name(column) for column in columns if column not in _INDIFFERENT[table]
    )


_NOTE = "applications_note_governance_change"
_FUNCTION = f"""
CREATE OR REPLACE FUNCTION {_NOTE}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO "{_TABLE}" (token) VALUES (floor(random() * {1 << _TOKEN_BITS})::bigint);
  RETURN NULL;
END $$
"""  # noqa: S608 - constants
_INSTALLED = {
    "postgresql": (
        "SELECT relname, tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
        "WHERE NOT tgisinternal AND pg_table_is_visible(pg_class.oid)"
    ),
    "sqlite": "SELECT tbl_name, name FROM sqlite_master WHERE type = 'trigger'",
}
