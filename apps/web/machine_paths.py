"""Middleware that keeps sessions, cookies and CSRF tokens away from requests by machines.

Machines authenticate by a token or a signature in each request. Sessions, cookies, sign-in,
messages and page policies are for people with browsers: on machine paths they do not exist, so
that no view can come to rely on them and no cookie opens the API.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from csp.middleware import CSPMiddleware
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.middleware.csrf import CsrfViewMiddleware

from apps import registry

# Enrollment methods add their URL prefixes by registration.
_PREFIXES = ("/api/v1/", "/pki/", "/ocsp/", "/livez", "/readyz")
# Nothing answered on these paths is a page that loads anything, whatever a browser takes it for.
_POLICY = "default-src 'none'; frame-ancestors 'none'"


@cache
def machine_prefixes() -> tuple[str, ...]:
    """Return the beginnings of all paths that only machines use, as registered at start."""
    return (*_PREFIXES, *registry.machine_prefixes())


def is_machine_path(request: HttpRequest) -> bool:
    """Tell whether a request is for a path that only machines use."""
    return request.path_info.startswith(machine_prefixes())


class MachineMiddleware:
    """Removes cookies from requests and answers on machine paths and sets the strictest CSP."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request."""
        if not is_machine_path(request):
            return self._get_response(request)
        # Django parses cookies on first use, from here: what is not there gives no rights.
        request.META.pop("HTTP_COOKIE", None)
        response = self._get_response(request)
        response.cookies.clear()
        response.headers.setdefault("Content-Security-Policy", _POLICY)
        return response


class _ForBrowsers:
    """Mixin before a middleware of Django: requests on machine paths pass it by."""

    get_response: Callable[[HttpRequest], Any]

    def __call__(self, request: HttpRequest) -> Any:
        if is_machine_path(request):
            return self.get_response(request)
        return super().__call__(request)  # type: ignore[misc]  # the middleware that is mixed in


class BrowserCSPMiddleware(_ForBrowsers, CSPMiddleware):
    """django-csp's middleware for all but machine paths."""


class BrowserSessionMiddleware(_ForBrowsers, SessionMiddleware):
    """Django's session middleware for all but machine paths."""


class BrowserCsrfMiddleware(_ForBrowsers, CsrfViewMiddleware):
    """Django's CSRF middleware for all but machine paths, where no cookie gives any right."""

    def process_view(
        self, request: HttpRequest, callback: Any, callback_args: Any, callback_kwargs: Any
    ) -> HttpResponseForbidden | None:
        """Refuse a request with unsafe method that lacks the token."""
        if is_machine_path(request):
            return None
        return super().process_view(request, callback, callback_args, callback_kwargs)


class BrowserAuthenticationMiddleware(_ForBrowsers, AuthenticationMiddleware):
    """Django's authentication by session for all but machine paths."""


class BrowserMessageMiddleware(_ForBrowsers, MessageMiddleware):
    """Django's messages for all but machine paths."""
