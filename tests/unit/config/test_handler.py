"""Is a request surrounded by what Django does? Connections are closed when they should be."""

import io
import time
import uuid

import pytest
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.core.signals import request_finished, request_started
from django.db import connections
from django.http import FileResponse, HttpResponse
from django.test import RequestFactory
from django.urls import clear_script_prefix, reverse

from config import handler


@pytest.fixture
def closed(transactional_db, monkeypatch):
    """Return a list that each closing of the connection adds to; it is open at first."""
    found: list[str] = []
    connections["default"].ensure_connection()
    # An SQLite database in memory would ignore the call.
    monkeypatch.setattr(connections["default"], "close", lambda: found.append("closed"))
    return found


def test_a_sound_connection_is_kept(closed):
    handler.close_old_connection()
    assert not closed


def test_a_connection_left_in_a_transaction_is_closed(closed):
    connections["default"].set_autocommit(False)
    handler.close_old_connection()
    connections["default"].set_autocommit(True)
    assert closed


@pytest.mark.parametrize("usable", [True, False])
def test_a_connection_after_an_error_is_closed_if_it_is_broken(closed, monkeypatch, usable):
    monkeypatch.setattr(connections["default"], "errors_occurred", True)
    monkeypatch.setattr(connections["default"], "is_usable", lambda: usable)
    handler.close_old_connection()
    assert bool(closed) is not usable


def test_a_connection_that_is_too_old_is_closed(closed, monkeypatch):
    monkeypatch.setattr(connections["default"], "close_at", time.monotonic())
    handler.close_old_connection()
    assert closed


@pytest.fixture
def application(monkeypatch):
    """Return the handler; signals have their listeners again afterwards."""
    for signal in (request_started, request_finished):
        monkeypatch.setattr(signal, "receivers", list(signal.receivers))
    return handler.application()


def test_no_listener_of_djangos_is_left(application):
    assert not request_started.receivers
    assert not request_finished.receivers


@pytest.fixture
def closings(monkeypatch):
    found = []
    monkeypatch.setattr(handler, "close_old_connection", lambda: found.append("closed"))
    return found


def _asked(application, path, **environ):
    """Return status, headers and the iterable of one answer."""
    said = []
    request = RequestFactory(headers={"Host": "localhost"}).get(path)
    answer = application(request.environ | environ, lambda *head: said.append(head))
    ((status, headers),) = said
    return status, headers, answer


@pytest.mark.parametrize(
    ("path", "status"),
    [("/livez", "200 OK"), ("/acme/", "404 Not Found"), ("/no", "404 Not Found")],
)
def test_requests_are_answered_as_by_djangos_handler(application, closings, path, status):
    name = {"HTTP_X_REQUEST_ID": str(uuid.uuid4())}
    mine, theirs = _asked(application, path, **name), _asked(WSGIHandler(), path, **name)
    assert mine[:2] == theirs[:2]
    assert mine[0] == status
    assert b"".join(mine[2]) == b"".join(theirs[2])
    assert closings == ["closed"]
    mine[2].close()
    assert closings == ["closed"] * 2
    assert mine[2].closed


def test_cookies_and_files_go_out_as_from_djangos_handler(application, closings, monkeypatch):
    def answered(_request):
        response = FileResponse(io.BytesIO(b"content"))
        response.set_cookie("a", "1")
        return response

    class Wrapper:
        def __init__(self, file, _block_size):
            self.content, self.close = file.read(), file.close

    monkeypatch.setattr(application, "_middleware_chain", answered)
    _, headers, wrapped = _asked(application, "/", **{"wsgi.file_wrapper": Wrapper})
    assert ("Set-Cookie", " a=1; Path=/") in headers
    assert wrapped.content == b"content"
    wrapped.close()
    assert closings == ["closed"] * 2


def test_urls_are_written_below_the_servers_prefix(application, closings, monkeypatch):
    monkeypatch.setattr(
        application, "_middleware_chain", lambda _request: HttpResponse(reverse("admin:index"))
    )
    assert b"".join(_asked(application, "/")[2]) == b"/admin/"
    try:
        assert b"".join(_asked(application, "/", SCRIPT_NAME="/pki")[2]) == b"/pki/admin/"
    finally:
        clear_script_prefix()


_ENVIRON = {
    "REQUEST_METHOD": "POST",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/api/v1/tokens/",
    "QUERY_STRING": "a=1&b=%C3%BC",
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "80",
    "CONTENT_TYPE": "application/json",
    "CONTENT_LENGTH": "3",
    "wsgi.url_scheme": "http",
}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"PATH_INFO": ""},
        {"PATH_INFO": "//twice/"},
        {"PATH_INFO": "/a%b/"},
        {"PATH_INFO": "/\xc3\xbc/"},
        {"PATH_INFO": "/\xff/"},
        {"PATH_INFO": "relative"},
        {"SCRIPT_NAME": "/below"},
        {"REQUEST_METHOD": "get"},
        {"CONTENT_TYPE": ""},
        {"CONTENT_TYPE": "application/jose+json"},
        {"CONTENT_TYPE": "Application/JSON; charset=latin-1"},
        {"CONTENT_TYPE": "text/plain; charset=none"},
        {"CONTENT_LENGTH": "2"},
        {"CONTENT_LENGTH": "100"},
        {"CONTENT_LENGTH": ""},
        {"CONTENT_LENGTH": "-1"},
        {"CONTENT_LENGTH": "no"},
        {"CONTENT_LENGTH": "\u0663"},
        {"HTTP_COOKIE": "a=1"},
    ],
)
def test_a_request_says_what_djangos_own_would(environ):
    names = ("path", "path_info", "method", "content_type", "content_params", "encoding", "scheme")
    said = []
    for kind in (handler.Request, WSGIRequest):
        given = _ENVIRON | environ | {"wsgi.input": io.BytesIO(b"[1]")}
        request = kind(given)
        found = {name: getattr(request, name) for name in names}
        found |= {
            "body": request.read(),
            "GET": request.GET.urlencode(),
            "COOKIES": request.COOKIES,
        }
        found |= {"meta": {k: v for k, v in request.META.items() if k != "wsgi.input"}}
        found |= {"full": request.get_full_path(), "match": request.resolver_match}
        said.append(found)
    assert said[0] == said[1]


def test_a_request_without_type_and_length_has_no_body():
    bare = {k: v for k, v in _ENVIRON.items() if not k.startswith("CONTENT_")}
    request = handler.Request(bare | {"wsgi.input": io.BytesIO(b"more")})
    assert (request.content_type, request.body, request.POST) == ("", b"", {})


def test_there_is_no_other_database(settings):
    assert list(settings.DATABASES) == ["default"]
