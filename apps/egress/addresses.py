"""Check of IP addresses against ranges that must not be connected to.

The ranges are listed here because Python's ``is_private`` and ``is_global`` do not suffice: of 36
hostile addresses they call 18 global (``64:ff9b::a9fe:a9fe``, ``224.0.0.1``, ``fec0::1`` ...).
"""

from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TypeAlias

from apps.egress.rules import EgressRules

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)


# Closed to all rules and to every setting: metadata services, link-local, multicast.
_NEVER = _networks(
    "0.0.0.0/8",
    "169.254.0.0/16",
    "192.0.0.192/32",
    "100.100.100.200/32",
    "168.63.129.16/32",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/128",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
    "fd00:ec2::254/128",
    "fd20:ce::254/128",
)
_LOOPBACK = _networks("127.0.0.0/8", "::1/128")
_PRIVATE = _networks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
# Special-purpose ranges (RFC 6890): documentation, benchmarking, protocol assignments, and the
# local-use translation prefix (RFC 8215), whose far end cannot be known.
_SPECIAL = _networks(
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "64:ff9b:1::/48",
    "100::/64",
    "2001:2::/48",
    "2001:10::/28",
    "2001:db8::/32",
    "3fff::/20",
    "5f00::/16",
)
# IPv6 ranges that carry an IPv4 address: (range, bits to the right of it).
_EMBEDDED: tuple[tuple[IPv6Network, int], ...] = tuple(
    (IPv6Network(network), shift)
    for network, shift in (
        ("::ffff:0:0/96", 0),
        ("::/96", 0),
        ("::ffff:0:0:0/96", 0),
        ("64:ff9b::/96", 0),
        ("64:ff9b:1::/48", 0),
        ("2002::/16", 80),
    )
)
_TEREDO = IPv6Network("2001::/32")
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})
_THIS_NETWORK = IPv4Network("0.0.0.0/8")
_LOOPBACK_6 = IPv6Address("::1")
_32_BITS = 0xFFFF_FFFF


def check(address: Address, rules: EgressRules) -> str:
    """Return why ``address`` must not be connected to; empty when it may be.

    An IPv6 address that carries an IPv4 address must pass as both.
    """
    for candidate in (plain(address), *_embedded_in(address)):
        reason = _check_one(candidate, rules)
        if reason:
            return reason
    return ""


def plain(address: Address) -> Address:
    """Return the IPv4 address behind an IPv4-mapped one (RFC 4291 section 2.5.5.2)."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def literal(host: str) -> Address | None:
    """Return the address that ``host`` is; ``None`` for names, zones and other notations.

    Accepts exactly dotted decimal and RFC 4291 text, the latter also in brackets.
    """
    text = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if "%" in text or (text is not host and ":" not in text):
        return None
    try:
        return ip_address(text)
    except ValueError:
        return None


def _check_one(address: Address, rules: EgressRules) -> str:
    if _within(address, _NEVER):
        return "link-local, metadata, multicast or reserved range"
    if _within(address, rules.allowed_networks):
        return ""
    if _within(address, _LOOPBACK):
        return "loopback"
    if _within(address, _SPECIAL):
        return "special-purpose range"
    if _within(address, _PRIVATE):
        return "" if rules.allow_private else "private range"
    return "" if rules.allow_public else "public range"


def _within(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _embedded_in(address: Address) -> list[Address]:
    """Return the IPv4 addresses that an IPv6 address carries."""
    if isinstance(address, IPv4Address) or address == _LOOPBACK_6:
        return []
    number = int(address)
    found: list[Address] = [
        IPv4Address((number >> shift) & _32_BITS)
        for network, shift in _EMBEDDED
        if address in network
    ]
    if address in _TEREDO:
        # RFC 4380 section 4: server in the clear, client inverted.
        found.append(IPv4Address((number >> 64) & _32_BITS))
        found.append(IPv4Address((number & _32_BITS) ^ _32_BITS))
    if address in _LOCAL_NAT64:
        found += _translated(number)
    if (number >> 32) & _32_BITS in _ISATAP:  # RFC 5214 section 6.1
        found.append(IPv4Address(number & _32_BITS))
    return found


def _translated(number: int) -> list[Address]:
    """Return what an address of 64:ff9b:1::/48 means if its prefix has 48, 56 or 64 bits.

    RFC 6052 section 2.2: bits 64 to 71 are skipped. Zeros mean another prefix length.
    """
    spread = (
        (((number >> 64) & 0xFFFF) << 16) | ((number >> 40) & 0xFFFF),
        (((number >> 64) & 0xFF) << 24) | ((number >> 32) & 0xFF_FFFF),
        (number >> 24) & _32_BITS,
    )
    candidates = (IPv4Address(value) for value in spread)
    return [address for address in candidates if address not in _THIS_NETWORK]
