"""Rules about listeners that concern more than one setting."""

from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any


def problems(settings: dict[str, Any]) -> Iterator[str]:
    """Yield what cannot work together: ports given twice, proxies that nobody trusts.

    Args:
        settings: the ``SEALWRIGHT`` dictionary with everything about listeners.
    """
    yield from _shared_ports(settings)
    yield from _untrusted(settings)


def _shared_ports(settings: dict[str, Any]) -> Iterator[str]:
    https, http = settings["HTTPS_PORT"], settings["HTTP_PORT"]
    if https == http:
        yield f"SEALWRIGHT_HTTPS_PORT and SEALWRIGHT_HTTP_PORT are the same port, {http}"
    for port, count in Counter(settings["FORMER_HTTP_PORTS"]).items():
        if port in {https, http} or count > 1:
            yield f"SEALWRIGHT_FORMER_HTTP_PORTS: {port} is listened on already"
    host, _, port = settings["PROXY_BIND"].rpartition(":")
    if not host:
        return
    bound, other = ip_address(settings["BIND"]), ip_address(host.strip("[]"))
    overlap = bound == other or bound.is_unspecified or other.is_unspecified
    if overlap and int(port) in {https, http, *settings["FORMER_HTTP_PORTS"]}:
        yield f"SEALWRIGHT_PROXY_BIND: another listener is on port {port} already"


def _untrusted(settings: dict[str, Any]) -> Iterator[str]:
    """Without a trusted proxy these settings would refuse everybody, or mean nothing."""
    if settings["TRUSTED_PROXIES"]:
        return
    if settings["PROXY_BIND"]:
        yield (
            "SEALWRIGHT_PROXY_BIND needs SEALWRIGHT_TRUSTED_PROXIES: that listener refuses "
            "everybody who is not in it"
        )
    if settings["PROXY_CLIENT_CERTIFICATE"] != "off":
        yield (
            "SEALWRIGHT_PROXY_CLIENT_CERTIFICATE needs SEALWRIGHT_TRUSTED_PROXIES: nobody else "
            "is believed"
        )
