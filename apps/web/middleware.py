"""Middleware for every request: identifier, bounds on URL and body, and trailing slashes."""

from collections.abc import Callable
from urllib.parse import unquote_to_bytes

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.request import HttpHeaders
from django.middleware import common

from apps.web import trace
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
        request.trace_id = trace.current()  # type: ignore[attr-defined]  # for ``logs.AddTraceId``
        try:
            response = get_response(request)
            response.headers[TRACE_HEADER] = trace.current()
        finally:
            trace.end(token)
        return response

    return middleware


def bound_requests(get_response: _Handler) -> _Handler:
    """Refuse bodies beyond ``MAX_BODY_BYTES`` (413), and URLs that no database can hold (400).

    Django never reads past the declared Content-Length. A chunked body declares none: the front
    server reads it to its end and passes it on with its length, so that one that arrives here
    unmeasured did not come through the front server and is refused (411, RFC 9110 section 15.5.12).
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        refusal = _url_refusal(request) or _body_refusal(request)
        return refusal if refusal is not None else get_response(request)

    return middleware


class CommonMiddleware(common.CommonMiddleware):
    """Django's, which redirects to the URL with a trailing slash for safe methods only.

    Clients turn a POST into a GET when they follow a 301 (RFC 9110 section 15.4.2), so that it
    would look as if the request had succeeded. ``problems.handler404`` names the right URL.
    """

    def should_redirect_with_slash(self, request: HttpRequest) -> bool:
        """Tell whether the answer is a redirect."""
        return request.method in {"GET", "HEAD"} and super().should_redirect_with_slash(request)


def _url_refusal(request: HttpRequest) -> HttpResponse | None:
    """Refuse NUL in path and query: PostgreSQL has no text with it, so any look-up would fail."""
    query = request.META.get("QUERY_STRING", "")
    if "\0" in request.path_info or ("%00" in query and b"\0" in unquote_to_bytes(query)):
        return problem(MALFORMED, "The URL holds a NUL character.")
    return None


def _body_refusal(request: HttpRequest) -> HttpResponse | None:
    if request.META.get("HTTP_TRANSFER_ENCODING"):
        return problem(LENGTH_REQUIRED, "Send the body with a Content-Length.")
    limit: int = settings.SEALWRIGHT["MAX_BODY_BYTES"]
    try:
        declared = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return problem(MALFORMED, "The Content-Length is not a number.")
    return (
        problem(TOO_LARGE, f"The body is larger than {limit} bytes.") if declared > limit else None
    )
