"""Requests are named and bounded before any view sees them."""

import io
import uuid

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse
from django.test import RequestFactory

from apps.web import trace
from apps.web.middleware import bound_requests, trace_requests

LIMIT = 2048


@pytest.fixture(autouse=True)
def small_limit(settings):
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"MAX_BODY_BYTES": LIMIT}


def echo(request):
    return HttpResponse(request.body)


def test_answer_names_the_request_and_the_name_ends_with_it():
    seen = []
    handler = trace_requests(lambda _request: seen.append(trace.current()) or HttpResponse())
    response = handler(RequestFactory().get("/"))
    assert response["X-Request-Id"] == seen[0] == str(uuid.UUID(seen[0]))
    assert trace.current() == ""


def test_client_may_choose_a_uuid():
    wanted = str(uuid.uuid4())
    handler = trace_requests(lambda _request: HttpResponse())
    assert (
        handler(RequestFactory().get("/", headers={"X-Request-Id": wanted}))["X-Request-Id"]
        == wanted
    )


@pytest.mark.parametrize("wanted", ["x", "a" * 500, "a\r\nSet-Cookie: b", "../../etc"])
def test_other_names_are_replaced(wanted):
    handler = trace_requests(lambda _request: HttpResponse())
    given = handler(RequestFactory().get("/", headers={"X-Request-Id": wanted}))["X-Request-Id"]
    assert given != wanted
    assert uuid.UUID(given)


def test_body_up_to_the_limit_passes():
    request = RequestFactory().post("/api/v1/x", b"a" * LIMIT, content_type="text/plain")
    assert bound_requests(echo)(request).content == b"a" * LIMIT


def test_declared_length_beyond_the_limit_is_413_unread():
    request = RequestFactory().post("/api/v1/x", b"a" * (LIMIT + 1), content_type="text/plain")
    response = bound_requests(echo)(request)
    assert response.status_code == 413
    assert response["Content-Type"] == "application/problem+json"


def test_understated_length_bounds_what_is_read():
    environ = RequestFactory().post("/api/v1/x", b"a" * 100, content_type="text/plain").environ
    request = WSGIRequest(environ | {"CONTENT_LENGTH": "10", "wsgi.input": io.BytesIO(b"a" * 100)})
    assert bound_requests(echo)(request).content == b"a" * 10


def test_unreadable_length_is_400():
    request = RequestFactory().post("/api/v1/x")
    request.META["CONTENT_LENGTH"] = "many"
    assert bound_requests(echo)(request).status_code == 400


@pytest.mark.parametrize("length", ["", "4"])
def test_chunked_body_is_411_unread(length):
    body = io.BytesIO(b"1\r\na\r\n0\r\n\r\n")
    request = RequestFactory().post("/api/v1/x")
    request.META |= {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": body}
    request.META["CONTENT_LENGTH"] = length
    response = bound_requests(echo)(request)
    assert response.status_code == 411
    assert response["Content-Type"] == "application/problem+json"
    assert body.tell() == 0


def sent(path, body, **fields):
    environ = RequestFactory().post(path, body, content_type="application/json").environ
    return WSGIRequest(environ | {"wsgi.input": io.BytesIO(body)} | fields)


FORMS = {
    "/api/v1/x": "application/problem+json",
    "/acme/a/b/new-order": "application/problem+json",
    "/ocsp/a": "text/plain; charset=utf-8",
    "/admin/x": "text/html; charset=utf-8",
}


@pytest.mark.parametrize("path", FORMS)
def test_a_body_that_was_cut_off_reaches_no_view(path):
    # Half of what was sent, and a document by itself.
    request = sent(path, b'{"a": 1}', CONTENT_LENGTH="16")
    response = bound_requests(echo)(request)
    assert response.status_code == 400
    assert response["Content-Type"] == FORMS[path]
    assert b"of 16 octets 8 arrived" in response.content
    assert bound_requests(echo)(sent(path, b'{"a": 1}')).content == b'{"a": 1}'


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("coding", ["gzip", "br", "deflate, gzip", "aes128gcm", "x" * 5000])
def test_an_encoded_body_is_415_and_says_what_is_taken(path, coding):
    response = bound_requests(echo)(sent(path, b"{}", HTTP_CONTENT_ENCODING=coding))
    assert response.status_code == 415
    assert response["Content-Type"] == FORMS[path]
    assert response["Accept-Encoding"] == "identity"
    assert len(response.content) < 1500


@pytest.mark.parametrize("url", ["/api/v1/a%00b/", "/api/v1/?name=a%00b", "/api/v1/?%00=1"])
def test_nul_in_the_url_is_400(url):
    assert bound_requests(echo)(RequestFactory().get(url)).status_code == 400


@pytest.mark.parametrize("url", ["/api/v1/?a=%2500", "/api/v1/?a=%ff%fe", "/api/v1/?a=%ED%A0%80"])
def test_odd_but_storable_urls_pass(url):
    assert bound_requests(echo)(RequestFactory().get(url)).status_code == 200
