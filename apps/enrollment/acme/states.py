"""Which way can accounts, orders, authorizations and challenges go? The tables (A-17).

RFC 8555 section 7.1.6, as data: no other edge exists, and every move goes through ``move``.
"""

import secrets
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Protocol

from apps.errors import InvalidTransition


class _Choices(StrEnum):
    """Text values that Django columns can list."""

    @classmethod
    def choices(cls) -> list[tuple[str, str]]:
        """Return value and label of each member, for ``choices=``."""
        return [(member.value, member.value) for member in cls]


class AccountStatus(_Choices):
    """The life of an account."""

    VALID = "valid"
    DEACTIVATED = "deactivated"  # by its client
    REVOKED = "revoked"  # by the server


class OrderStatus(_Choices):
    """The life of an order."""

    PENDING = "pending"
    READY = "ready"
    PROCESSING = "processing"
    VALID = "valid"
    INVALID = "invalid"


class AuthorizationStatus(_Choices):
    """The life of an authorization."""

    PENDING = "pending"
    VALID = "valid"
    INVALID = "invalid"
    DEACTIVATED = "deactivated"
    EXPIRED = "expired"
    REVOKED = "revoked"


class ChallengeStatus(_Choices):
    """The life of a challenge."""

    PENDING = "pending"
    PROCESSING = "processing"
    VALID = "valid"
    INVALID = "invalid"


class ChallengeType(_Choices):
    """Ways to prove control."""

    HTTP_01 = "http-01"
    DNS_01 = "dns-01"
    TLS_ALPN_01 = "tls-alpn-01"
    DNS_ACCOUNT_01 = "dns-account-01"
    DNS_PERSIST_01 = "dns-persist-01"


_O, _A, _C = OrderStatus, AuthorizationStatus, ChallengeStatus
Table = Mapping[str, frozenset[str]]

ACCOUNT: Table = {
    AccountStatus.VALID: frozenset({AccountStatus.DEACTIVATED, AccountStatus.REVOKED}),
    AccountStatus.DEACTIVATED: frozenset(),
    AccountStatus.REVOKED: frozenset(),
}
ORDER: Table = {
    _O.PENDING: frozenset({_O.READY, _O.INVALID}),
    _O.READY: frozenset({_O.PROCESSING, _O.INVALID}),
    _O.PROCESSING: frozenset({_O.VALID, _O.INVALID}),
    _O.VALID: frozenset(),
    _O.INVALID: frozenset(),
}
# The figure in RFC 8555 section 7.1.6 lets pending ones be given up, revoked or expire too.
AUTHORIZATION: Table = {
    _A.PENDING: frozenset({_A.VALID, _A.INVALID, _A.DEACTIVATED, _A.EXPIRED, _A.REVOKED}),
    _A.VALID: frozenset({_A.DEACTIVATED, _A.EXPIRED, _A.REVOKED}),
    _A.INVALID: frozenset(),
    _A.DEACTIVATED: frozenset(),
    _A.EXPIRED: frozenset(),
    _A.REVOKED: frozenset(),
}
CHALLENGE: Table = {
    _C.PENDING: frozenset({_C.PROCESSING}),
    _C.PROCESSING: frozenset({_C.VALID, _C.INVALID}),
    _C.VALID: frozenset(),
    _C.INVALID: frozenset(),
}


class HasStatus(Protocol):
    """Anything with a status; rows and test doubles alike."""

    status: str


def move(thing: HasStatus, to: str, table: Table) -> None:
    """Change a status along an edge of its table; the caller holds the row lock and saves.

    Raises:
        InvalidTransition: the table has no such edge.
    """
    if to not in table[thing.status]:
        raise InvalidTransition(f"What is {thing.status} cannot become {to}.")
    thing.status = str(to)


def settle(
    challenge: HasStatus,
    authorization: HasStatus,
    orders: Iterable[tuple[HasStatus, Iterable[str]]],
    *,
    proven: bool,
) -> list[HasStatus]:
    """Carry the outcome of a validation from the challenge to all that depend on it.

    Args:
        challenge: must be ``processing``; otherwise nothing happens.
        authorization: the one it belongs to; the outcome counts only while it is pending.
        orders: each order that needs it, with the statuses of its *other* authorizations.
        proven: whether control was shown.

    Returns:
        Everything whose status changed.
    """
    if challenge.status != _C.PROCESSING:
        return []
    move(challenge, _C.VALID if proven else _C.INVALID, CHALLENGE)
    changed = [challenge]
    if authorization.status != _A.PENDING:
        return changed
    move(authorization, _A.VALID if proven else _A.INVALID, AUTHORIZATION)
    changed.append(authorization)
    for order, others in orders:
        if order.status == _O.PENDING:
            to = order_after([authorization.status, *others])
            if to != order.status:
                move(order, to, ORDER)
                changed.append(order)
    return changed


def order_after(authorizations: Iterable[str]) -> str:
    """Return where a pending order stands, given the statuses of its authorizations."""
    statuses = set(authorizations)
    if statuses <= {_A.VALID}:
        return _O.READY
    return _O.PENDING if statuses <= {_A.VALID, _A.PENDING} else _O.INVALID


def new_url_id() -> str:
    """Return 128 random bits as 22 characters of base64url.

    Never with a hyphen in front: clients take EAB key identifiers on their command lines,
    where such a word would be an option.
    """
    while (text := secrets.token_urlsafe(16)).startswith("-"):
        pass
    return text


def edges(table: Table) -> set[tuple[Any, Any]]:
    """Return every edge of a table."""
    return {(origin, to) for origin, targets in table.items() for to in targets}
