"""Rules for one kind of outbound connection: allowed destinations, time limits and sizes."""

import time
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from apps.egress.errors import EgressFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressRules:
    """Where one kind of connection may go, how long it may take and how much it may read.

    Each feature that connects to something has its own rules, such as the HTTP-01 validation of
    ACME.

    Attributes:
        name: written to logs.
        allowed_networks: opens loopback, private or special-purpose ranges; never the ranges
            that are closed to all rules.
        allow_private: private ranges (RFC 1918, RFC 6598, RFC 4193) are open.
        allow_public: all other ranges are open.
        ports: the only ports; ``None`` for any.
        schemes: URL schemes.
        resolvers: name servers as ``address`` or ``address:port``; empty for the system's.
        connect_timeout_s: for one connection attempt, and again for its TLS handshake.
        read_timeout_s: for each wait for bytes.
        total_s: for everything together, name look-up and redirects included.
        max_bytes: of a body.
        truncate: cut longer bodies and say so, in place of refusing them.
        max_redirects: how many are followed, each checked like the first URL; 0 returns a
            redirect to the caller.
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
    """End of the time for one operation, measured on the monotonic clock.

    Attributes:
        total_s: seconds from now.
    """

    total_s: float
    _end: float = field(init=False)

    def __post_init__(self) -> None:
        """Fix the end."""
        self._end = time.monotonic() + self.total_s

    def left_s(self, at_most: float = 3600.0) -> float:
        """Return the seconds left, at most ``at_most``.

        Raises:
            EgressFailed: ``timeout``; nothing is left.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise EgressFailed("timeout", "The time allowed for this is used up.")
        return min(left, at_most)
