"""How does anything leave this machine? The one guarded way out.

Every outbound connection goes: parse strictly, resolve once, judge every address (embedded
IPv4 unwrapped), connect to the judged address itself, compare the peer. One bad address
refuses them all, so neither DNS rebinding nor a mixed answer gets a packet through.
Refusals tell a class and nothing more: the guard must not become a port scanner's oracle.
"""

import http.client
import io
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import urljoin, urlsplit

import dns.exception
import dns.resolver
import idna

from apps.errors import SealwrightError

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_REDIRECTS = frozenset({301, 302, 307, 308})
_MAX_URL = 2000
_MAX_ADDRESSES = 16
_FORBIDDEN_IN_URL = re.compile(r"[\x00-\x20\x7f\\]")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


# No purpose and no administrator opens these: metadata services, link-local, multicast.
_NEVER = _networks(
    "0.0.0.0/8",
    "169.254.0.0/16",
    "192.0.0.192/32",
    "100.100.100.200/32",
    "168.63.129.16/32",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/128",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
    "fd00:ec2::254/128",
    "fd20:ce::254/128",
)
_NEVER_NAMES = frozenset({"metadata.google.internal", "metadata", "instance-data"})
_LOOPBACK = _networks("127.0.0.0/8", "::1/128")
_PRIVATE = _networks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
# Neither private nor reachable: documentation, benchmarking, protocol assignments.
_NOWHERE = _networks(
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "100::/64",
    "2001:db8::/32",
    "3fff::/20",
    "5f00::/16",
)
# IPv6 ranges that carry an IPv4 address: (range, bits to the right of it).
_EMBEDDED: tuple[tuple[ipaddress.IPv6Network, int], ...] = tuple(
    (ipaddress.IPv6Network(network), shift)
    for network, shift in (
        ("::ffff:0:0/96", 0),
        ("::/96", 0),
        ("::ffff:0:0:0/96", 0),
        ("64:ff9b::/96", 0),
        ("64:ff9b:1::/48", 0),
        ("2002::/16", 80),
    )
)
_TEREDO = ipaddress.IPv6Network("2001::/32")


class EgressRefused(SealwrightError):
    """The guard does not let this connection out."""

    code = "egress_refused"
    default_detail = "The address is not allowed."


class EgressFailed(SealwrightError):
    """The connection was allowed and did not succeed; ``kind`` says how.

    ``kind`` is one of ``dns``, ``refused``, ``timeout``, ``tls``, ``protocol``, ``too_large``.
    """

    code = "egress_failed"

    def __init__(self, kind: str, detail: str) -> None:
        self.kind = kind
        super().__init__(detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """What a connection is for, and therefore where it may go and how much it may cost.

    Attributes:
        name: written to logs.
        allowed_networks: opens loopback, private or special ranges; never those that no
            purpose may reach.
        allow_private: private ranges (RFC 1918, RFC 6598, RFC 4193) are open.
        allow_public: everything else is open.
        ports: the only ports; ``None`` for any.
        schemes: URL schemes.
        resolvers: name servers as ``address`` or ``address:port``; empty for the system's.
        connect_timeout_s: for one connection attempt.
        total_s: for everything together, name look-up and redirects included.
        max_bytes: of a body.
        max_redirects: hops, each of them judged anew.
        verify_tls: check the peer's certificate; only domain validation turns it off.
    """

    name: str
    allowed_networks: tuple[Network, ...] = ()
    allow_private: bool = False
    allow_public: bool = True
    ports: frozenset[int] | None = None
    schemes: frozenset[str] = frozenset({"https"})
    resolvers: tuple[str, ...] = ()
    connect_timeout_s: float = 5.0
    total_s: float = 30.0
    max_bytes: int = 64 * 1024
    max_redirects: int = 0
    verify_tls: bool = True


@dataclass(frozen=True, slots=True)
class Hop:
    """One connection that was made, or tried, on the way."""

    url: str
    address: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: status, headers, at most ``Purpose.max_bytes`` of body, and the way there."""

    status: int
    headers: dict[str, str]
    body: bytes
    hops: tuple[Hop, ...]


@dataclass(slots=True)
class Deadline:
    """A moment on the monotonic clock after which nothing is waited for."""

    total_s: float
    _end: float = field(init=False)

    def __post_init__(self) -> None:
        self._end = time.monotonic() + self.total_s

    def left_s(self, at_most: float = 3600.0) -> float:
        """Return the seconds left, capped.

        Raises:
            EgressFailed: ``timeout``; nothing is left.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise EgressFailed("timeout", "The time allowed for this is used up.")
        return min(left, at_most)


def judge(address: Address, purpose: Purpose) -> str:
    """Return why ``address`` must not be connected to; empty when it may be."""
    for candidate in (address, *_embedded_in(address)):
        reason = _judge_one(candidate, purpose)
        if reason:
            return reason
    return ""


def resolve(purpose: Purpose, host: str, *, deadline: Deadline | None = None) -> list[Address]:
    """Return the addresses of a host, every one of them judged.

    Args:
        purpose: decides what is allowed and which name servers are asked.
        host: a DNS name or an address literal.
        deadline: bounds the look-up.

    Raises:
        EgressRefused: the name is unusable, or any of its addresses is not allowed.
        EgressFailed: ``dns``; there is no address.
    """
    deadline = deadline or Deadline(purpose.total_s)
    literal = _literal(host)
    addresses = [literal] if literal else _look_up(purpose, _canonical_host(host), deadline)
    for address in addresses:
        reason = judge(address, purpose)
        if reason:
            raise EgressRefused(f"The address of {host!r:.120} is not allowed: {reason}.")
    return addresses[:_MAX_ADDRESSES]


def connect(
    purpose: Purpose, host: str, port: int, *, deadline: Deadline | None = None
) -> socket.socket:
    """Return a connected TCP socket whose peer is an address that was judged.

    Raises:
        EgressRefused: host, address or port is not allowed.
        EgressFailed: ``dns``, ``refused`` or ``timeout``.
    """
    deadline = deadline or Deadline(purpose.total_s)
    if purpose.ports is not None and port not in purpose.ports:
        raise EgressRefused(f"Port {port} is not allowed.")
    last: EgressFailed | None = None
    for address in resolve(purpose, host, deadline=deadline):
        try:
            return _dial(address, port, deadline.left_s(purpose.connect_timeout_s))
        except TimeoutError:
            last = EgressFailed("timeout", f"{address} port {port} did not answer in time.")
        except OSError:
            last = EgressFailed("refused", f"{address} port {port} refused the connection.")
    raise last or EgressFailed("dns", f"{host!r:.120} has no address.")


def http_get(purpose: Purpose, url: str, *, headers: Iterable[tuple[str, str]] = ()) -> Answer:
    """Fetch ``url``, following allowed redirects, each hop judged like the first.

    Raises:
        EgressRefused: URL, address or port of any hop is not allowed.
        EgressFailed: what went wrong; ``too_large`` when the body exceeds the bound.
    """
    deadline = Deadline(purpose.total_s)
    hops: list[Hop] = []
    seen: set[str] = set()
    for _ in range(purpose.max_redirects + 1):
        if url in seen:
            raise EgressFailed("protocol", "The redirects form a loop.")
        seen.add(url)
        answer = _fetch(purpose, url, tuple(headers), deadline, hops)
        location = answer.headers.get("location", "")
        if answer.status not in _REDIRECTS or not location:
            return answer
        if purpose.max_redirects == 0:
            return answer
        url = urljoin(url, location)
    raise EgressFailed("protocol", f"More than {purpose.max_redirects} redirects.")


def _judge_one(address: Address, purpose: Purpose) -> str:
    if _within(address, _NEVER):
        return "link-local, metadata, multicast or reserved range"
    if _within(address, purpose.allowed_networks):
        return ""
    if _within(address, _LOOPBACK):
        return "loopback"
    if _within(address, _NOWHERE):
        return "special-purpose range"
    if _within(address, _PRIVATE):
        return "" if purpose.allow_private else "private range"
    return "" if purpose.allow_public else "public range"


def _within(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _embedded_in(address: Address) -> list[Address]:
    """Return the IPv4 addresses that an IPv6 address carries, however it does."""
    if isinstance(address, ipaddress.IPv4Address) or address == ipaddress.IPv6Address("::1"):
        return []
    number = int(address)
    found: list[Address] = [
        ipaddress.IPv4Address((number >> shift) & 0xFFFF_FFFF)
        for network, shift in _EMBEDDED
        if address in network
    ]
    if address in _TEREDO:
        # RFC 4380 section 4: server in the clear, client inverted.
        found.append(ipaddress.IPv4Address((number >> 64) & 0xFFFF_FFFF))
        found.append(ipaddress.IPv4Address((number & 0xFFFF_FFFF) ^ 0xFFFF_FFFF))
    return found


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None


def _canonical_host(host: str) -> str:
    """Return the A-label form of a host name.

    Raises:
        EgressRefused: not a host name, a number in disguise, or a metadata service's name.
    """
    try:
        name = idna.encode(host.rstrip("."), uts46=True).decode() if not host.isascii() else host
    except idna.IDNAError as error:
        raise EgressRefused(f"{host!r:.120} is not a host name.") from error
    name = name.rstrip(".").lower()
    # "127.1", "0x7f.1", "2130706433": system resolvers read them as addresses.
    last = name.rpartition(".")[2]
    if not _HOST.fullmatch(name) or last.isdigit() or last.startswith("0x"):
        raise EgressRefused(f"{host!r:.120} is not a host name.")
    if name in _NEVER_NAMES:
        raise EgressRefused(f"{host!r:.120} is not allowed.")
    return name


def _look_up(purpose: Purpose, name: str, deadline: Deadline) -> list[Address]:
    resolver = resolver_for(purpose)
    found: list[Address] = []
    for record in ("A", "AAAA"):
        try:
            answers = resolver.resolve(
                name, record, lifetime=deadline.left_s(10), raise_on_no_answer=False
            )
        except dns.resolver.NXDOMAIN as error:
            raise EgressFailed("dns", f"{name} does not exist.") from error
        except dns.exception.DNSException as error:
            if found:
                break
            raise EgressFailed("dns", f"{name} could not be looked up.") from error
        found += [ipaddress.ip_address(item.address) for item in answers]
    if not found:
        raise EgressFailed("dns", f"{name} has no address.")
    return found


def resolver_for(purpose: Purpose) -> dns.resolver.Resolver:
    """Return a resolver that asks the purpose's name servers, or the system's."""
    if not purpose.resolvers:
        return dns.resolver.Resolver()
    resolver = dns.resolver.Resolver(configure=False)
    servers, ports = [], {}
    for text in purpose.resolvers:
        address, port = _server(text)
        servers.append(address)
        ports[address] = port
    resolver.nameservers = servers
    resolver.nameserver_ports = ports
    return resolver


def _server(text: str) -> tuple[str, int]:
    """Return address and port of ``192.0.2.1``, ``192.0.2.1:5353`` or ``[2001:db8::1]:5353``."""
    if _literal(text):
        return text, 53
    address, _, port = text.rpartition(":")
    return address.removeprefix("[").removesuffix("]"), int(port)


def _dial(address: Address, port: int, timeout_s: float) -> socket.socket:
    connection = socket.create_connection((str(address), port), timeout=timeout_s)
    peer = ipaddress.ip_address(connection.getpeername()[0].partition("%")[0])
    if peer != address:
        connection.close()
        raise EgressRefused("The peer is not the address that was judged.")
    return connection


@dataclass(frozen=True, slots=True)
class _Target:
    scheme: str
    host: str
    port: int
    path: str


def _target(purpose: Purpose, url: str) -> _Target:
    """Parse a URL strictly.

    Raises:
        EgressRefused: too long, odd characters, user information, another scheme or no host.
    """
    if len(url) > _MAX_URL or _FORBIDDEN_IN_URL.search(url):
        raise EgressRefused("The URL is not usable.")
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError as error:
        raise EgressRefused("The URL is not usable.") from error
    if parts.scheme not in purpose.schemes or not parts.hostname or "@" in parts.netloc:
        raise EgressRefused("The URL is not allowed.")
    path = parts.path or "/"
    return _Target(
        parts.scheme, parts.hostname, port, f"{path}?{parts.query}" if parts.query else path
    )


def _fetch(
    purpose: Purpose,
    url: str,
    headers: tuple[tuple[str, str], ...],
    deadline: Deadline,
    hops: list[Hop],
) -> Answer:
    target = _target(purpose, url)
    address = ""
    try:
        with connect(purpose, target.host, target.port, deadline=deadline) as plain:
            address = plain.getpeername()[0]
            connection = _secured(purpose, plain, target, deadline)
            answer = _exchange(purpose, connection, target, headers, deadline)
    except (EgressRefused, EgressFailed) as error:
        hops.append(Hop(url, address, error.detail))
        error.hops = tuple(hops)  # type: ignore[union-attr]
        raise
    hops.append(Hop(url, address, str(answer.status)))
    return Answer(answer.status, answer.headers, answer.body, tuple(hops))


def _secured(
    purpose: Purpose, plain: socket.socket, target: _Target, deadline: Deadline
) -> socket.socket:
    if target.scheme != "https":
        return plain
    context = ssl.create_default_context()
    if not purpose.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    plain.settimeout(deadline.left_s(purpose.connect_timeout_s))
    try:
        return context.wrap_socket(plain, server_hostname=target.host)
    except TimeoutError as error:
        raise EgressFailed("timeout", "The TLS handshake took too long.") from error
    except OSError as error:
        raise EgressFailed("tls", "The TLS handshake failed.") from error


class _TimedReader(io.RawIOBase):
    """Reads a socket under one deadline, however slowly its peer drips."""

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        self._connection = connection
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        self._connection.settimeout(self._deadline.left_s())
        return self._connection.recv_into(buffer)  # type: ignore[arg-type]


class _Source:
    """What ``http.client.HTTPResponse`` needs of a socket."""

    def __init__(self, reader: _TimedReader) -> None:
        self._reader = reader

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._reader)


def _exchange(
    purpose: Purpose,
    connection: socket.socket,
    target: _Target,
    headers: tuple[tuple[str, str], ...],
    deadline: Deadline,
) -> Answer:
    default = {"http": 80, "https": 443}[target.scheme]
    host = f"[{target.host}]" if ":" in target.host else target.host
    lines = [
        f"GET {target.path} HTTP/1.1",
        f"Host: {host}" if target.port == default else f"Host: {host}:{target.port}",
        "User-Agent: sealwright",
        "Accept: */*",
        "Connection: close",
        *(f"{name}: {value}" for name, value in headers),
    ]
    request = "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
    try:
        connection.settimeout(deadline.left_s())
        connection.sendall(request)
        response = http.client.HTTPResponse(
            _Source(_TimedReader(connection, deadline)),  # type: ignore[arg-type]
            method="GET",
        )
        response.begin()
        body = response.read(purpose.max_bytes + 1)
    except TimeoutError as error:
        raise EgressFailed("timeout", "The server took too long to answer.") from error
    except http.client.HTTPException as error:
        raise EgressFailed("protocol", "The server did not speak HTTP.") from error
    except OSError as error:
        raise EgressFailed("refused", "The server closed the connection.") from error
    if len(body) > purpose.max_bytes:
        raise EgressFailed("too_large", f"The answer is larger than {purpose.max_bytes} bytes.")
    return Answer(
        response.status, {k.lower(): v for k, v in response.getheaders()}, body, ()
    )
