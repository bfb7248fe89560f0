"""The probes report each check, and nothing more."""

import pytest
from django.db import DatabaseError
from django.test import RequestFactory

from apps import registry
from apps.registry import ReadinessCheck
from apps.web import health


@pytest.fixture
def checks(monkeypatch):
    found: dict[str, ReadinessCheck] = {}
    monkeypatch.setattr(registry, "readiness_checks", found)
    monkeypatch.setattr(health, "migrations", lambda: "")
    return found


def asked() -> tuple[int, dict]:
    import json

    response = health.readyz(RequestFactory().get("/readyz"))
    assert response["Cache-Control"] == "no-store"
    return response.status_code, json.loads(response.content)


def test_livez_needs_no_database():
    assert health.livez(RequestFactory().get("/livez")).status_code == 200


def test_probes_take_reads_only():
    assert health.livez(RequestFactory().post("/livez")).status_code == 405
    assert health.readyz(RequestFactory().post("/readyz")).status_code == 405


@pytest.mark.django_db
def test_ready_when_every_check_passes(checks):
    checks["keyring"] = ReadinessCheck("keyring", lambda: "")
    assert asked() == (
        200,
        {"status": "ok", "checks": {"database": "ok", "migrations": "ok", "keyring": "ok"}},
    )


@pytest.mark.django_db
def test_not_ready_when_one_check_fails_and_others_still_run(checks):
    checks["keyring"] = ReadinessCheck("keyring", lambda: "the key file is missing")
    checks["other"] = ReadinessCheck("other", lambda: "")
    status, body = asked()
    assert status == 503
    assert body["status"] == "failing"
    assert body["checks"]["keyring"] == "the key file is missing"
    assert body["checks"]["other"] == "ok"


@pytest.mark.django_db
def test_a_check_that_breaks_fails_without_its_text(checks):
    def broken() -> str:
        raise DatabaseError("password=canary")

    checks["broken"] = ReadinessCheck("broken", broken)
    status, body = asked()
    assert status == 503
    assert body["checks"]["broken"] == "failed, see the log"


@pytest.mark.django_db
def test_missing_migrations_are_counted(monkeypatch):
    class Executor:
        def __init__(self, _connection):
            self.loader = self
            self.graph = self

        def leaf_nodes(self):
            return []

        def migration_plan(self, _leaves):
            return ["a", "b"]

    monkeypatch.setattr(health, "MigrationExecutor", Executor)
    migrations = health.Migrations()
    assert migrations.check() == "2 migrations are not applied"
    monkeypatch.setattr(Executor, "migration_plan", lambda *_: [])
    assert migrations.check() == ""
    assert migrations.applied
