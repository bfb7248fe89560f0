"""Test client that speaks to the WSGI application which the server runs.

Django's own test client stops at the handler's Python objects. This one calls
``config.wsgi.application`` with an environ and reads back status line, header list and body
chunks, as a WSGI server does (PEP 3333), so that protocol tests judge what is sent.
"""

from importlib import import_module
from io import BytesIO
from typing import Any

from django import test
from django.core.handlers.wsgi import WSGIRequest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.http import HttpResponse
from django.utils.functional import cached_property


class _Served:
    """Handler for Django's test client: one call of the WSGI application."""

    @cached_property
    def application(self) -> Any:
        return import_module("config.wsgi").application

    def __call__(self, environ: dict[str, Any]) -> HttpResponse:
        sent: list[Any] = []
        # Django's payload for tests fails where a server's input answers with its end.
        environ["wsgi.input"] = BytesIO(environ["wsgi.input"].read())

        def start_response(status: str, headers: list[tuple[str, str]], _exc: Any = None) -> None:
            sent[:] = [status, headers]

        # A test's transaction has switched autocommit off, for which Django would close the
        # connection; its own test client takes the receivers away likewise.
        signals = (request_started, request_finished)
        for signal in signals:
            signal.disconnect(close_old_connections)
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
        for name, value in headers:
            if name == "Set-Cookie":
                response.cookies.load(value)
            else:
                assert name not in response.headers, f"{name} is sent twice"
                response.headers[name] = value
        response.wsgi_request = WSGIRequest(environ)
        return response


class Client(test.Client):
    """Django's test client before the WSGI application."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.handler = _Served()
