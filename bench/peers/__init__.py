"""Table of the peers that a benchmark can compare with."""

from bench.peers import acme
from bench.peers.base import PeerUnavailableError

PEERS = {
    "pebble": acme.pebble,
    "acme2certifier": acme.acme2certifier,
    "django-ca-acme": acme.django_ca,
}

__all__ = ["PEERS", "PeerUnavailableError"]
