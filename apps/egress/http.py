"""Guarded HTTP client: one deadline for everything, every redirect checked like the first URL."""

import http.client
import io
import re
import socket
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from urllib.parse import quote, urljoin, urlsplit

from apps.egress.addresses import literal
from apps.egress.errors import EgressError, EgressFailed, EgressRefused, Hop
from apps.egress.names import canonical_host
from apps.egress.rules import Deadline, EgressRules
from apps.egress.sockets import connect, peer_of, secured

# 303 (RFC 9110 section 15.4.4) leads to another resource than the one asked for.
_REDIRECTS = frozenset({301, 302, 307, 308})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_URL = 2000
_MAX_HEADER_BYTES = 64 * 1024
_FORBIDDEN_IN_URL = re.compile(r"[\x00-\x20\x7f\\]")
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_SAFE_IN_PATH = "/?%!$&'()*+,;=:@~-._[]"

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer.

    Attributes:
        status: as the last hop sent it.
        headers: names in lower case.
        body: at most ``EgressRules.max_bytes`` bytes.
        hops: every request that was sent; the last one brought this answer.
        cut: the body was longer.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    hops: tuple[Hop, ...] = ()
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed URL; ``path`` includes the query, and ``host`` is canonical."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """Return the origin (RFC 6454): credentials are not sent to another one."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """Return the value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """Return the URL in its canonical form, so that redirect loops are found."""
        return f"{self.scheme}://{self.authority}{self.path}"


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    target: Target
    headers: Headers
    body: bytes


def http_get(rules: EgressRules, url: str, *, headers: Iterable[tuple[str, str]] = ()) -> Answer:
    """Fetch ``url``, following as many redirects as the rules allow.

    Raises:
        EgressRefused: URL, address or port of any hop is not allowed.
        EgressFailed: see its ``kind``; ``too_large`` when the body exceeds the limit.
        Both carry ``hops``.
    """
    return http_request(rules, "GET", url, headers=headers)


def http_request(
    rules: EgressRules,
    method: str,
    url: str,
    *,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> Answer:
    """Send one request; only GET and HEAD follow redirects.

    The caller's headers are not sent to another origin than the first.

    Raises:
        EgressRefused, EgressFailed: as ``http_get``.
        ValueError: method or headers that must not be sent, a programming error.
    """
    sent = _checked(method, headers)
    deadline = Deadline(rules.total_s)
    hops: list[Hop] = []
    try:
        request = _Request(method, parse_url(rules, url), sent, body)
        seen = {request.target.url}
        while True:
            answer = _fetch(rules, request, deadline, hops)
            following = _redirected(rules, request, answer)
            if following is None:
                return replace(answer, hops=tuple(hops))
            if len(hops) > rules.max_redirects:
                raise EgressFailed("protocol", f"More than {rules.max_redirects} redirects.")
            if following.target.url in seen:
                raise EgressFailed("protocol", "The redirects form a loop.")
            seen.add(following.target.url)
            request = following
    except EgressError as error:
        error.hops = tuple(hops) or (Hop(url[:_MAX_URL], "", error.detail),)
        raise


def parse_url(rules: EgressRules, url: str) -> Target:
    """Parse a URL strictly.

    Raises:
        EgressRefused: too long, control characters or spaces, user information, a scheme that the
            rules do not allow, or no host.
    """
    if len(url) > _MAX_URL or _FORBIDDEN_IN_URL.search(url):
        raise EgressRefused("The URL is not usable.")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname or ""
    except ValueError as error:
        raise EgressRefused("The URL is not usable.") from error
    if parts.scheme not in rules.schemes or not host or "@" in parts.netloc:
        raise EgressRefused("The URL is not allowed.")
    if port is None:
        port = _DEFAULT_PORTS[parts.scheme]
    if not literal(host):
        host = canonical_host(host)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port, quote(path, safe=_SAFE_IN_PATH))


def _checked(method: str, headers: Iterable[tuple[str, str]]) -> Headers:
    sent = tuple(headers)
    if method not in _METHODS or not all(
        _HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(value) for name, value in sent
    ):
        raise ValueError("This method or header must not be sent.")
    return sent


def _redirected(rules: EgressRules, request: _Request, answer: Answer) -> _Request | None:
    """Return the request that a redirect asks for; ``None`` when there is nothing to follow.

    Raises:
        EgressRefused: its target is not allowed.
    """
    location = answer.headers.get("location", "")
    if answer.status not in _REDIRECTS or not location or rules.max_redirects == 0:
        return None
    if request.method not in ("GET", "HEAD"):
        return None
    if _FORBIDDEN_IN_URL.search(location):
        raise EgressRefused("The redirect is not usable.")
    try:
        target = parse_url(rules, urljoin(request.target.url, location))
    except ValueError as error:
        raise EgressRefused("The redirect is not usable.") from error
    if (request.target.scheme, target.scheme) == ("https", "http") and not rules.allow_downgrade:
        raise EgressRefused("A redirect from https to http is not followed.")
    same = target.origin == request.target.origin
    return replace(request, target=target, headers=request.headers if same else ())


def _fetch(rules: EgressRules, request: _Request, deadline: Deadline, hops: list[Hop]) -> Answer:
    """Send one request and add its hop to ``hops``, also when it fails."""
    target, address = request.target, ""
    try:
        connection = connect(rules, target.host, target.port, deadline=deadline)
        address = peer_of(connection)
        if target.scheme == "https":
            connection = secured(rules, connection, server_name=target.host, deadline=deadline)
        with closing(connection):
            answer = _exchange(rules, connection, request, deadline)
    except EgressError as error:
        hops.append(Hop(target.url, address, error.detail))
        raise
    hops.append(Hop(target.url, address, str(answer.status)))
    return answer


class _TimedReader(io.RawIOBase):
    """Reads a socket under one deadline and up to one size, however slowly its peer sends."""

    def __init__(self, connection: socket.socket, rules: EgressRules, deadline: Deadline) -> None:
        super().__init__()
        self._connection = connection
        self._deadline = deadline
        self._wait_s = rules.read_timeout_s
        self.room = _MAX_HEADER_BYTES

    def readable(self) -> bool:
        """Tell ``BufferedReader`` that this can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read what has arrived.

        Raises:
            EgressFailed: ``too_large`` or ``timeout``.
        """
        self._connection.settimeout(self._deadline.left_s(self._wait_s))
        count = self._connection.recv_into(buffer)
        self.room -= count
        if self.room < 0:
            raise EgressFailed("too_large", "The answer is too large.")
        return count


class _Source:
    """The one method of a socket that ``http.client.HTTPResponse`` calls."""

    def __init__(self, reader: _TimedReader) -> None:
        self._reader = reader

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._reader, buffer_size=4096)


def _exchange(
    rules: EgressRules, connection: socket.socket, request: _Request, deadline: Deadline
) -> Answer:
    """Send the request and read the answer.

    Raises:
        EgressFailed: ``timeout``, ``protocol``, ``refused`` or ``too_large``.
    """
    reader = _TimedReader(connection, rules, deadline)
    try:
        connection.settimeout(deadline.left_s())
        connection.sendall(_head(request) + request.body)
        response = http.client.HTTPResponse(
            _Source(reader),  # type: ignore[arg-type]
            method=request.method,
        )
        with closing(response):
            response.begin()
            # Each chunk adds a frame of its own (RFC 9112 section 7.1): a body of small chunks may
            # take eight times its size, an endless series of empty ones ends here.
            reader.room = _MAX_HEADER_BYTES + 8 * rules.max_bytes
            body = response.read(rules.max_bytes + 1)
            cut_short = len(body) <= rules.max_bytes and bool(response.length)
    except TimeoutError as error:
        raise EgressFailed("timeout", "The server took too long to answer.") from error
    except http.client.HTTPException as error:
        raise EgressFailed("protocol", "The server did not speak HTTP.") from error
    except (OSError, ValueError) as error:
        raise EgressFailed("refused", "The server closed the connection.") from error
    cut = len(body) > rules.max_bytes
    if cut and not rules.truncate:
        raise EgressFailed("too_large", f"The answer is larger than {rules.max_bytes} bytes.")
    if cut_short and request.method != "HEAD":
        raise EgressFailed("protocol", "The answer ended early.")
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, body[: rules.max_bytes], cut=cut)


def _head(request: _Request) -> bytes:
    lines = [
        f"{request.method} {request.target.path} HTTP/1.1",
        f"Host: {request.target.authority}",
        "User-Agent: sealwright",
        "Accept: */*",
        "Accept-Encoding: identity",
        "Connection: close",
        *(f"{name}: {value}" for name, value in request.headers),
    ]
    if request.body or request.method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(request.body)}")
    return "\r\n".join([*lines, "", ""]).encode("ascii")
