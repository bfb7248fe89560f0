"""How much may one account, one address or one set of names ask for? RFC 8555 section 6.6.

Counted in the rows themselves, so that every process and host sees the same numbers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db.models import Field, GenericIPAddressField, QuerySet

from apps import clock
from apps.enrollment.acme.auth import Signed
from apps.enrollment.acme.endpoint_config import Door
from apps.enrollment.acme.models import AcmeAccount, AcmeChallenge, AcmeOrder
from apps.enrollment.acme.states import ChallengeStatus, ChallengeType
from apps.errors import InvalidInput, RateLimited, Violation
from apps.statements.lookups import KEY, TEXT, TIME, Asked, Lookup, at_once

WINDOW = timedelta(hours=1)
# Per hour; for an internal CA, where a runaway client is likelier than an attacker.
DEFAULTS: Mapping[str, int] = {
    "accounts_per_address": 500,
    "orders_per_account": 300,
    "orders_per_names": 50,
    "failures_per_account": 60,
}

# draft-ietf-acme-dns-persist-02 section 9.3.1: failures are limited by name and account.
FAILURES_PER_NAME = 20
# Each costs look-ups at other people's name servers, and the order stays ready for more.
CAA_REFUSALS_PER_NAME = 10


@dataclass(frozen=True, slots=True)
class _Counted:
    """What a limit counts.

    Attributes:
        what: for the refusal, in the plural.
        rows: the query; the last slot is the time since when they count.
        column: when each happened.
        slots: kinds of the values that tell whose they are, and the time.
    """

    what: str
    rows: Callable[..., QuerySet[Any]]
    column: str
    slots: tuple[tuple[str, "Field[Any, Any]"], ...]


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit in force, and the query that finds a row when it is reached."""

    number: int
    counted: _Counted
    asked: Asked


def parse(document: Mapping[str, Any]) -> dict[str, int]:
    """Return limits as they are kept with an endpoint; 0 lifts one.

    Raises:
        InvalidInput: unknown names, or values that are no counts.
    """
    wrong = [
        Violation(
            "acme.limit",
            f"limits.{name}",
            str(value)[:100],
            "This is not a limit with a count of 0 or more.",
            f"One of {', '.join(DEFAULTS)}.",
        )
        for name, value in document.items()
        if name not in DEFAULTS or type(value) is not int or value < 0
    ]
    if wrong:
        raise InvalidInput(wrong)
    return dict(document)


def describe(door: Door) -> str:
    """Return the limits of an endpoint for people: where ``Link: rel="help"`` leads."""
    lines = [f"{name.replace('_', ' ')}: {_limit(door, name) or 'unlimited'}" for name in DEFAULTS]
    return "\n".join(["Limits of this ACME endpoint, per hour:", "", *lines, ""])


def check_account(door: Door, ip: str) -> None:
    """Refuse yet another account from one address.

    Raises:
        RateLimited: the answer says when to come back.
    """
    if ip:
        _check((_limit(door, "accounts_per_address"), _ACCOUNTS_OF, (ip,)))


def on_orders(door: Door, account_url_id: str, identifiers_sha256: str) -> list[Limit]:
    """Return the limits on yet another order of one account, or for one set of names."""
    return _in_force(
        (_limit(door, "orders_per_account"), _ORDERS_OF, (account_url_id,)),
        (
            _limit(door, "orders_per_names"),
            _ORDERS_FOR,
            (identifiers_sha256, door.endpoint_id),
        ),
    )


def on_failures(door: Door, account_url_id: str) -> list[Limit]:
    """Return the limit on validations for an account whose validations keep failing."""
    return _in_force((_limit(door, "failures_per_account"), _FAILURES_OF, (account_url_id,)))


def check_failures(signed: Signed) -> None:
    """Refuse to validate for an account whose validations keep failing.

    Raises:
        RateLimited: the answer says when to come back.
    """
    limits = on_failures(signed.door, signed.the_account().url_id)
    refuse_beyond(limits, signed.several([limit.asked for limit in limits]))


def check_name_failures(account_id: UUID, name: str) -> None:
    """Refuse to look for a persistent record that an account failed with again and again.

    Raises:
        RateLimited: the answer says when to come back.
    """
    _check((FAILURES_PER_NAME, _NAME_FAILURES_OF, (account_id, name)))


def check_refusals(times: Sequence[datetime]) -> None:
    """Refuse to ask CAA about a name that was refused again and again; newest first.

    Raises:
        RateLimited: the answer says when to come back.
    """
    lately = [moment for moment in times if moment > _since()][:CAA_REFUSALS_PER_NAME]
    if len(lately) == CAA_REFUSALS_PER_NAME:
        what = "refusals because of CAA for one name"
        raise _limited(CAA_REFUSALS_PER_NAME, lately[-1], what)


def _limit(door: Door, name: str) -> int:
    value: int = door.limits.get(name, DEFAULTS[name])
    return value


_ACCOUNTS_OF = _Counted(
    "accounts from this address",
    lambda ip, since: AcmeAccount.objects.filter(created_ip=ip, created_at__gt=since),
    "created_at",
    (("ip", GenericIPAddressField()), ("since", TIME)),
)
_ORDERS_OF = _Counted(
    "orders of this account",
    lambda account, since: AcmeOrder.objects.filter(account__url_id=account, created_at__gt=since),
    "created_at",
    (("account", TEXT), ("since", TIME)),
)
_ORDERS_FOR = _Counted(
    "orders for these names",
    lambda names, endpoint, since: AcmeOrder.objects.filter(
        identifiers_sha256=names, account__endpoint_id=endpoint, created_at__gt=since
    ),
    "created_at",
    (("names", TEXT), ("endpoint", KEY), ("since", TIME)),
)
_FAILURES_OF = _Counted(
    "failed validations",
    lambda account, since: AcmeChallenge.objects.filter(
        authorization__account__url_id=account,
        status=ChallengeStatus.INVALID.value,
        settled_at__gt=since,
    ),
    "settled_at",
    (("account", TEXT), ("since", TIME)),
)
_NAME_FAILURES_OF = _Counted(
    "failed validations of this name",
    lambda account, name, since: AcmeChallenge.objects.filter(
        authorization__account_id=account,
        authorization__identifier_value=name,
        type=ChallengeType.DNS_PERSIST_01.value,
        status=ChallengeStatus.INVALID.value,
        settled_at__gt=since,
    ),
    "settled_at",
    (("account", KEY), ("name", TEXT), ("since", TIME)),
)


@lru_cache(maxsize=64)
def _nth_newest(counted: _Counted, number: int) -> Lookup:
    """Return the query of one row: never more are counted than a limit must know of."""
    return Lookup(
        lambda **slots: (
            counted.rows(**slots)
            .order_by(f"-{counted.column}")
            .values_list(counted.column)[number - 1 : number]
        ),
        **dict(counted.slots),
    )


def _in_force(*limits: tuple[int, _Counted, tuple[Any, ...]]) -> list[Limit]:
    """Return limits as queries: of so many, what is counted, for whom; one of 0 is lifted."""
    since = _since()
    return [
        Limit(number, counted, (_nth_newest(counted, number), (*whose, since)))
        for number, counted, whose in limits
        if number
    ]


def refuse_beyond(limits: Sequence[Limit], found: Sequence[Sequence[tuple[Any, ...]]]) -> None:
    """Refuse when a limit is reached within the window, by what the query of each has found.

    Raises:
        RateLimited: the answer says when to come back.
    """
    for limit, rows in zip(limits, found, strict=True):
        for (oldest,) in rows:
            raise _limited(limit.number, oldest, limit.counted.what)


def _check(*limits: tuple[int, _Counted, tuple[Any, ...]]) -> None:
    inforce = _in_force(*limits)
    refuse_beyond(inforce, at_once(*(limit.asked for limit in inforce)))


def _limited(limit: int, oldest: datetime, what: str) -> RateLimited:
    wait = oldest + WINDOW - clock.now()
    return RateLimited(
        max(1, int(wait.total_seconds()) + 1), f"More than {limit} {what} within an hour."
    )


def _since() -> datetime:
    """Return the beginning of the window; the same all through a second, so for one request."""
    return clock.now_s() + timedelta(seconds=1) - WINDOW
