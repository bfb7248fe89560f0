"""What is a connection for, what may it cost, and how does it fail?"""

import time
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import ClassVar

from apps.errors import SealwrightError


@dataclass(frozen=True, slots=True)
class Hop:
    """One connection that was made, or tried, on the way.

    Attributes:
        url: what was asked for.
        address: the judged address that answered; empty when none was reached.
        outcome: HTTP status, or one sentence on what went wrong.
    """

    url: str
    address: str
    outcome: str


class EgressError(SealwrightError):
    """A connection was not made or did not do its work; ``hops`` is the way so far."""

    code: ClassVar[str] = "egress"

    def __init__(self, detail: str = "", *, hops: tuple[Hop, ...] = ()) -> None:
        self.hops = hops
        super().__init__(detail)


class EgressRefused(EgressError):
    """The guard does not let this connection out; trying again will not help."""

    code: ClassVar[str] = "egress_refused"
    default_detail: ClassVar[str] = "The address is not allowed."


class EgressFailed(EgressError):
    """The connection was allowed and did not succeed; ``kind`` says how.

    ``kind`` is one of ``dns``, ``refused``, ``timeout``, ``tls``, ``protocol``, ``too_large``.
    """

    code: ClassVar[str] = "egress_failed"

    def __init__(self, kind: str, detail: str, *, hops: tuple[Hop, ...] = ()) -> None:
        self.kind = kind
        super().__init__(detail, hops=hops)


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
        connect_timeout_s: for one connection attempt, and again for its TLS handshake.
        read_timeout_s: for each wait for bytes.
        total_s: for everything together, name look-up and redirects included.
        max_bytes: of a body.
        truncate: cut longer bodies and say so, in place of refusing them.
        max_redirects: hops, each of them judged anew; 0 hands redirects to the caller.
        allow_downgrade: a redirect may lead from https to http; only domain validation does.
        verify_tls: check the peer's certificate; only domain validation turns it off.
        ca_pem: trust these certificates in place of the system's.
    """

    name: str
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    allow_private: bool = False
    allow_public: bool = True
    ports: frozenset[int] | None = None
    schemes: frozenset[str] = frozenset({"https"})
    resolvers: tuple[str, ...] = ()
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 10.0
    total_s: float = 30.0
    max_bytes: int = 64 * 1024
    truncate: bool = False
    max_redirects: int = 0
    allow_downgrade: bool = False
    verify_tls: bool = True
    ca_pem: str = ""


@dataclass(slots=True)
class Deadline:
    """A moment on the monotonic clock after which nothing is waited for."""

    total_s: float
    _end: float = field(init=False)

    def __post_init__(self) -> None:
        """Start counting."""
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
