"""How does a machine's request reach its view? By a short way without anything for browsers.

Machines prove themselves by token or signature in each request. Sessions, CSRF tokens, logins,
messages and page policies are for people with browsers: behind these doors they do not exist, so
no view can come to rely on them, and no request pays for them.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse
from django.middleware.common import CommonMiddleware
from django.template.response import SimpleTemplateResponse
from django.urls import ResolverMatch, get_urlconf, resolve

MACHINE_PREFIXES = ("/api/v1/", "/acme/", "/pki/", "/ocsp/", "/livez", "/readyz")
# Nothing answered here is a page that loads anything, whatever a browser takes it for.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
}
_Handler = Callable[[HttpRequest], HttpResponse]


def machine_doors(get_response: _Handler) -> _Handler:
    """Answer paths under ``MACHINE_PREFIXES`` here; all others go on to the browsers' middleware.

    Django's ``CommonMiddleware`` stays in force: hosts are checked, missing slashes redirected,
    lengths declared. Exceptions become the URLconf's error answers, as everywhere.
    """
    # The same nesting that Django builds from ``MIDDLEWARE``.
    answer: Callable[[HttpRequest], Any] = convert_exception_to_response(
        CommonMiddleware(convert_exception_to_response(_view))
    )

    def middleware(request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(MACHINE_PREFIXES):
            return get_response(request)
        # What cannot be read gives no rights. Django parses cookies at first use, from here.
        request.META.pop("HTTP_COOKIE", None)
        response: HttpResponse = answer(request)
        response.cookies.clear()
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return middleware


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
    match = request.resolver_match = _resolved(request.path_info, get_urlconf())
    response: HttpResponse | None = match.func(request, *match.args, **match.kwargs)
    if response is None:
        raise ValueError(f"The view of {match.route} returned nothing.")
    if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
        response.render()
    return response
