"""Table of the peers that a benchmark can compare with."""

from bench.peers import acme, openssl
from bench.peers.base import PeerUnavailableError

PEERS = {
    "pebble": acme.pebble,
    "acme2certifier": acme.acme2certifier,
    "django-ca-acme": acme.django_ca,
    "openssl-ocsp": openssl.responder,
}

__all__ = ["PEERS", "PeerUnavailableError"]
