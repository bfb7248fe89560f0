"""Guard of outbound connections against server-side request forgery.

Every connection of the product goes through here, in these steps: parse the destination strictly,
resolve its name once, check every address (also an IPv4 address inside an IPv6 one), connect to
the checked address itself, compare the peer. One forbidden address refuses the whole name, so
neither DNS rebinding nor a mixed answer gets a packet through. Refusals name a class of addresses
and nothing more, so that the guard cannot be used as a port scanner.

No other package imports ``socket``, ``ssl`` for clients, ``http.client`` or ``dns``.
"""

from apps.egress.addresses import Address, Network, check
from apps.egress.errors import EgressError, EgressFailed, EgressRefused, Hop
from apps.egress.http import Answer, http_get, http_request
from apps.egress.names import Records, query, resolve
from apps.egress.rules import Deadline, EgressRules
from apps.egress.sockets import TlsPeer, connect, tls_peer

__all__ = [
    "Address",
    "Answer",
    "Deadline",
    "EgressError",
    "EgressFailed",
    "EgressRefused",
    "EgressRules",
    "Hop",
    "Network",
    "Records",
    "TlsPeer",
    "check",
    "connect",
    "http_get",
    "http_request",
    "query",
    "resolve",
    "tls_peer",
]
