"""DNS look-ups whose answers are limited in number and checked against the rules.

Answers are hostile input: dnspython parses them, addresses are counted, and at most
``MAX_ALIASES`` aliases are followed. Truncated answers are asked for again over TCP.
"""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import dns.exception
import dns.nameserver
import dns.resolver
import idna

from apps.egress.addresses import Address, check, literal, plain
from apps.egress.errors import EgressFailed, EgressRefused
from apps.egress.rules import Deadline, EgressRules

MAX_ADDRESSES = 16
MAX_ALIASES = 8
_MAX_LABEL, _MAX_NAME = 63, 253
_LOOK_UP_S = 10.0
_EDNS_BYTES = 1232
_NEVER_NAMES = frozenset(
    {
        "metadata.google.internal",
        "metadata.goog",
        "metadata",
        "instance-data",
        "instance-data.ec2.internal",
    }
)
_LABEL = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
HOSTS_FILE = Path("/etc/hosts")


@dataclass(frozen=True, slots=True)
class Records:
    """Records of one name and type.

    Attributes:
        name: the name that has the records, after aliases, without the last dot.
        values: dnspython rdata objects; empty when the name has none of this type.
        ttl_s: how long they may be cached; 0 when there are none.
        exists: whether the name exists at all.
    """

    name: str
    values: tuple[Any, ...]
    ttl_s: int = 0
    exists: bool = True


def resolve(rules: EgressRules, host: str, *, deadline: Deadline | None = None) -> list[Address]:
    """Return the addresses of a host after each was checked; at most ``MAX_ADDRESSES``.

    Args:
        rules: which addresses are allowed and which name servers are asked.
        host: a DNS name or an address literal.
        deadline: bounds the look-up.

    Raises:
        EgressRefused: the name is unusable, or any of its addresses is not allowed.
        EgressFailed: ``dns`` or ``timeout``; there is no address.
    """
    deadline = deadline or Deadline(rules.total_s)
    spelled = literal(host)
    found = [spelled] if spelled else _look_up(rules, canonical_host(host), deadline)
    addresses = list(dict.fromkeys(plain(address) for address in found))
    for address in (*found, *addresses):
        reason = check(address, rules)
        if reason:
            raise EgressRefused(f"The address of {host!r:.120} is not allowed: {reason}.")
    return addresses[:MAX_ADDRESSES]


def query(
    rules: EgressRules, name: str, record: str, *, deadline: Deadline | None = None
) -> Records:
    """Return the records of one type that a name has, following aliases.

    Args:
        rules: which name servers are asked.
        name: a DNS name in A-label form.
        record: the type, such as ``TXT`` or ``CAA``.
        deadline: bounds the look-up.

    Raises:
        EgressFailed: ``timeout``; ``dns`` when there is no usable answer, which is not the same
            as an answer without records.
    """
    deadline = deadline or Deadline(rules.total_s)
    resolver = _resolver(rules)
    asked = name
    for _ in range(MAX_ALIASES):
        try:
            answer = resolver.resolve(
                f"{asked.rstrip('.')}.",
                record,
                lifetime=deadline.left_s(_LOOK_UP_S),
                raise_on_no_answer=False,
            )
        except dns.resolver.NXDOMAIN:
            return Records(asked, (), exists=False)
        except dns.exception.Timeout as error:
            raise EgressFailed("timeout", f"No name server answered about {name}.") from error
        except dns.exception.DNSException as error:
            raise EgressFailed("dns", f"{name} could not be looked up ({record}).") from error
        final = answer.canonical_name.to_text(omit_final_dot=True)
        if answer.rrset is not None:
            return Records(final, tuple(answer.rrset), answer.rrset.ttl)
        # An authoritative server answers with the alias alone and does not follow it.
        if final.lower() == asked.lower():
            return Records(final, ())
        asked = final
    raise EgressFailed("dns", f"{name} has too many aliases.")


def canonical_host(host: str) -> str:
    """Return the lower-case A-label form of a host name, without the last dot.

    Raises:
        EgressRefused: not a host name, a number that system resolvers read as an address, or
            the name of a cloud metadata service.
    """
    try:
        name = host if host.isascii() else idna.encode(host, uts46=True).decode()
    except idna.IDNAError as error:
        raise EgressRefused(f"{host!r:.120} is not a host name.") from error
    name = name.removesuffix(".").lower()
    labels = name.split(".")
    # "127.1", "0x7f.1", "2130706433": system resolvers read them as addresses.
    disguised = labels[-1].isdigit() or labels[-1].startswith("0x")
    if disguised or len(name) > _MAX_NAME or not all(_usable_label(label) for label in labels):
        raise EgressRefused(f"{host!r:.120} is not a host name.")
    if name in _NEVER_NAMES:
        raise EgressRefused(f"{host!r:.120} is not allowed.")
    return name


def _usable_label(label: str) -> bool:
    return (
        0 < len(label) <= _MAX_LABEL
        and _LABEL.issuperset(label)
        and not label.startswith("-")
        and not label.endswith("-")
    )


def _look_up(rules: EgressRules, name: str, deadline: Deadline) -> list[Address]:
    """Look up IPv4 and IPv6 addresses; one may fail as long as the other has an address."""
    if not rules.resolvers and (listed := _from_hosts_file(name)):
        return listed
    found: list[Address] = []
    failure: EgressFailed | None = None
    exists = True
    for record in ("A", "AAAA"):
        try:
            records = query(rules, name, record, deadline=deadline)
        except EgressFailed as error:
            failure = error
            continue
        found += [ip_address(item.address) for item in records.values]
        exists = exists and records.exists
    if not found:
        raise failure or EgressFailed(
            "dns", f"{name} has no address." if exists else f"{name} does not exist."
        )
    return found


def _from_hosts_file(name: str) -> list[Address]:
    """Return the addresses in ``/etc/hosts``, which every other program of the machine uses."""
    try:
        lines = HOSTS_FILE.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        address, *names = line.partition("#")[0].split() or [""]
        if name in (item.lower() for item in names) and (known := literal(address)):
            found.append(known)
    return found


def _resolver(rules: EgressRules) -> dns.resolver.Resolver:
    """Return a resolver that asks the name servers of the rules, or the system's.

    Raises:
        EgressFailed: ``dns``; the system has none, or those of the rules are not addresses.
    """
    try:
        resolver = dns.resolver.Resolver(configure=not rules.resolvers)
        if rules.resolvers:
            resolver.nameservers = [_server(text) for text in rules.resolvers]
    except (dns.exception.DNSException, ValueError) as error:
        raise EgressFailed("dns", "There is no usable name server.") from error
    resolver.use_edns(0, 0, _EDNS_BYTES)
    return resolver


def _server(text: str) -> dns.nameserver.Nameserver:
    """Return the name server that is written as ``192.0.2.1``, ``192.0.2.1:5353`` or ``[2001:db8::1]:5353``.

    Raises:
        ValueError: not an address, or an unusable port.
    """
    address, port = literal(text), 53
    if address is None:
        host, _, number = text.rpartition(":")
        address, port = literal(host), int(number)
    if address is None or not 0 < port < 1 << 16:
        raise ValueError(text)
    return dns.nameserver.Do53Nameserver(str(address), port)
