"""Table of the peers that a benchmark can compare with."""

from bench.peers import acme, django_ca, openssl
from bench.peers.base import PeerUnavailableError

PEERS = {
    "pebble": acme.pebble,
    "acme2certifier": acme.acme2certifier,
    "django-ca-acme": django_ca.acme,
    "django-ca": django_ca.api,
    "django-ca-md5": django_ca.api_cheap_password,
    "django-ca-ocsp": django_ca.responder,
    "openssl-ocsp": openssl.responder,
}

__all__ = ["PEERS", "PeerUnavailableError"]
