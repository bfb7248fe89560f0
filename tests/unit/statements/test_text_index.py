"""Search of any part of a text through an index, on PostgreSQL and SQLite."""

import pytest
from django.db import connection
from django.db.models import Q

from apps.audit.models import AuditEvent
from apps.certificates.models import CertificateRequest
from apps.jobs.models import Job
from apps.statements import text_index
from apps.statements.alternatives import matching_any
from apps.statements.text_index import TextIndex

pytestmark = pytest.mark.django_db

TEXT = 'Zone "A" of 50%_x \\ Größe www.Example.com'


def found(part: str) -> int:
    return Job.objects.filter(last_error__contains_text=part).count()


@pytest.fixture
def job(db: None) -> Job:
    return Job.objects.create(kind="a", last_error=TEXT, result="nothing")


@pytest.mark.parametrize(
    "part", ["Zone", "zone", '"A"', "50%_x", "\\ G", "größe", "EXAMPLE.COM", "w", "ww.E", TEXT]
)
def test_every_part_is_found_in_any_case(job, part):
    assert found(part) == 1


@pytest.mark.parametrize("part", ["zonea", "50%x", "nothing", "wwww", "*", "A* OR zone", "' OR 1"])
def test_nothing_else_is_found(job, part):
    assert found(part) == 0


def test_changes_and_removals_are_followed(job):
    Job.objects.filter(pk=job.pk).update(last_error="other words")
    assert (found("zone"), found("other")) == (0, 1)
    job.delete()
    assert found("other") == 0
    Job.objects.create(kind="b", last_error="other words again")
    assert found("other") == 1


def test_an_index_that_is_missing_is_made_anew_and_filled(job):
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("DROP INDEX jobs_job_last_error_trigrams")
    else:
        with connection.cursor() as cursor:
            cursor.execute('DROP TRIGGER "jobs_job_texts_insert"')
    Job.objects.create(kind="b", last_error="made meanwhile")
    TextIndex(Job, ("result", "last_error")).install("default")
    assert (found("zone"), found("meanwhile")) == (1, 1)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT 1 FROM pg_indexes WHERE indexname = 'jobs_job_last_error_trigrams'"
            )
            assert cursor.fetchone()


@pytest.mark.skipif(connection.vendor == "postgresql", reason="PostgreSQL keeps indexes itself")
@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("jobs_job_texts_delete", ""),
        # As a version before had it, with fewer columns.
        ("jobs_job_texts_update", 'AFTER UPDATE OF "result" ON "jobs_job" BEGIN SELECT 1; END'),
    ],
)
def test_triggers_that_are_missing_or_outdated_are_told_until_migrate_makes_them(job, name, body):
    assert text_index.missing() == ""
    with connection.cursor() as cursor:
        cursor.execute(f'DROP TRIGGER "{name}"')
        if body:
            cursor.execute(f'CREATE TRIGGER "{name}" {body}')
    assert "jobs_job" in text_index.missing()
    TextIndex(Job, ("result", "last_error")).install("default")
    assert text_index.missing() == ""
    Job.objects.filter(pk=job.pk).update(last_error="other words")
    assert (found("zone"), found("other")) == (0, 1)


@pytest.mark.postgres
def test_the_extension_may_be_in_another_schema(job):
    with connection.cursor() as cursor:
        cursor.execute("DROP EXTENSION pg_trgm CASCADE")
        cursor.execute("CREATE SCHEMA elsewhere")
        cursor.execute("CREATE EXTENSION pg_trgm SCHEMA elsewhere")
    TextIndex(Job, ("result", "last_error")).install("default")
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname LIKE 'jobs_job%trigrams'")
        assert len(cursor.fetchall()) == 2
    assert found("zone") == 1


def test_any_of_several_conditions_suffices(job):
    other = Job.objects.create(kind="b", result="zone")
    Job.objects.create(kind="c")
    wanted = [Q(last_error__contains_text="zone"), Q(result__contains_text="zone")]
    assert set(matching_any(Job.objects.all(), wanted)) == {job, other}
    assert not matching_any(Job.objects.all(), [])
    # A text that is no value of the column meets nothing, and spoils nothing.
    assert set(matching_any(Job.objects.all(), [*wanted, Q(pk="no identifier")])) == {job, other}


@pytest.mark.parametrize("model", [AuditEvent, CertificateRequest])
def test_rows_with_either_kind_of_key_are_found(team, model):
    from apps.certificates import issuance
    from tests.factories.keys import make_csr
    from tests.unit.certificates.conftest import enrollment_of

    issuance.submit(enrollment_of(team, make_csr("www.example.com")))
    column = "subject_label" if model is AuditEvent else "search_text"
    assert model.objects.filter(**{f"{column}__contains_text": "ww.exam"}).exists()
    assert not model.objects.filter(**{f"{column}__contains_text": "nowhere"}).exists()
