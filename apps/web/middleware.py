"""What happens to every request before a view sees it? It gets an identifier and is bounded."""

import io
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

from django.conf import settings
from django.core.handlers.wsgi import LimitedStream
from django.http import HttpRequest, HttpResponse
from django.http.request import HttpHeaders

from apps.web import trace
from apps.web.headers import put
from apps.web.problems import LENGTH_REQUIRED, MALFORMED, TOO_LARGE, problem

TRACE_HEADER = "X-Request-Id"
_TRACE_KEY = HttpHeaders.to_wsgi_name(TRACE_HEADER)
_Handler = Callable[[HttpRequest], HttpResponse]


def trace_requests(get_response: _Handler) -> _Handler:
    """Give each request an identifier that its answer, log lines and audit rows carry.

    A client may choose it by sending a UUID in ``X-Request-Id``.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        # ``request.headers`` would copy all of them first.
        token = trace.begin(request.META.get(_TRACE_KEY, ""))
        try:
            response = get_response(request)
            put(response.headers, TRACE_HEADER, trace.current())
        finally:
            trace.end(token)
        return response

    return middleware


def bound_bodies(get_response: _Handler) -> _Handler:
    """Refuse bodies beyond ``MAX_BODY_BYTES`` (413), and URLs that no database can hold (400).

    Django never reads past the declared Content-Length; a chunked body declares nothing and
    is therefore counted while it is read, and never kept beyond the bound.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        refusal = refusal_of(request)
        return refusal if refusal is not None else get_response(request)

    return middleware


def refusal_of(request: HttpRequest) -> HttpResponse | None:
    """Return the answer to a request that is out of bounds, ``None`` to any other."""
    return _url_refusal(request) or _body_refusal(request)


def _url_refusal(request: HttpRequest) -> HttpResponse | None:
    """Refuse NUL in path and query: PostgreSQL has no text with it, so any look-up would fail."""
    query = request.META.get("QUERY_STRING", "")
    if "\0" in request.path_info or ("%00" in query and b"\0" in unquote_to_bytes(query)):
        return problem(MALFORMED, "The URL holds a NUL character.")
    return None


def _body_refusal(request: HttpRequest) -> HttpResponse | None:
    limit: int = settings.SEALWRIGHT["MAX_BODY_BYTES"]
    if request.META.get("HTTP_TRANSFER_ENCODING"):
        return _chunked_refusal(request, limit)
    try:
        declared = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return problem(MALFORMED, "The Content-Length is not a number.")
    return _too_large(limit) if declared > limit else None


def _chunked_refusal(request: HttpRequest, limit: int) -> HttpResponse | None:
    """Read a body of unknown length up to the bound, and put it where Django looks for it."""
    if not request.META.get("wsgi.input_terminated"):
        return problem(LENGTH_REQUIRED, "Send the body with a Content-Length.")
    body = io.BytesIO()
    while chunk := request.META["wsgi.input"].read(min(65536, limit + 1 - body.tell())):
        body.write(chunk)
        if body.tell() > limit:
            return _too_large(limit)
    size = body.tell()
    body.seek(0)
    request.META["CONTENT_LENGTH"] = str(size)
    # Where Django's WSGIRequest reads from.
    vars(request)["_stream"] = LimitedStream(body, size)
    return None


def _too_large(limit: int) -> HttpResponse:
    return problem(TOO_LARGE, f"The body is larger than {limit} bytes.")
