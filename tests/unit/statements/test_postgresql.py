"""Prepared statements behave as Django's own, in and out of transactions, and when connections break."""

import threading
import time
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.db import IntegrityError, OperationalError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from apps.policies.models import Policy
from apps.statements import execution, writes
from apps.statements.lookups import TEXT, Lookup

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

_NAMES = Lookup(
    lambda name: Policy.objects.filter(name=name).order_by().values_list("pk", "created_at"),
    name=TEXT,
)


def prepared() -> set[str]:
    """Return the statements that this connection has prepared."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return {text for (text,) in cursor.fetchall()}


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("text with % and ' and \\ and ü", "text"),
        ("", "text"),
        (None, "text"),
        (2**40, "bigint"),
        (-1, "integer"),
        (True, "boolean"),
        (b"\x00\xff\\x", "bytea"),
        (uuid4(), "uuid"),
        (datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC), "timestamptz"),
        (["a", None, 'b"c'], "text[]"),
    ],
)
def test_values_arrive_and_return_as_they_are(value, kind):
    assert execution.fetch_all(f"SELECT %s::{kind}", [value]) == [(value,)]


@pytest.mark.parametrize("inside", [False, True])
def test_a_statement_is_prepared_once_in_and_out_of_transactions(inside):
    sql = "SELECT %s::text, 7 %% 4"
    with transaction.atomic() if inside else writes.batch():
        for text in ("a", "b", "c"):
            assert execution.fetch_all(sql, [text]) == [(text, 3)]
        assert len([one for one in prepared() if one.startswith("SELECT $1::text, 7")]) == 1


def test_large_batches_are_not_prepared():
    many = ", ".join(["%s::text"] * 501)
    assert len(execution.fetch_all(f"SELECT {many}", ["x"] * 501)[0]) == 501
    assert not [one for one in prepared() if "$501" in one]


def test_rows_count_and_errors_are_djangos():
    Policy.objects.create(name="web")
    assert len(_NAMES.all("web")) == 1
    assert execution.affected("UPDATE policies_policy SET name = %s", ["new"]) == 1
    with pytest.raises(IntegrityError):
        writes.insert(Policy(name="new"))
    # The connection is in no transaction, and works on.
    assert len(_NAMES.all("new")) == 1


def test_statements_are_part_of_the_transaction_around_them():
    with transaction.atomic():
        Policy.objects.create(name="web")
        assert len(_NAMES.all("web")) == 1
        transaction.set_rollback(True)
    assert _NAMES.all("web") == []


def test_statements_are_logged_where_django_logs():
    with CaptureQueriesContext(connection) as asked:
        _NAMES.all("web")
    assert "policies_policy" in asked.captured_queries[0]["sql"]


def test_a_changed_column_does_not_break_a_plan():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE changing (a integer)")
    try:
        assert execution.fetch_all("SELECT a FROM changing", []) == []
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE changing ADD b integer")
            cursor.execute("INSERT INTO changing VALUES (1, 2)")
        assert execution.fetch_all("SELECT a FROM changing", []) == [(1,)]
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE changing")


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
    _end_this_connection()
    # What Django does between two requests.
    connection.health_check_enabled = True
    connection.health_check_done = False
    assert execution.fetch_all("SELECT 1", []) == [(1,)]


def test_a_connection_that_was_just_used_is_not_asked_whether_it_lives(monkeypatch):
    execution.fetch_all("SELECT 1", [])
    asked = []
    monkeypatch.setattr(connection, "is_usable", lambda: asked.append(1) or True)

    def next_request(later_s: float = 0) -> None:
        now = time.monotonic() + later_s
        monkeypatch.setattr(time, "monotonic", lambda: now)
        connection.health_check_enabled = True
        connection.health_check_done = False
        execution.fetch_all("SELECT 1", [])

    next_request()
    assert not asked
    next_request(later_s=21)
    assert asked


def test_a_new_connection_has_cursors_of_its_own():
    for _ in range(2):
        assert execution.fetch_all("SELECT %s::text", ["a"]) == [("a",)]
        connection.close()


def test_a_list_of_one_is_compared_as_one_value():
    one, listed = (
        writes.Change(Policy, set={"name": "new"}, where={"name": where})
        for where in ("web", ["web"])
    )
    assert one.shape == listed.shape
    assert one.values("postgresql") == listed.values("postgresql")


def test_a_connection_that_ends_in_between_is_an_error_and_not_a_wrong_answer():
    connection.ensure_connection()
    _end_this_connection()
    with pytest.raises(OperationalError):
        execution.fetch_all("SELECT 1", [])
    connection.close()
    assert execution.fetch_all("SELECT 1", []) == [(1,)]
