"""Rate limits by account, address and set of names (RFC 8555 section 6.6).

They count the rows themselves, so that every process and host sees the same numbers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db.models import Field, GenericIPAddressField, QuerySet

from apps import clock
from apps.enrollment.acme.endpoint_config import EndpointConfig
from apps.enrollment.acme.models import AcmeAccount, AcmeChallenge, AcmeOrder
from apps.enrollment.acme.states import ChallengeStatus, ChallengeType
from apps.errors import InvalidInput, RateLimited, Violation
from apps.statements.lookups import KEY, TEXT, TIME, Lookup

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
        rows: returns the query; its last argument is the time since when rows count.
        column: time of each counted row.
        slots: kinds of the arguments of ``rows``.
    """

    what: str
    rows: Callable[..., QuerySet[Any]]
    column: str
    slots: tuple[tuple[str, "Field[Any, Any]"], ...]


def parse(document: Mapping[str, Any]) -> dict[str, int]:
    """Return limits as an endpoint stores them; 0 lifts a limit.

    Raises:
        InvalidInput: unknown names, or values that are not counts.
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


def describe(config: EndpointConfig) -> str:
    """Return the limits of an endpoint for people: the page behind ``Link: rel="help"``."""
    lines = [
        f"{name.replace('_', ' ')}: {_limit(config, name) or 'unlimited'}" for name in DEFAULTS
    ]
    return "\n".join(["Limits of this ACME endpoint, per hour:", "", *lines, ""])


def check_new_account(config: EndpointConfig, ip: str) -> None:
    """Refuse one more account from an address.

    Raises:
        RateLimited: the answer says when to come back.
    """
    if ip:
        _check(_limit(config, "accounts_per_address"), _ACCOUNTS_OF, ip)


def check_new_order(config: EndpointConfig, account_id: UUID, identifiers_sha256: str) -> None:
    """Refuse one more order of an account, or for one set of names.

    Raises:
        RateLimited: the answer says when to come back.
    """
    _check(_limit(config, "orders_per_account"), _ORDERS_OF, account_id)
    _check(_limit(config, "orders_per_names"), _ORDERS_FOR, identifiers_sha256, config.endpoint_id)


def check_failures(config: EndpointConfig, account_id: UUID) -> None:
    """Refuse to validate for an account whose validations keep failing.

    Raises:
        RateLimited: the answer says when to come back.
    """
    _check(_limit(config, "failures_per_account"), _FAILURES_OF, account_id)


def check_name_failures(account_id: UUID, name: str) -> None:
    """Refuse to look up a persistent record with which an account failed again and again.

    Raises:
        RateLimited: the answer says when to come back.
    """
    _check(FAILURES_PER_NAME, _NAME_FAILURES_OF, account_id, name)


def check_caa_refusals(times: Sequence[datetime]) -> None:
    """Refuse to look up CAA for a name that CAA refused again and again.

    Args:
        times: of the refusals, newest first.

    Raises:
        RateLimited: the answer says when to come back.
    """
    recent = [moment for moment in times if moment > _since()][:CAA_REFUSALS_PER_NAME]
    if len(recent) == CAA_REFUSALS_PER_NAME:
        what = "refusals because of CAA for one name"
        raise _rate_limited(CAA_REFUSALS_PER_NAME, recent[-1], what)


def _limit(config: EndpointConfig, name: str) -> int:
    value: int = config.limits.get(name, DEFAULTS[name])
    return value


_ACCOUNTS_OF = _Counted(
    "accounts from this address",
    lambda ip, since: AcmeAccount.objects.filter(created_ip=ip, created_at__gt=since),
    "created_at",
    (("ip", GenericIPAddressField()), ("since", TIME)),
)
_ORDERS_OF = _Counted(
    "orders of this account",
    lambda account, since: AcmeOrder.objects.filter(account_id=account, created_at__gt=since),
    "created_at",
    (("account", KEY), ("since", TIME)),
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
        authorization__account_id=account,
        status=ChallengeStatus.INVALID.value,
        settled_at__gt=since,
    ),
    "settled_at",
    (("account", KEY), ("since", TIME)),
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
    """Return the query for the time of the ``number``-th newest row: one row is read, not all."""
    return Lookup(
        lambda **slots: (
            counted.rows(**slots)
            .order_by(f"-{counted.column}")
            .values_list(counted.column)[number - 1 : number]
        ),
        **dict(counted.slots),
    )


def _check(limit: int, counted: _Counted, *values: Any) -> None:
    """Refuse when ``limit`` rows were counted within the window; a limit of 0 is lifted.

    Raises:
        RateLimited: until the oldest of them leaves the window.
    """
    if not limit:
        return
    row = _nth_newest(counted, limit).first(*values, _since())
    if row is not None:
        raise _rate_limited(limit, row[0], counted.what)


def _rate_limited(limit: int, oldest: datetime, what: str) -> RateLimited:
    wait = oldest + WINDOW - clock.now()
    return RateLimited(
        max(1, int(wait.total_seconds()) + 1), f"More than {limit} {what} within an hour."
    )


def _since() -> datetime:
    """Return the beginning of the window."""
    return clock.now() - WINDOW
