"""How does anything leave this machine? The one guarded way out.

Every outbound connection goes: parse strictly, resolve once, judge every address (embedded
IPv4 unwrapped), connect to the judged address itself, compare the peer. One bad address
refuses them all, so neither DNS rebinding nor a mixed answer gets a packet through.
Refusals tell a class and nothing more: the guard must not become a port scanner's oracle.

Only this package imports ``socket``, ``ssl`` for clients, ``http.client`` or ``dns``.
"""

from apps.egress.addresses import Address, Network, judge
from apps.egress.http import Answer, http_get, http_request
from apps.egress.names import Records, query, resolve
from apps.egress.purposes import Deadline, EgressError, EgressFailed, EgressRefused, Hop, Purpose
from apps.egress.sockets import TlsPeer, connect, tls_peer

__all__ = [
    "Address",
    "Answer",
    "Deadline",
    "EgressError",
    "EgressFailed",
    "EgressRefused",
    "Hop",
    "Network",
    "Purpose",
    "Records",
    "TlsPeer",
    "connect",
    "http_get",
    "http_request",
    "judge",
    "query",
    "resolve",
    "tls_peer",
]
