"""Errors are answered as RFC 9457 says, without internal details."""

import json
import logging

import psycopg
import pytest
from django.core.exceptions import DisallowedHost, PermissionDenied, RequestDataTooBig
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import OperationalError
from django.http import Http404
from django.test import RequestFactory
from rest_framework import exceptions as drf

from apps import errors
from apps.web import problems, trace
from pki.findings import UnusableCSR, Violation

BROKEN = Violation("policy.san_not_allowed", "subject_alt_names[0].value", "x", "Not allowed.")
CANARY = "canary-5f2c"


def subclasses(kind: type) -> set[type]:
    return {kind}.union(*(subclasses(child) for child in kind.__subclasses__()))


def made(kind: type[errors.SealwrightError]) -> errors.SealwrightError:
    if kind in {errors.PolicyViolation, errors.InvalidInput}:
        return kind([BROKEN])
    if kind is errors.InUse:
        return kind("Used by", ["a", "b"])
    if kind in {errors.RateLimited, errors.IdempotencyConflict}:
        return kind(7)
    if kind is errors.InsufficientScope:
        return kind("read")
    return kind()


def answered(error: Exception) -> dict:
    response = problems.exception_handler(error, {})
    document = json.loads(response.content)
    assert response["Content-Type"] == "application/problem+json"
    assert response.status_code == document["status"]
    return document


DOMAIN = sorted(
    # Those that an app derives for itself sound like the class they derive from.
    (kind for kind in subclasses(errors.SealwrightError) if kind.__module__ == errors.__name__),
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize("kind", DOMAIN)
def test_every_domain_error_has_a_row_of_its_own(kind):
    assert kind in problems.TABLE
    document = answered(made(kind))
    assert document["code"] == kind.code
    assert document["type"] == f"urn:sealwright:problem:{kind.code}"
    assert document["detail"]
    assert document["title"]


@pytest.mark.parametrize("kind", sorted(subclasses(drf.APIException), key=lambda k: k.__name__))
def test_every_framework_error_has_a_row(kind):
    assert problems.kind_of(kind.__new__(kind)) is not None
    if kind is not drf.APIException:
        assert problems.kind_of(kind.__new__(kind)) != problems.INTERNAL


def test_one_code_never_means_two_statuses():
    meanings = {(kind.code, kind.status) for kind in problems.TABLE.values()}
    assert len(meanings) == len({code for code, _ in meanings})


def test_all_broken_rules_are_listed_with_field_value_and_hint():
    second = Violation("policy.key", "key_algorithm", "rsa-1024", "Too short.", "rsa-2048")
    document = answered(errors.PolicyViolation([BROKEN, second], request_id="r-1"))
    assert document["errors"] == [BROKEN.as_dict(), second.as_dict()]
    assert document["request_id"] == "r-1"


def test_users_of_an_object_are_named():
    assert answered(errors.InUse("Used by", ["tls", "mtls"]))["users"] == ["tls", "mtls"]


def test_long_values_are_cut():
    document = answered(errors.InvalidInput([Violation("c", "f", "x" * 10_000, "r")]))
    assert len(document["errors"][0]["value"]) == 500


def test_retry_after_and_challenge_headers():
    limited = problems.exception_handler(errors.RateLimited(7), {})
    throttled = problems.exception_handler(drf.Throttled(3), {})
    unknown = problems.exception_handler(errors.AuthenticationFailed(), {})
    assert (limited["Retry-After"], throttled["Retry-After"]) == ("7", "3")
    assert unknown.status_code == 401
    assert unknown["WWW-Authenticate"].startswith("Bearer")


def test_unknown_domain_error_withholds_its_text_and_is_logged(caplog):
    class Odd(errors.SealwrightError):
        code = "odd"

    with caplog.at_level(logging.ERROR):
        document = answered(Odd(CANARY))
    assert document["status"] == 500
    assert CANARY not in json.dumps(document)
    assert CANARY in caplog.text


def test_fault_is_left_to_the_500_handler():
    assert problems.exception_handler(ZeroDivisionError(CANARY), {}) is None


def test_missing_objects_and_missing_paths_answer_alike():
    texts = {answered(e)["detail"] for e in (errors.NotFound(), Http404(CANARY), drf.NotFound())}
    assert texts == {"No such object."}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UnusableCSR([BROKEN]), 400),
        (DjangoValidationError("odd"), 400),
        (drf.ValidationError({"names": [{"value": [CANARY]}]}), 400),
        (RequestDataTooBig(), 413),
        (DisallowedHost(CANARY), 400),
        (PermissionDenied(CANARY), 403),
        (drf.UnsupportedMediaType("text/xml"), 415),
        (drf.NotAcceptable(), 406),
        (drf.MethodNotAllowed("PUT"), 405),
    ],
)
def test_other_errors_keep_the_form(error, status):
    document = answered(error)
    assert document["status"] == status
    assert CANARY not in json.dumps(document)


def test_instance_is_the_request():
    token = trace.begin()
    try:
        assert answered(errors.NotFound())["instance"] == f"urn:uuid:{trace.current()}"
    finally:
        trace.end(token)


@pytest.mark.parametrize(
    ("handler", "error", "status"),
    [
        (problems.handler400, DisallowedHost(CANARY), 400),
        (problems.handler403, PermissionDenied(CANARY), 403),
        (problems.handler404, Http404(CANARY), 404),
    ],
)
def test_django_handlers_speak_json_under_api_only(handler, error, status):
    under_api = handler(RequestFactory().get("/api/v1/x"), error)
    elsewhere = handler(RequestFactory().get("/nowhere"), error)
    assert under_api["Content-Type"] == "application/problem+json"
    assert under_api.status_code == elsewhere.status_code == status
    assert CANARY.encode() not in under_api.content
    assert elsewhere["Content-Type"].startswith("text/html")


def test_relying_parties_are_told_in_plain_text_that_a_file_does_not_exist():
    answer = problems.handler404(RequestFactory().get("/pki/nowhere/ca.pem"), Http404(CANARY))
    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("text/plain")
    assert CANARY.encode() not in answer.content


def test_500_handler_says_nothing():
    under_api = problems.handler500(RequestFactory().get("/api/v1/x"))
    assert under_api.status_code == 500
    assert json.loads(under_api.content)["code"] == "internal"
    assert problems.handler500(RequestFactory().get("/x")).status_code == 500


@pytest.mark.parametrize(
    "kind", [errors.DatabaseUnavailable, errors.Busy, errors.UpstreamUnavailable]
)
def test_every_503_says_when_to_come_back(kind):
    response = problems.exception_handler(kind(), {})
    assert (response.status_code, response["Retry-After"]) == (503, str(kind.retry_after_s))


def away() -> OperationalError:
    error = OperationalError(CANARY)
    error.__cause__ = psycopg.errors.AdminShutdown(CANARY)
    return error


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/api/v1/certificates/", "application/problem+json"),
        ("/acme/a/b/new-order", "application/problem+json"),
        ("/pki/a/crl", "text/plain; charset=utf-8"),
        ("/ocsp/a", "text/plain; charset=utf-8"),
        ("/admin/", "text/html; charset=utf-8"),
    ],
)
def test_a_fault_of_the_database_is_503_in_the_form_of_each_path(path, content_type):
    try:
        raise away()
    except OperationalError:
        response = problems.handler500(RequestFactory().get(path))
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert response["Content-Type"] == content_type
    assert response["Cache-Control"] == "no-store"
    assert CANARY not in response.content.decode()


def test_a_fault_of_the_database_in_a_view_of_the_api_is_503():
    response = problems.exception_handler(away(), {})
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert json.loads(response.content)["code"] == "unavailable"


def test_of_very_many_errors_the_first_are_listed_and_all_counted():
    many = [Violation("c", f"f[{n}]", "v" * 5000, "r" * 5000, "h" * 5000) for n in range(5000)]
    document = answered(errors.InvalidInput(many))
    assert len(document["errors"]) == problems.MAX_ERRORS
    assert document["errors_total"] == 5000
    assert len(json.dumps(document)) < 600_000
    item = problems.document_of(errors.InvalidInput(many))
    assert len(json.dumps(item)) < 60_000
