"""Who else can do the work? Peers by name; each is installed when it is first asked for."""

from bench.peers import acme
from bench.peers.base import PeerUnavailableError

PEERS = {
    "pebble": acme.pebble,
    "acme2certifier": acme.acme2certifier,
    "django-ca-acme": acme.django_ca,
}

__all__ = ["PEERS", "PeerUnavailableError"]
