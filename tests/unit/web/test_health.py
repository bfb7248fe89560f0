"""The probes report each check, and nothing more."""

import psycopg
import pytest
from django.db import DatabaseError, OperationalError
from django.db.migrations.recorder import MigrationRecorder
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
def test_a_migration_that_is_not_applied_is_noticed_before_and_after_a_good_answer():
    recorded = MigrationRecorder.Migration.objects.filter(app="jobs").order_by("-name")
    last = recorded.first()
    migrations = health.Migrations()
    assert migrations.check() == ""
    last.delete()
    assert migrations.check() == "1 migrations are not applied"
    last.save(force_insert=True)
    assert migrations.check() == ""


def test_an_outcome_is_remembered_for_its_time():
    outcomes = iter(["", "broken", "broken still"])
    long = health.Remembered(lambda: next(outcomes), ok_for_s=3600.0, failing_for_s=0.0)
    assert [long(), long()] == ["", ""]
    short = health.Remembered(lambda: next(outcomes), ok_for_s=0.0, failing_for_s=0.0)
    assert [short(), short()] == ["broken", "broken still"]


def test_a_remembered_fault_of_the_database_names_its_kind():
    def away() -> str:
        raise OperationalError from psycopg.OperationalError("connection refused")

    assert "database" in health.Remembered(away)()
