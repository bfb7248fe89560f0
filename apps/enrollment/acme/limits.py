"""How much may one account, one address or one set of names ask for? RFC 8555 section 6.6.

Counted in the rows themselves, so that every process and host sees the same numbers.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from apps import clock
from apps.enrollment.acme.auth import Door
from apps.enrollment.acme.states import ChallengeStatus, ChallengeType
from apps.enrollment.models import AcmeAccount, AcmeChallenge, AcmeOrder
from apps.errors import InvalidInput, RateLimited, Violation

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
    limit = _limit(door, "accounts_per_address")
    if limit and ip:
        made = AcmeAccount.objects.filter(created_ip=ip, created_at__gt=_since())
        _refuse_beyond(limit, list(_times(made, "created_at", limit)), "accounts from this address")


def check_order(door: Door, account_id: UUID, identifiers_sha256: str) -> None:
    """Refuse yet another order of one account, or for one set of names at one endpoint.

    Raises:
        RateLimited: the answer says when to come back.
    """
    orders = AcmeOrder.objects.filter(created_at__gt=_since())
    limit = _limit(door, "orders_per_account")
    if limit:
        mine = orders.filter(account_id=account_id)
        _refuse_beyond(limit, list(_times(mine, "created_at", limit)), "orders of this account")
    limit = _limit(door, "orders_per_names")
    if limit:
        same = orders.filter(
            identifiers_sha256=identifiers_sha256, account__endpoint_id=door.endpoint_id
        )
        _refuse_beyond(limit, list(_times(same, "created_at", limit)), "orders for these names")


def check_failures(door: Door, account_id: UUID) -> None:
    """Refuse to validate for an account whose validations keep failing.

    Raises:
        RateLimited: the answer says when to come back.
    """
    limit = _limit(door, "failures_per_account")
    if limit:
        failed = AcmeChallenge.objects.filter(
            authorization__account_id=account_id,
            status=ChallengeStatus.INVALID,
            settled_at__gt=_since(),
        )
        _refuse_beyond(limit, list(_times(failed, "settled_at", limit)), "failed validations")


def check_name_failures(account_id: UUID, name: str) -> None:
    """Refuse to look for a persistent record that an account failed with again and again.

    Raises:
        RateLimited: the answer says when to come back.
    """
    failed = AcmeChallenge.objects.filter(
        authorization__account_id=account_id,
        authorization__identifier_value=name,
        type=ChallengeType.DNS_PERSIST_01,
        status=ChallengeStatus.INVALID,
        settled_at__gt=_since(),
    )
    times = list(_times(failed, "settled_at", FAILURES_PER_NAME))
    _refuse_beyond(FAILURES_PER_NAME, times, "failed validations of this name")


def check_refusals(times: Sequence[datetime]) -> None:
    """Refuse to ask CAA about a name that was refused again and again; newest first.

    Raises:
        RateLimited: the answer says when to come back.
    """
    lately = [moment for moment in times if moment > _since()][:CAA_REFUSALS_PER_NAME]
    _refuse_beyond(CAA_REFUSALS_PER_NAME, lately, "refusals because of CAA for one name")


def _limit(door: Door, name: str) -> int:
    value: int = door.limits.get(name, DEFAULTS[name])
    return value


def _times(rows: Any, column: str, limit: int) -> Any:
    """Return the newest ``limit`` times, newest first: never counts more rows than it must."""
    return rows.order_by(f"-{column}").values_list(column, flat=True)[:limit]


def _refuse_beyond(limit: int, times: list[datetime], what: str) -> None:
    if len(times) < limit:
        return
    wait = times[-1] + WINDOW - clock.now()
    raise RateLimited(
        max(1, int(wait.total_seconds()) + 1), f"More than {limit} {what} within an hour."
    )


def _since() -> datetime:
    return clock.now() - WINDOW
