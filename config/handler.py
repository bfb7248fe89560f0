"""What surrounds a request in a server process? What Django's handler does, where it has effect.

Django prepares for any settings and finds out by signals who wants to do something. Ours have one
database, one URLconf, no debug mode and no caches to close. What remains is that a connection
that broke, was left in a transaction or is too old is closed.
"""

from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from typing import Any

import django
from django.core.cache import close_caches
from django.core.handlers.base import reset_urlconf
from django.core.handlers.wsgi import LimitedStream, WSGIHandler, WSGIRequest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, reset_queries
from django.urls import set_script_prefix
from django.utils.log import log_response

# What machines send, and the absence of a body.
_PLAIN_TYPES = frozenset({"", "application/json", "application/jose+json"})
# Listeners of Django's own that have nothing to do here, or whose work the handler does itself.
_RELIEVED = (
    (request_started, reset_queries),
    (request_started, close_old_connections),
    (request_finished, close_old_connections),
    (request_finished, close_caches),
    (request_finished, reset_urlconf),
)


def application() -> "Handler":
    """Return the WSGI application of this process, which serves nothing else from now on."""
    django.setup(set_prefix=False)
    for signal, receiver in _RELIEVED:
        signal.disconnect(receiver)
    return Handler()


def close_old_connection() -> None:
    """Do as Django's ``close_old_connections`` for the one database that there is."""
    _here()().close_if_unusable_or_obsolete()


@cache
def _here() -> Callable[[], Any]:
    """Return what returns the connection of the thread that asks."""
    # Settings have to be in force before it is imported, and may not be when this module is.
    from apps.statements import execution

    return execution.here


class Request(WSGIRequest):
    """Django's, which has little to find out about a path and a type that are plain."""

    def __init__(self, environ: dict[str, Any]) -> None:
        path, kind = environ["PATH_INFO"], environ.get("CONTENT_TYPE", "")
        length = environ.get("CONTENT_LENGTH", "0")
        if (
            environ["SCRIPT_NAME"]
            or not path.isascii()
            or path[:1] != "/"
            or kind not in _PLAIN_TYPES
            or not length.isdecimal()
        ):
            super().__init__(environ)
            return
        # What Django's constructors set.
        self.environ = self.META = environ
        self.path = self.path_info = path
        self.method = environ["REQUEST_METHOD"].upper()
        self.content_type, self.content_params = kind, {}
        self.resolver_match = None
        vars(self).update(
            _stream=LimitedStream(environ["wsgi.input"], int(length)), _read_started=False
        )


class Handler(WSGIHandler):
    """Django's handler in short; ``ROOT_URLCONF`` is in force without being named each time."""

    request_class = Request
    _middleware_chain: Any

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], Any]
    ) -> Any:
        """Answer one request (PEP 3333), as Django's own does."""
        if request_started.receivers:
            request_started.send(sender=Handler, environ=environ)
        close_old_connection()
        request = self.request_class(environ)
        # gunicorn has it from the environment of the process: it is always there or never.
        if script_name := environ["SCRIPT_NAME"]:
            set_script_prefix(script_name)
        response = self._answer(request)
        start_response(
            f"{response.status_code} {response.reason_phrase}",
            [
                *response.items(),
                *(("Set-Cookie", cookie.output(header="")) for cookie in response.cookies.values()),
            ],
        )
        file, wrapper = getattr(response, "file_to_stream", None), environ.get("wsgi.file_wrapper")
        if file is None or wrapper is None:
            return response
        # The server closes the wrapper's file only.
        file.close = response.close
        return wrapper(file, response.block_size)

    def _answer(self, request: Any) -> Any:
        """Return the response; once it is sent, the server closes it."""
        response = self._middleware_chain(request)
        response._handler_class = Handler  # noqa: SLF001 - as in Django's own
        if "_files" in vars(request):
            response._resource_closers.append(request.close)  # noqa: SLF001
        response._resource_closers.append(close_old_connection)  # noqa: SLF001
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            log_response(
                "%s: %s", response.reason_phrase, request.path, response=response, request=request
            )
        return response
