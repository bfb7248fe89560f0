"""How is a URL fetched under one deadline, with each redirect judged anew?"""

import http.client
import io
import re
import socket
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from urllib.parse import quote, urljoin, urlsplit

from apps.egress.addresses import literal
from apps.egress.names import canonical_host
from apps.egress.purposes import Deadline, EgressError, EgressFailed, EgressRefused, Hop, Purpose
from apps.egress.sockets import connect, peer_of, secured

# 303 turns one resource into another; no caller wants that.
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
        body: at most ``Purpose.max_bytes`` bytes.
        hops: the way there, the last of them this answer.
        cut: the body went on.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    hops: tuple[Hop, ...] = ()
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart; ``path`` includes the query, and ``host`` is canonical."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """Return what credentials belong to."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """Return the value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """Return the URL in one spelling, so that loops are seen."""
        return f"{self.scheme}://{self.authority}{self.path}"


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    target: Target
    headers: Headers
    body: bytes


def http_get(purpose: Purpose, url: str, *, headers: Iterable[tuple[str, str]] = ()) -> Answer:
    """Fetch ``url``, following as many redirects as the purpose allows.

    Raises:
        EgressRefused: URL, address or port of any hop is not allowed.
        EgressFailed: what went wrong; ``too_large`` when the body exceeds the bound.
        Both carry ``hops``.
    """
    return http_request(purpose, "GET", url, headers=headers)


def http_request(
    purpose: Purpose,
    method: str,
    url: str,
    *,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> Answer:
    """Send one request; only GET and HEAD follow redirects, and leave headers behind on the way.

    Raises:
        EgressRefused, EgressFailed: as ``http_get``.
        ValueError: method or headers that must not go on a wire, a programming error.
    """
    sent = _checked(method, headers)
    deadline = Deadline(purpose.total_s)
    hops: list[Hop] = []
    try:
        request = _Request(method, parse_url(purpose, url), sent, body)
        seen = {request.target.url}
        while True:
            answer = _fetch(purpose, request, deadline, hops)
            following = _redirected(purpose, request, answer)
            if following is None:
                return replace(answer, hops=tuple(hops))
            if len(hops) > purpose.max_redirects:
                raise EgressFailed("protocol", f"More than {purpose.max_redirects} redirects.")
            if following.target.url in seen:
                raise EgressFailed("protocol", "The redirects form a loop.")
            seen.add(following.target.url)
            request = following
    except EgressError as error:
        error.hops = tuple(hops) or (Hop(url[:_MAX_URL], "", error.detail),)
        raise


def parse_url(purpose: Purpose, url: str) -> Target:
    """Take a URL apart strictly.

    Raises:
        EgressRefused: too long, odd characters, user information, another scheme, no host.
    """
    if len(url) > _MAX_URL or _FORBIDDEN_IN_URL.search(url):
        raise EgressRefused("The URL is not usable.")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname or ""
    except ValueError as error:
        raise EgressRefused("The URL is not usable.") from error
    if parts.scheme not in purpose.schemes or not host or "@" in parts.netloc:
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


def _redirected(purpose: Purpose, request: _Request, answer: Answer) -> _Request | None:
    """Return the request that a redirect asks for; ``None`` when there is nothing to follow.

    Raises:
        EgressRefused: it leads where the purpose does not go.
    """
    location = answer.headers.get("location", "")
    if answer.status not in _REDIRECTS or not location or purpose.max_redirects == 0:
        return None
    if request.method not in ("GET", "HEAD"):
        return None
    if _FORBIDDEN_IN_URL.search(location):
        raise EgressRefused("The redirect is not usable.")
    try:
        target = parse_url(purpose, urljoin(request.target.url, location))
    except ValueError as error:
        raise EgressRefused("The redirect is not usable.") from error
    if (request.target.scheme, target.scheme) == ("https", "http") and not purpose.allow_downgrade:
        raise EgressRefused("A redirect from https to http is not followed.")
    same = target.origin == request.target.origin
    return replace(request, target=target, headers=request.headers if same else ())


def _fetch(purpose: Purpose, request: _Request, deadline: Deadline, hops: list[Hop]) -> Answer:
    """Do one hop and write it down, whatever becomes of it."""
    target, address = request.target, ""
    try:
        connection = connect(purpose, target.host, target.port, deadline=deadline)
        address = peer_of(connection)
        if target.scheme == "https":
            connection = secured(purpose, connection, server_name=target.host, deadline=deadline)
        with closing(connection):
            answer = _exchange(purpose, connection, request, deadline)
    except EgressError as error:
        hops.append(Hop(target.url, address, error.detail))
        raise
    hops.append(Hop(target.url, address, str(answer.status)))
    return answer


class _TimedReader(io.RawIOBase):
    """Reads a socket under one deadline and up to one bound, however slowly its peer drips."""

    def __init__(self, connection: socket.socket, purpose: Purpose, deadline: Deadline) -> None:
        super().__init__()
        self._connection = connection
        self._deadline = deadline
        self._wait_s = purpose.read_timeout_s
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
    """What ``http.client.HTTPResponse`` needs of a socket."""

    def __init__(self, reader: _TimedReader) -> None:
        self._reader = reader

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._reader, buffer_size=4096)


def _exchange(
    purpose: Purpose, connection: socket.socket, request: _Request, deadline: Deadline
) -> Answer:
    """Send the request, read the answer.

    Raises:
        EgressFailed: ``timeout``, ``protocol``, ``refused`` or ``too_large``.
    """
    reader = _TimedReader(connection, purpose, deadline)
    try:
        connection.settimeout(deadline.left_s())
        connection.sendall(_head(request) + request.body)
        response = http.client.HTTPResponse(
            _Source(reader),  # type: ignore[arg-type]
            method=request.method,
        )
        with closing(response):
            response.begin()
            # Chunks cost their frames: allow for small ones, not for endless ones.
            reader.room = _MAX_HEADER_BYTES + 8 * purpose.max_bytes
            body = response.read(purpose.max_bytes + 1)
            cut_short = len(body) <= purpose.max_bytes and bool(response.length)
    except TimeoutError as error:
        raise EgressFailed("timeout", "The server took too long to answer.") from error
    except http.client.HTTPException as error:
        raise EgressFailed("protocol", "The server did not speak HTTP.") from error
    except (OSError, ValueError) as error:
        raise EgressFailed("refused", "The server closed the connection.") from error
    cut = len(body) > purpose.max_bytes
    if cut and not purpose.truncate:
        raise EgressFailed("too_large", f"The answer is larger than {purpose.max_bytes} bytes.")
    if cut_short and request.method != "HEAD":
        raise EgressFailed("protocol", "The answer ended early.")
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, body[: purpose.max_bytes], cut=cut)


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
