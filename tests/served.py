"""Test client that speaks to the WSGI application which the server runs.

Django's own test client stops at the handler's Python objects. This one calls
``config.wsgi.application`` with an environ and reads back status line, header list and body
chunks, as a WSGI server does (PEP 3333), so that protocol tests judge what is sent.
"""

from importlib import import_module
from io import BytesIO
from typing import Any

from django import test
from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.http import HttpResponse
from django.utils.functional import cached_property

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class _Served:
    """Handler for Django's test client: one call of the WSGI application.

    Attributes:
        sends_csrf_token: send what a browser sends that has loaded the form before: the CSRF
            cookie, the same value as header, and the page's origin.
    """

    def __init__(self, *, sends_csrf_token: bool) -> None:
        self.sends_csrf_token = sends_csrf_token

    @cached_property
    def application(self) -> Any:
        return import_module("config.wsgi").application

    def __call__(self, environ: dict[str, Any]) -> HttpResponse:
        if self.sends_csrf_token and environ["REQUEST_METHOD"] not in _SAFE:
            _add_csrf_token(environ)
        sent: list[Any] = []
        # Django's payload for tests fails where a server's input answers with its end.
        environ["wsgi.input"] = BytesIO(environ["wsgi.input"].read())

        def start_response(status: str, headers: list[tuple[str, str]], _exc: Any = None) -> None:
            sent[:] = [status, headers]

        # A test's transaction has switched autocommit off, for which Django would close the
        # connection; its own test client takes the receivers away likewise.
        # A request within a request finds them gone, and leaves them so.
        signals = [
            signal
            for signal in (request_started, request_finished)
            if signal.disconnect(close_old_connections)
        ]
        try:
            chunks = self.application(environ, start_response)
            try:
                content = b"".join(chunks)
            finally:
                getattr(chunks, "close", lambda: None)()
        finally:
            for signal in signals:
                signal.connect(close_old_connections)
        status, headers = sent
        code, _, reason = status.partition(" ")
        response = HttpResponse(content, status=int(code), reason=reason)
        del response.headers["Content-Type"]  # only what the application itself has sent
        response.links = [value for name, value in headers if name == "Link"]
        for name, value in headers:
            if name == "Set-Cookie":
                response.cookies.load(value)
            elif name == "Link":
                # A line for each relation; one value has the same meaning (RFC 9110 section 5.3).
                response.headers[name] = ", ".join(response.links)
            else:
                assert name not in response.headers, f"{name} is sent twice"
                response.headers[name] = value
        response.wsgi_request = WSGIRequest(environ)
        return response


def _add_csrf_token(environ: dict[str, Any]) -> None:
    token = "a" * 32  # the length of a secret, which Django takes as token, too
    cookie = f"{settings.CSRF_COOKIE_NAME}={token}"
    environ["HTTP_COOKIE"] = "; ".join(filter(None, [environ.get("HTTP_COOKIE"), cookie]))
    environ.setdefault("HTTP_X_CSRFTOKEN", token)
    scheme = environ["wsgi.url_scheme"]
    default_port = ":443" if scheme == "https" else ":80"
    host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    environ.setdefault("HTTP_ORIGIN", f"{scheme}://{host.removesuffix(default_port)}")


class Client(test.Client):
    """Django's test client before the WSGI application."""

    def __init__(self, *, enforce_csrf_checks: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.handler = _Served(sends_csrf_token=not enforce_csrf_checks)
