"""Discovery of URLs, calls to them, and comparison of the answers."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.urls import URLPattern, URLResolver, get_resolver

from tests.protocol.wall.world import rolled_back
from tests.served import Client

_PARAMETER = re.compile(r"<(?:[a-z]+:)?([a-z_]+)>")
_INSTANCE = re.compile(r"urn:uuid:[0-9a-f-]{36}")
_WRITES = re.compile(r'\s*(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+"?([a-z_]+)', re.IGNORECASE)
# A refusal may write that it refused, and nothing else.
_LOG = {"audit_auditevent"}
# Numbers occur by chance; no answer repeats them.
_TOO_SHORT = 3
# What each request has of its own.
_OWN_HEADERS = ("X-Request-Id", "Replay-Nonce")


def routes(urlconf: str) -> list[str]:
    """Return every route of a URLconf, as its patterns spell it."""
    return sorted(set(_walk(get_resolver(urlconf), "")))


def _walk(resolver: URLResolver, prefix: str) -> Iterator[str]:
    for found in resolver.url_patterns:
        route = prefix + str(found.pattern)
        if isinstance(found, URLPattern):
            yield route
        else:
            yield from _walk(found, route)


def parameters(route: str) -> list[str]:
    """Return the names of a route's parameters."""
    return _PARAMETER.findall(route)


def path_of(route: str, values: dict[str, Any]) -> str:
    """Return the path that a route has for these values of its parameters."""
    return "/" + _PARAMETER.sub(lambda found: str(values[found.group(1)]), route)


@dataclass(slots=True)
class Answer:
    """What came back, and which tables were written meanwhile."""

    path: str
    status: int
    body: bytes
    headers: dict[str, str]
    written: set[str]

    def without_what_was_sent(self) -> str:
        """Return the body without the reference that it says leads nowhere: the caller's own."""
        body = self.body.decode("utf-8", "replace")
        is_problem = self.headers.get("Content-Type", "").startswith("application/problem+json")
        if not is_problem or b"reference.not_found" not in self.body:
            return body
        for error in json.loads(self.body)["errors"]:
            body = body.replace(f"'{error['value']}'", "*").replace(f'"{error["value"]}"', "*")
        return body

    def bare(self, *values: Any) -> tuple[int, str, dict[str, str]]:
        """Return the answer without what is the request's own: its instance, and ``values``."""

        def masked(text: str) -> str:
            # First, because a number may occur in it by chance.
            text = _INSTANCE.sub("*", text)
            for value in sorted(map(str, values), key=len, reverse=True):
                if len(value) > _TOO_SHORT:
                    text = text.replace(value, "*")
            return text

        body = self.without_what_was_sent()
        headers = {k: masked(v) for k, v in self.headers.items() if k not in _OWN_HEADERS}
        whole = self.body.decode("utf-8", "replace")
        if masked(body) != _INSTANCE.sub("*", whole):
            headers.pop("Content-Length", None)  # goes with the length of what was sent
        return self.status, masked(body), headers


@dataclass(slots=True)
class Caller:
    """Calls, undoes what the call did, and counts."""

    headers: dict[str, dict[str, str]]
    calls: int = 0
    client: Client = field(
        default_factory=lambda: Client(raise_request_exception=False, enforce_csrf_checks=False)
    )

    def __call__(
        self,
        role: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
    ) -> Answer:
        """Call as a role; ``body`` is sent as JSON with methods that have one."""
        content = None if method in {"GET", "HEAD", "OPTIONS"} else json.dumps(body or {})
        self.calls += 1
        self.client.cookies.clear()
        with rolled_back(), _noting_writes() as written:
            response = self.client.generic(
                method,
                path,
                content or "",
                content_type=content_type,
                headers=self.headers[role],
            )
            body_read = response.getvalue() if response.streaming else response.content
        shown = dict(response.headers.items())
        return Answer(path, response.status_code, body_read, shown, written)


@contextmanager
def _noting_writes() -> Iterator[set[str]]:
    """Collect the tables that statements change, whether or not they are rolled back."""
    written: set[str] = set()

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        found = _WRITES.match(sql)
        if found:
            written.add(found.group(1))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield written


def beyond_the_log(answer: Answer) -> set[str]:
    """Return the tables that a refusal wrote and should not have."""
    return answer.written - _LOG
