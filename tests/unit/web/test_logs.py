"""Log lines contain no secrets and no line breaks from outside."""

import logging
from types import SimpleNamespace

import psycopg
import pytest
from django.db import OperationalError, ProgrammingError

from apps.web import trace
from apps.web.logs import AddTraceId, BriefFaults, RedactSecrets, redacted

TOKEN = "swt_" + "0123456789abcdef" * 4
PEM = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAcanary\n-----END PRIVATE KEY-----"


def line(message: str, *args: object, exc_info=None) -> logging.LogRecord:
    record = logging.LogRecord("x", logging.INFO, "f", 1, message, args, exc_info)
    assert RedactSecrets().filter(record)
    return record


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"token {TOKEN} used", TOKEN),
        ("Authorization: Bearer abcdefgh12345678", "abcdefgh12345678"),
        ("authorization: basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNzd29yZA=="),
        (PEM, "canary"),
        (PEM[:50], "MIGH"),
        (PEM.replace("PRIVATE", "ENCRYPTED PRIVATE"), "canary"),
        ("{'password': 'hunter2 x', 'a': 1}", "hunter2"),
        ('{"client_secret": "hunter2"}', "hunter2"),
        ("passphrase=hunter2&x=1", "hunter2"),
        ("postgres://sealwright:hunter2@db/x", "hunter2"),
        ("GET /api/v1/?token=hunter2&x=1", "hunter2"),
        ("GET /api/v1/?access_token=hunter2", "hunter2"),
        ("'eab_hmac_key': 'hunter2'", "hunter2"),
        ("Authorization: hunter2hunter2", "hunter2"),
        ("('Authorization', 'Token hunter2hunter2')", "hunter2"),
        ("Cookie: a=1; b=hunter2", "hunter2"),
        ("Set-Cookie: __Host-session=hunter2; Path=/", "hunter2"),
        ("session __Host-session=hunter2; x", "hunter2"),
        ("Not Found: /api/eyJhbGciOiJub25lIn0.eyJodW50ZXIyIn0.hunter2/", "hunter2"),
    ],
)
def test_secrets_are_blanked(text, secret):
    assert secret not in line("%s", text).getMessage()
    assert "***" in line(text.replace("%", "%%")).getMessage()


def test_what_surrounds_a_secret_survives():
    assert redacted("{'password': 'x', 'a': 1}") == "{'password': ***, 'a': 1}"
    assert redacted("postgres://u:x@db/y") == "postgres://u:***@db/y"
    assert redacted("the password was wrong") == "the password was wrong"
    assert redacted("authorization 0192 is valid") == "authorization 0192 is valid"
    assert redacted("a token of demo has expired") == "a token of demo has expired"


def test_lines_cannot_be_forged():
    assert line("name %s", "a\r\nINFO fake\x1b[2J\u2028x").getMessage() == (
        "name a\\r\\nINFO fake\\x1b[2J\\u2028x"
    )


def test_secrets_in_tracebacks_are_blanked():
    with pytest.raises(ValueError) as caught:
        int(TOKEN)
    record = line("failed", exc_info=(caught.type, caught.value, caught.tb))
    text = logging.Formatter("%(message)s").format(record)
    assert TOKEN not in text
    assert "Traceback" in text


def test_a_wrong_format_string_loses_nothing():
    assert line("%d items", "many").getMessage() == "%d items"


def test_records_carry_the_request():
    outside = logging.LogRecord("x", logging.INFO, "f", 1, "m", (), None)
    AddTraceId().filter(outside)
    token = trace.begin()
    inside = logging.LogRecord("x", logging.INFO, "f", 1, "m", (), None)
    AddTraceId().filter(inside)
    assert (outside.trace_id, inside.trace_id) == ("-", trace.current())
    trace.end(token)


def test_answers_that_django_logs_after_the_middleware_carry_the_identifier(client, caplog):
    with caplog.at_level("WARNING", logger="django.request"):
        answer = client.get("/api/v1/no-such-thing/")
    (record,) = [one for one in caplog.records if one.name == "django.request"]
    AddTraceId().filter(record)
    assert record.trace_id == answer.headers["X-Request-Id"]
    assert answer.json()["instance"] == f"urn:uuid:{record.trace_id}"


def _record(message: str, error: BaseException | None = None, **extra: object) -> logging.LogRecord:
    raised = (type(error), error, None) if error is not None else None
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, message, (), raised)
    record.__dict__ |= extra
    return record


def _raised_by_the_driver() -> OperationalError:
    error = OperationalError()
    error.__cause__ = psycopg.errors.AdminShutdown("terminating connection")
    return error


def test_a_fault_of_the_database_is_one_line_without_a_traceback():
    record = _record("job 7 failed", _raised_by_the_driver())
    brief = BriefFaults()
    assert brief.filter(record)
    assert brief.filter(record)  # logging may be configured twice
    assert record.getMessage() == "job 7 failed: AdminShutdown 57P01: terminating connection"
    assert record.exc_info is None


def test_an_answer_503_is_one_line_with_its_cause():
    request = SimpleNamespace(trace_cause="OperationalError: connection refused")
    record = _record("Service Unavailable: /x", status_code=503, request=request)
    assert BriefFaults().filter(record)
    assert record.getMessage() == "Service Unavailable: /x: OperationalError: connection refused"


def test_tracebacks_of_mistakes_stay():
    error = ProgrammingError()
    error.__cause__ = psycopg.errors.UndefinedTable("no such table")
    record = _record("Internal Server Error: /x", error, status_code=500)
    assert BriefFaults().filter(record)
    assert record.exc_info is not None
