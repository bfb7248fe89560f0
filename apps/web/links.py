"""Link header fields: relations of an answer, each sent as a line of its own (RFC 8288).

Django's responses hold one value for each header name, so views join several relations with commas,
which means the same (RFC 9110 section 5.3). Some clients compare whole lines, as the examples of RFC
8555 have them; the WSGI application therefore sends each relation separately.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.http import HttpResponse

HEADER = "Link"
# A comma separates two links only outside of <> and of quoted parameters.
_ONE_LINK = re.compile(r'<[^>]*>(?:"[^"]*"|[^",])*')
_Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def add_link(response: HttpResponse, url: str, relation: str) -> None:
    """Add a relation to an answer; those that it has stay.

    Args:
        response: the answer.
        url: target, absolute.
        relation: a registered type such as ``index``.
    """
    given = response.headers.get(HEADER)
    link = f'<{url}>;rel="{relation}"'
    response.headers[HEADER] = f"{given}, {link}" if given else link


def one_link_a_line(application: _Application) -> _Application:
    """Return a WSGI application (PEP 3333) that sends a header line for each link of ``application``."""

    def separated(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            return start_response(status, list(_lines(headers)), *error)

        return application(environ, start)

    return separated


def _lines(headers: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, value in headers:
        if name == HEADER:
            yield from ((name, link.strip()) for link in _ONE_LINK.findall(value))
        else:
            yield name, value
