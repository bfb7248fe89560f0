"""How does a machine's request reach its view? By a short way without anything for browsers.

Machines prove themselves by token or signature in each request. Sessions, CSRF tokens, logins,
messages and page policies are for people with browsers: behind these doors they do not exist, so
no view can come to rely on them, and no request pays for them.
"""

import io
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.handlers.exception import response_for_exception
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse
from django.middleware.common import CommonMiddleware
from django.middleware.security import SecurityMiddleware
from django.template.response import SimpleTemplateResponse
from django.urls import ResolverMatch, resolve

from apps.web.headers import put
from apps.web.middleware import refusal_of, trace_requests

MACHINE_PREFIXES = ("/api/v1/", "/acme/", "/pki/", "/ocsp/", "/livez", "/readyz")
_MAX_HOSTS = 64
_Handler = Callable[[HttpRequest], HttpResponse]


def machine_doors(get_response: _Handler) -> _Handler:
    """Answer paths under ``MACHINE_PREFIXES`` here; all others go on to the browsers' middleware.

    Requests are traced and bounded as everywhere. Django's ``CommonMiddleware`` stays in force:
    hosts are checked, missing slashes redirected, lengths declared. Exceptions become the
    URLconf's error answers, as everywhere.
    """
    answer = trace_requests(_answer_of(_view))
    plain, secure = _headers(secure=False), _headers(secure=True)

    def middleware(request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(MACHINE_PREFIXES):
            return get_response(request)
        # What cannot be read gives no rights. Django parses cookies at first use, from here.
        request.META.pop("HTTP_COOKIE", None)
        response = answer(request)
        response.cookies.clear()
        # Those that the answer has already stay as they are. Set one by one, each would be looked
        # at for its encoding, a dozen times a request.
        headers = response.headers
        is_secure = request.META.get("wsgi.url_scheme") == "https" or request.is_secure()
        ours = secure if is_secure else plain
        headers._store = ours | headers._store  # noqa: SLF001
        # For the server. Django would look for each of them by its name in lower case.
        vars(response)["items"] = headers._store.values  # noqa: SLF001
        return response

    return middleware


def _answer_of(view: _Handler) -> _Handler:
    """Return ``view`` within its middleware, nested as Django does it but in one function."""
    common = _Common(view)

    def answer(request: HttpRequest) -> Any:
        try:
            response = refusal_of(request) or common.process_request(request) or view(request)
        except Exception as error:  # noqa: BLE001 - as around each of Django's own
            response = response_for_exception(request, error)
        return common.process_response(request, response)

    return answer


class _Common(CommonMiddleware):
    """Django's, which here checks hosts before the view, and each that it lets pass once."""

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        self._passed: set[str] = set()
        # With any of these it looks at more than the ``Host`` header.
        self._looks_further = bool(
            settings.DISALLOWED_USER_AGENTS or settings.PREPEND_WWW or settings.USE_X_FORWARDED_HOST
        )

    def process_request(self, request: HttpRequest) -> Any:
        """Let the request pass.

        Raises:
            DisallowedHost: it is for a host that is not ours.
        """
        host = request.META.get("HTTP_HOST")
        if host in self._passed:
            return None
        response = super().process_request(request)
        # Ports are free and case does not count: one host has more names than are worth keeping.
        if host is not None and not self._looks_further and len(self._passed) < _MAX_HOSTS:
            self._passed.add(host)
        return response

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        """Declare the length; a path that only lacks its last slash is redirected."""
        if response.status_code == HTTPStatus.NOT_FOUND or response.streaming:
            return super().process_response(request, response)
        if "content-length" not in response.headers._store:  # noqa: SLF001 - see ``headers.put``
            put(response.headers, "Content-Length", str(len(response.content)))
        return response


def _headers(*, secure: bool) -> dict[str, tuple[str, str]]:
    """Return what Django's ``SecurityMiddleware`` adds for browsers, and a stricter policy."""
    blank: Any = HttpResponse()
    del blank.headers["Content-Type"]
    # Nothing answered here is a page that loads anything, whatever a browser takes it for.
    blank.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
    blank.headers["X-Frame-Options"] = "DENY"
    scheme = "https" if secure else "http"
    request = WSGIRequest(
        {"REQUEST_METHOD": "GET", "wsgi.url_scheme": scheme, "wsgi.input": io.BytesIO()}
    )
    SecurityMiddleware(lambda _request: blank).process_response(request, blank)
    found: dict[str, tuple[str, str]] = blank.headers._store  # noqa: SLF001 - see above
    return found


@lru_cache(maxsize=512)
def _resolved(path: str, urlconf: Any) -> ResolverMatch:
    """Return the view of a path; machines ask for the same few again and again."""
    return resolve(path, urlconf)


def _view(request: HttpRequest) -> HttpResponse:
    """Find the view and call it, as Django's handler does behind the last middleware.

    Raises:
        Http404: no view has this path.
        ValueError: the view returned nothing.
    """
    match = request.resolver_match = _resolved(request.path_info, settings.ROOT_URLCONF)
    response: HttpResponse | None = match.func(request, *match.args, **match.kwargs)
    if response is None:
        raise ValueError(f"The view of {match.route} returned nothing.")
    if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
        response.render()
    return response
