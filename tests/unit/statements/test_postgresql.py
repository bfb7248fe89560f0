"""Does the short way to PostgreSQL behave as the long one, also when connections break?"""

import threading
from datetime import UTC, datetime
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from django.db import (
    DataError,
    IntegrityError,
    OperationalError,
    connection,
    connections,
    transaction,
)
from django.db.models import (
    BinaryField,
    BooleanField,
    CharField,
    DateTimeField,
    PositiveIntegerField,
    TextField,
    UUIDField,
)

from apps.policies.models import Policy
from apps.statements import execution, writes
from apps.statements.lookups import TEXT, Lookup
from apps.statements.postgresql import parameters
from apps.statements.postgresql.parameters import Bound

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

_NAMES = Lookup(
    lambda name: Policy.objects.filter(name=name).order_by().values_list("pk", "created_at"),
    name=TEXT,
)


def echo(value: object, kind: str) -> object:
    rows, _ = connection.run_prepared(f"SELECT %s::{kind}", [value])
    return rows[0][0]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("text with % and ' and \\ and ü", "text"),
        ("", "text"),
        (None, "text"),
        (2**40, "bigint"),
        (-1, "integer"),
        (True, "boolean"),
        (False, "boolean"),
        (b"\x00\xff\\x", "bytea"),
        (uuid4(), "uuid"),
        (datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC), "timestamptz"),
        (["a", None, 'b"c'], "text[]"),
    ],
)
def test_values_arrive_and_return_as_they_are(value, kind):
    assert echo(value, kind) == value


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        (UUIDField(), UUID(int=1), "uuid"),
        (UUIDField(), uuid4(), "uuid"),
        (BinaryField(), b"\x00\xff\\x", "bytea"),
        (BinaryField(), b"", "bytea"),
        (DateTimeField(), datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC), "timestamptz"),
        (DateTimeField(), datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), "timestamptz"),
        (DateTimeField(), datetime.min.replace(tzinfo=UTC), "timestamptz"),
        (DateTimeField(), datetime.max.replace(tzinfo=UTC), "timestamptz"),
        (DateTimeField(), datetime(2026, 7, 1, tzinfo=ZoneInfo("Europe/Berlin")), "timestamptz"),
        (CharField(), "text with % and ' and \\ and ü", "varchar"),
        (TextField(), "", "text"),
        (BooleanField(), False, "boolean"),
        (PositiveIntegerField(), 2**31 - 1, "integer"),
    ],
)
def test_values_of_columns_arrive_as_they_are(field, value, kind):
    form = parameters.wire_form(field)
    bound = Bound([form.of(value), None], [form.format] * 2)
    rows, _ = connection.run_bound(f"SELECT %s::{kind}, %s::{kind}", bound)
    assert rows == [(value, None)]


def test_columns_take_what_only_stands_for_their_values():
    identifier = uuid4()
    key, octets = parameters.wire_form(UUIDField()), parameters.wire_form(BinaryField())
    assert key.of(str(identifier)) == key.of(identifier) == identifier.bytes
    assert octets.of(memoryview(b"\0a")) == octets.of(bytearray(b"\0a")) == b"\0a"


def test_a_time_without_a_zone_is_none():
    with pytest.raises(TypeError):
        parameters.wire_form(DateTimeField()).of(datetime(2026, 1, 1))  # noqa: DTZ001 - the point


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-03 04:05:06+00",
        "2026-02-03 04:05:06.000789+00",
        "0001-01-01 00:00:00+00",
        "9999-12-31 23:59:59.999999+00",
    ],
)
def test_times_are_read_in_utc_up_to_the_ends_of_the_calendar(text):
    found = echo(text, "timestamptz")
    assert (found.isoformat(" "), found.tzinfo) == (f"{text}:00", UTC)


@pytest.mark.parametrize("text", ["10000-01-01 00:00:00+00", "44-03-15 12:00:00+00 BC", "infinity"])
def test_times_that_python_lacks_are_errors_and_no_other_times(text):
    with pytest.raises(DataError):
        echo(text, "timestamptz")


def test_percent_signs_of_the_statement_itself_survive():
    rows, _ = connection.run_prepared("SELECT %s::text LIKE 'a%%', 7 %% 4", ["abc"])
    assert rows == [(True, 3)]
    assert parameters.numbered("a %s b %% %s") == b"a $1 b % $2"


def test_nul_is_refused_before_libpq_would_cut_at_it():
    with pytest.raises(ValueError, match="NUL"):
        echo("before\0after", "text")


def test_rows_count_and_errors_are_djangos():
    Policy.objects.create(name="web")
    assert connection.takes_prepared()
    assert len(_NAMES.all("web")) == 1
    assert execution.affected(connection, "UPDATE policies_policy SET name = %s", ["new"]) == 1
    with pytest.raises(IntegrityError):
        writes.insert(Policy(name="new"))
    # The connection is in no transaction, and works on.
    assert len(_NAMES.all("new")) == 1


def test_within_a_transaction_cursors_do_the_work():
    with transaction.atomic():
        Policy.objects.create(name="web")
        assert not connection.takes_prepared()
        assert len(_NAMES.all("web")) == 1
        transaction.set_rollback(True)
    assert _NAMES.all("web") == []


def test_a_statement_is_prepared_once():
    before = len(connection._prepared)
    for _ in range(5):
        _NAMES.all("none")
    connection.run_prepared("SELECT 11", [])
    connection.run_prepared("SELECT 11", [])
    assert len(connection._prepared) <= before + 2


def test_statements_that_are_gone_are_prepared_anew():
    Policy.objects.create(name="web")
    assert _NAMES.all("web")
    connection.connection.pgconn.exec_(b"DEALLOCATE ALL")
    assert _NAMES.all("web")


def test_a_changed_column_does_not_break_a_plan():
    connection.run_prepared("CREATE TABLE changing (a integer)", [])
    try:
        assert connection.run_prepared("SELECT a FROM changing", []) == ([], 0)
        connection.run_prepared("ALTER TABLE changing ALTER a TYPE text", [])
        connection.run_prepared("INSERT INTO changing VALUES ('x')", [])
        assert connection.run_prepared("SELECT a FROM changing", []) == ([("x",)], 1)
    finally:
        connection.run_prepared("DROP TABLE changing", [])


def test_not_more_statements_are_kept_than_a_server_process_should_hold(monkeypatch):
    from apps.statements.postgresql import base

    monkeypatch.setattr(base, "_MAX_PREPARED", 3)
    for number in range(8):
        assert connection.run_prepared(f"SELECT {number}", [])[0] == [(number,)]
        assert len(connection._prepared) <= 3


def _end_this_connection() -> None:
    pid = connection.connection.info.backend_pid
    done = threading.Event()

    def work() -> None:
        try:
            with connections["default"].cursor() as cursor:
                # Waits until the process is gone, and has said so on its socket.
                cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        finally:
            connections.close_all()
            done.set()

    threading.Thread(target=work).start()
    assert done.wait(10)


def test_a_connection_that_the_server_ended_is_replaced_at_the_next_request():
    connection.ensure_connection()
    assert connection.is_usable()
    _end_this_connection()
    # What Django does between two requests.
    connection.health_check_enabled = True
    connection.health_check_done = False
    assert connection.run_prepared("SELECT 1", [])[0] == [(1,)]


def test_a_connection_that_ends_in_between_is_an_error_and_not_a_wrong_answer():
    connection.ensure_connection()
    _end_this_connection()
    with pytest.raises(OperationalError):
        connection.run_prepared("SELECT 1", [])
    connection.close()
    assert connection.run_prepared("SELECT 1", [])[0] == [(1,)]


def test_a_connection_used_a_moment_ago_is_believed_without_asking(monkeypatch):
    from django.db.backends.postgresql.base import DatabaseWrapper

    asked, real = [], DatabaseWrapper.is_usable
    monkeypatch.setattr(DatabaseWrapper, "is_usable", lambda self: asked.append(1) or real(self))
    connection.ensure_connection()
    assert connection.is_usable()
    assert asked == []
    connection._alive_at = 0.0
    assert connection.is_usable()
    assert len(asked) == 1
    assert connection.is_usable()
    assert len(asked) == 1
    connection.errors_occurred = True
    assert connection.is_usable()
    assert len(asked) == 2
    connection.errors_occurred = False
