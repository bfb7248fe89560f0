"""Middleware for every request: identifier, bounds on URL and body, and trailing slashes."""

from collections.abc import Callable
from urllib.parse import unquote_to_bytes

from django.conf import settings
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.request import HttpHeaders
from django.middleware import common

from apps.errors import (
    LengthRequired,
    Malformed,
    SealwrightError,
    TooLarge,
    UnsupportedMediaType,
)
from apps.web import media_types, trace
from apps.web.problems import refused

TRACE_HEADER = "X-Request-Id"
_TRACE_KEY = HttpHeaders.to_wsgi_name(TRACE_HEADER)
_Handler = Callable[[HttpRequest], HttpResponse]
_MAX_SHOWN = 40


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
            request.trace_cause = trace.cause()  # type: ignore[attr-defined]  # for ``logs.BriefFaults``
        finally:
            trace.end(token)
        return response

    return middleware


def bound_requests(get_response: _Handler) -> _Handler:
    """Refuse bodies that are too large, cut off or encoded, and URLs that no database can hold.

    Django never reads past the declared Content-Length, and takes a body that ends before it as it
    is: half of a JSON document may be a document, and would be another request than the one that
    was sent. A chunked body declares no length: the front server reads it to its end and passes
    it on with one, so that one that arrives here unmeasured did not come through the front server
    and is refused (411, RFC 9110 section 15.5.12).
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        try:
            _check_url(request)
            announced = _announced(request)
            if announced:
                _check_encoding(request)
                _check_arrival(request, announced)
        except SealwrightError as error:
            return refused(request, error)
        return get_response(request)

    return middleware


class CommonMiddleware(common.CommonMiddleware):
    """Django's, which redirects to the URL with a trailing slash for safe methods only.

    Clients turn a POST into a GET when they follow a 301 (RFC 9110 section 15.4.2), so that it
    would look as if the request had succeeded. ``problems.handler404`` names the right URL.
    """

    def should_redirect_with_slash(self, request: HttpRequest) -> bool:
        """Tell whether the answer is a redirect."""
        return request.method in {"GET", "HEAD"} and super().should_redirect_with_slash(request)


def _check_url(request: HttpRequest) -> None:
    """Refuse NUL in path and query: PostgreSQL has no text with it, so any look-up would fail."""
    query = request.META.get("QUERY_STRING", "")
    if "\0" in request.path_info or ("%00" in query and b"\0" in unquote_to_bytes(query)):
        raise Malformed("The URL holds a NUL character.")


def _announced(request: HttpRequest) -> int:
    """Return how many octets the body is said to have, within the limit."""
    if request.META.get("HTTP_TRANSFER_ENCODING"):
        raise LengthRequired
    try:
        announced = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        raise Malformed("The Content-Length is not a number.") from None
    limit: int = settings.SEALWRIGHT["MAX_BODY_BYTES"]
    if announced > limit:
        raise TooLarge(f"The body is larger than {limit} bytes.")
    return max(announced, 0)


def _check_arrival(request: HttpRequest, announced: int) -> None:
    try:
        arrived = len(request.body)
    except UnreadablePostError:
        arrived = 0
    if arrived < announced:
        raise Malformed(f"The body was cut off: of {announced} octets {arrived} arrived.")


def _check_encoding(request: HttpRequest) -> None:
    """Refuse content codings and character sets that nothing here reads."""
    coding = request.META.get("HTTP_CONTENT_ENCODING", "").strip()
    if coding and coding.lower() != "identity":
        raise UnsupportedMediaType(
            f"The content coding {coding[:_MAX_SHOWN]!a} is not supported: "
            "send the body as it is, without Content-Encoding.",
            accepted="identity",
        )
    charset = request.META.get(media_types.FOREIGN_CHARSET)
    if charset:
        raise UnsupportedMediaType(
            f"The character set {charset[:_MAX_SHOWN]!a} is not supported: send UTF-8."
        )
