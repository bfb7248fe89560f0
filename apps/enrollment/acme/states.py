"""States of ACME objects and their transitions (RFC 8555 section 7.1.6).

The tables hold every transition that exists; all changes of a status go through ``transition``.
"""

import secrets
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Protocol

from apps.errors import InvalidTransition


class _Choices(StrEnum):
    """Text values that Django columns can list."""

    @classmethod
    def choices(cls) -> list[tuple[str, str]]:
        """Return value and label of each member, for ``choices=``."""
        return [(member.value, member.value) for member in cls]


class AccountStatus(_Choices):
    """Status of an account (RFC 8555 section 7.1.2)."""

    VALID = "valid"
    DEACTIVATED = "deactivated"  # by its client
    REVOKED = "revoked"  # by the server


class OrderStatus(_Choices):
    """Status of an order (RFC 8555 section 7.1.3)."""

    PENDING = "pending"
    READY = "ready"
    PROCESSING = "processing"
    VALID = "valid"
    INVALID = "invalid"


class AuthorizationStatus(_Choices):
    """Status of an authorization (RFC 8555 section 7.1.4)."""

    PENDING = "pending"
    VALID = "valid"
    INVALID = "invalid"
    DEACTIVATED = "deactivated"
    EXPIRED = "expired"
    REVOKED = "revoked"


class ChallengeStatus(_Choices):
    """Status of a challenge (RFC 8555 section 7.1.5)."""

    PENDING = "pending"
    PROCESSING = "processing"
    VALID = "valid"
    INVALID = "invalid"


class ChallengeType(_Choices):
    """Challenge types: ways to prove control of an identifier (RFC 8555 section 8)."""

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
# Pending ones may be deactivated, revoked or expire too (figure in RFC 8555 section 7.1.6).
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
    """A row with a status."""

    status: str


def transition(row: HasStatus, to: str, table: Table) -> None:
    """Change a status by a transition of its table; the caller holds the row's lock and saves it.

    Raises:
        InvalidTransition: the table has no such transition.
    """
    if to not in table[row.status]:
        raise InvalidTransition(f"What is {row.status} cannot become {to}.")
    row.status = str(to)


def apply_validation(
    challenge: HasStatus,
    authorization: HasStatus,
    orders: Iterable[tuple[HasStatus, Iterable[str]]],
    *,
    proven: bool,
) -> list[HasStatus]:
    """Change challenge, authorization and orders by the result of a validation (7.1.6).

    Args:
        challenge: unless it is ``processing``, nothing changes.
        authorization: of the challenge; the result counts only while it is ``pending``.
        orders: each order that needs it, with the statuses of its *other* authorizations.
        proven: whether the client showed control of the identifier.

    Returns:
        Every row whose status changed.
    """
    if challenge.status != _C.PROCESSING:
        return []
    transition(challenge, _C.VALID if proven else _C.INVALID, CHALLENGE)
    changed = [challenge]
    if authorization.status != _A.PENDING:
        return changed
    transition(authorization, _A.VALID if proven else _A.INVALID, AUTHORIZATION)
    changed.append(authorization)
    for order, others in orders:
        if order.status == _O.PENDING:
            to = order_status_for([authorization.status, *others])
            if to != order.status:
                transition(order, to, ORDER)
                changed.append(order)
    return changed


def order_status_for(authorizations: Iterable[str]) -> str:
    """Return the status of a pending order with authorizations in these statuses (7.1.6)."""
    statuses = set(authorizations)
    if statuses <= {_A.VALID}:
        return _O.READY
    return _O.PENDING if statuses <= {_A.VALID, _A.PENDING} else _O.INVALID


def new_url_id() -> str:
    """Return 128 random bits as 22 characters of base64url.

    It never begins with a hyphen: EAB key identifiers are arguments on clients' command lines,
    where such a word would be an option.
    """
    while (text := secrets.token_urlsafe(16)).startswith("-"):
        pass
    return text
