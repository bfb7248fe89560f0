"""Identifiers of ACME orders: DNS names and IP addresses (RFC 8555 section 9.7.7, RFC 8738)."""

import hashlib
import ipaddress
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from apps.enrollment.acme.problems import Refusal, Subproblem, Type, refusal_of
from apps.errors import InvalidInput, Malformed, Violation
from apps.policies.names import PatternError
from apps.policies.patterns import Pattern, compile_pattern
from pki.addresses import quoted
from pki.findings import UnusableName
from pki.names import canonical_san
from pki.template import TypeValue

MAX_IDENTIFIERS = 100
_WILDCARD = "*."
_SAN_TYPES = {"dns": "dns_name", "ip": "ip_address"}


@dataclass(frozen=True, slots=True, order=True)
class Identifier:
    """One name of an order: canonical, a wildcard with its ``*.``."""

    type: str
    value: str

    @property
    def wildcard(self) -> bool:
        """Tell whether it is a wildcard name."""
        return self.value.startswith(_WILDCARD)

    @property
    def base(self) -> str:
        """Return the value without ``*.``, as authorizations carry it (RFC 8555 7.1.4)."""
        return self.value.removeprefix(_WILDCARD)

    @property
    def san(self) -> TypeValue:
        """Return (type, value) of the alternative name that it becomes."""
        return _SAN_TYPES[self.type], self.value

    def as_dict(self) -> dict[str, str]:
        """Return the JSON form."""
        return {"type": self.type, "value": self.value}


def read_all(listed: object) -> tuple[tuple[Identifier, ...], list[Subproblem]]:
    """Return the identifiers of a new order, canonical, each once, and what is wrong with others.

    Raises:
        Malformed: no list, or an empty or too long one.
    """
    if not isinstance(listed, list) or not listed:
        raise Malformed("identifiers is a list of objects with type and value.")
    if len(listed) > MAX_IDENTIFIERS:
        raise Malformed(f"identifiers lists {len(listed)}; an order has at most {MAX_IDENTIFIERS}.")
    found: dict[Identifier, None] = {}
    faults: list[Subproblem] = []
    for index, item in enumerate(listed):
        try:
            kind, value = _members(item)
        except Malformed as error:
            faults.append((None, Type.MALFORMED, f"identifiers[{index}]: {error.detail}"))
            continue
        try:
            found[_read(kind, value)] = None
        except Refusal as refusal:
            faults.append(({"type": kind, "value": value}, refusal.kind, refusal.detail))
    return tuple(found), faults


def read_one(item: object) -> Identifier:
    """Return a single identifier, for pre-authorization.

    Raises:
        Malformed, Refusal: it is unusable, or of a type that is not known here.
    """
    kind, value = _members(item)
    try:
        return _read(kind, value)
    except Refusal as refusal:
        raise refusal_of(
            [({"type": kind, "value": value}, refusal.kind, refusal.detail)]
        ) from refusal


def digest(identifiers: Iterable[Identifier]) -> str:
    """Return a digest of the set of names: equal for two orders of the same names."""
    listed = [[item.type, item.value] for item in sorted(identifiers)]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def outside(identifiers: Iterable[Identifier], patterns: Sequence[str]) -> list[Identifier]:
    """Return the identifiers that no pattern covers; ``patterns`` as an EAB key stores them."""
    allowed = compiled(tuple(patterns))
    return [
        item
        for item in identifiers
        if not any(kind == item.type and pattern.covers(item.value) for kind, pattern in allowed)
    ]


def canonical_patterns(texts: Iterable[str]) -> list[str]:
    """Return patterns of an EAB key in the form in which they are stored.

    Args:
        texts: addresses and networks (``10.0.0.0/8``), everything else is a DNS pattern:
            ``*`` stands for one label, a leading ``**`` for one or more.

    Raises:
        InvalidInput: lists every text that is neither.
    """
    found, wrong = [], []
    for index, text in enumerate(texts):
        try:
            found.append(_pattern(text)[1].text)
        except PatternError as error:
            wrong.append(Violation("eab.pattern", f"identifiers[{index}]", text[:200], str(error)))
    if wrong:
        raise InvalidInput(wrong)
    return found


@lru_cache(maxsize=1024)
def compiled(bound: tuple[str, ...]) -> tuple[tuple[str, Pattern], ...]:
    """Return (identifier type, pattern) of each restriction."""
    return tuple(_pattern(text) for text in bound)


def _pattern(text: str) -> tuple[str, Pattern]:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return "dns", compile_pattern("dns_name", text)
    return "ip", compile_pattern("ip_address", text)


def _members(item: Any) -> tuple[str, str]:
    if not isinstance(item, dict):
        raise Malformed("An identifier is an object with type and value.")
    kind, value = item.get("type"), item.get("value")
    if not isinstance(kind, str) or not isinstance(value, str):
        raise Malformed("An identifier has the texts type and value.")
    if "ancestorDomain" in item:
        raise Malformed("ancestorDomain is not offered here (RFC 9444).")
    return kind, value


def _read(kind: str, value: str) -> Identifier:
    if kind not in _SAN_TYPES:
        raise Refusal(
            Type.UNSUPPORTED_IDENTIFIER, f"The type {quoted(kind[:50])} is not supported."
        )
    if kind == "dns" and not value.isascii():
        raise Refusal(Type.MALFORMED, "Send internationalised names as A-labels (xn--).")
    try:
        canonical = canonical_san(_SAN_TYPES[kind], value)
    except UnusableName as error:
        text = " ".join(violation.reason for violation in error.violations)
        raise Refusal(Type.REJECTED_IDENTIFIER, text) from error
    if kind == "ip" and canonical != value:
        raise Refusal(Type.MALFORMED, f"Write the address as {canonical} (RFC 8738 section 3).")
    return Identifier(kind, canonical)
