"""Diagnosis of a PostgreSQL that a start must not use."""

import pytest
from django.db import connection

from apps.operations import database

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def test_the_database_of_the_tests_has_no_problem():
    assert database.problems() == []
    assert database.problems(migrated=False) == []


def test_an_old_server_is_told(monkeypatch):
    newer = connection.pg_version // 10_000 + 1
    monkeypatch.setattr(database, "OLDEST_POSTGRESQL", newer)
    (told,) = database.problems()
    assert f"PostgreSQL {newer} or newer is needed; this is " in told


def test_migrations_that_are_not_applied_are_told_where_tables_must_be_there():
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'audit'")
    (told,) = database.problems()
    assert "manage.py migrate" in told
    assert database.problems(migrated=False) == []
