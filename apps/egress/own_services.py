"""Sealwright's own listeners and databases, which are never a destination.

Domain validation may be allowed to reach internal networks. It must not reach Sealwright itself
or its database, whatever networks an administrator has opened.
"""

import socket
from functools import lru_cache
from ipaddress import ip_address

from django.conf import settings

from apps.egress.addresses import Address, literal, plain

_DEFAULT_PORTS = {"postgresql": 5432, "mysql": 3306, "oracle": 1521}


def is_own(address: Address, port: int) -> bool:
    """Tell whether a Sealwright listener or its database is at this address and port."""
    address = plain(address)
    if (address, port) in database_addresses():
        return True
    config = settings.SEALWRIGHT
    if port not in (config["HTTPS_PORT"], config["HTTP_PORT"], *config["FORMER_HTTP_PORTS"]):
        return False
    bound = literal(config["BIND"])
    return _is_local(address) if bound is None or int(bound) == 0 else address == bound


def _is_local(address: Address) -> bool:
    """Tell whether this machine has the address: no other can be bound. Nothing is sent."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 - IP version
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


@lru_cache(maxsize=1)
def database_addresses() -> frozenset[tuple[Address, int]]:
    """Return address and port of every database that is reached over the network.

    Looked up once for each process; a Unix socket has no address.
    """
    found: set[tuple[Address, int]] = set()
    for database in settings.DATABASES.values():
        host, engine = str(database.get("HOST") or ""), str(database["ENGINE"]).rpartition(".")[2]
        port = int(database.get("PORT") or _DEFAULT_PORTS.get(engine, 0))
        if engine != "sqlite3" and host and not host.startswith("/"):
            found |= {(address, port) for address in _addresses(host)}
    return frozenset(found)


def _addresses(host: str) -> set[Address]:
    try:
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return set()
    return {plain(ip_address(str(answer[4][0]).partition("%")[0])) for answer in answers}
