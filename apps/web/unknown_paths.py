"""What is wrong with a path that leads nowhere, in one sentence for the client."""

from collections.abc import Iterator

from django.http import HttpRequest
from django.urls import Resolver404, resolve

_API = "/api/"
_MAX_PARTS = 12
_MAX_SHOWN = 100
# What a part of a path can be, with one that is well-formed.
_SAMPLES = (
    ("a", "a name or an identifier"),
    ("0190a000-0000-7000-8000-000000000000", "an identifier (a UUID in lower case)"),
    ("1", "a number"),
)


def advice(request: HttpRequest) -> str:
    """Return where to look instead of a path without a view; empty where nothing is known.

    Nothing is said about objects: which paths there are is in the OpenAPI document.
    """
    if request.resolver_match is not None:
        return ""
    path = request.path_info
    if not path.endswith("/") and _leads_somewhere(f"{path}/"):
        return f"The URL lacks its trailing slash: send the request to {request.path}/."
    if not path.startswith(_API):
        return ""
    for part, what in _misread(path):
        return f"'{part[:_MAX_SHOWN]}' is not {what}."
    return "There is no such URL. GET /api/v1/ lists what there is, /api/docs/ describes it."


def _misread(path: str) -> Iterator[tuple[str, str]]:
    """Yield a part of the path in whose place another would lead somewhere, and what that is."""
    parts = path.strip("/").split("/")
    if len(parts) > _MAX_PARTS:
        return
    for sample, what in _SAMPLES:
        for place in range(2, len(parts)):  # below /api/v1/
            tried = [*parts[:place], sample, *parts[place + 1 :]]
            if _leads_somewhere(f"/{'/'.join(tried)}/"):
                yield parts[place], what


def _leads_somewhere(path: str) -> bool:
    try:
        resolve(path)
    except Resolver404:
        return False
    return True
