"""How much of each rate limit of an ACME endpoint its clients have used, for admin pages and API."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, QuerySet

from apps import clock, ids
from apps.enrollment.acme.models import AcmeAccount, AcmeChallenge, AcmeEndpoint, AcmeOrder
from apps.enrollment.acme.services import limits
from apps.enrollment.acme.states import ChallengeStatus

# From here on a limit is close.
_CLOSE_AT = 0.8
# Rows are found by the time in their identifiers; clocks of several hosts may differ this much.
_SKEW = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class LimitUse:
    """One limit, and who has come closest to it within the last hour.

    Attributes:
        name: of the limit.
        limit: counts an hour; 0 for none.
        used: the highest count within the last hour.
        by: account, names or address with that count; empty for none.
    """

    name: str
    limit: int
    used: int
    by: str

    @property
    def close(self) -> bool:
        """Tell whether the limit is reached, or nearly."""
        return bool(self.limit) and self.used >= self.limit * _CLOSE_AT


def usage(endpoint: AcmeEndpoint) -> list[LimitUse]:
    """Return every limit of an endpoint with its highest use.

    Args:
        endpoint: with its pairing and profile.
    """
    in_force = limits.in_force(endpoint.limits, endpoint.pairing.profile)
    since = clock.now() - limits.WINDOW
    used = {
        "accounts_per_address": _by_address(endpoint, since),
        "orders_per_account": _by_account(endpoint, since),
        "orders_per_names": _by_names(endpoint, since),
        "failures_per_account": _failures(endpoint, since),
    }
    return [LimitUse(name, limit, *used[name]) for name, limit in in_force.items()]


def _by_address(endpoint: AcmeEndpoint, since: datetime) -> tuple[int, str]:
    rows = AcmeAccount.objects.filter(
        pk__gte=_lowest(since), created_at__gt=since, endpoint=endpoint
    )
    return _most(rows.exclude(created_ip=None), "created_ip")


def _by_account(endpoint: AcmeEndpoint, since: datetime) -> tuple[int, str]:
    return _most(_orders(endpoint, since).filter(replaces_certificate=None), "account__url_id")


def _by_names(endpoint: AcmeEndpoint, since: datetime) -> tuple[int, str]:
    rows = (
        _orders(endpoint, since)
        .values("identifiers_sha256")
        .annotate(number=Count("pk"), newest=Max("created_at"))
    )
    found = rows.order_by("-number").first()
    if found is None:
        return 0, ""
    digest, newest = found["identifiers_sha256"], found["newest"]
    order = AcmeOrder.objects.filter(identifiers_sha256=digest, created_at=newest).first()
    return found["number"], str(order or "")


def _failures(endpoint: AcmeEndpoint, since: datetime) -> tuple[int, str]:
    # A challenge is as old as its authorization, which an order may keep open for its whole life.
    oldest = since - timedelta(hours=endpoint.order_lifetime_h)
    rows = AcmeChallenge.objects.filter(
        pk__gte=_lowest(oldest),
        settled_at__gt=since,
        status=ChallengeStatus.INVALID,
        authorization__account__endpoint=endpoint,
    )
    return _most(rows, "authorization__account__url_id")


def _orders(endpoint: AcmeEndpoint, since: datetime) -> QuerySet[AcmeOrder]:
    return AcmeOrder.objects.filter(
        pk__gte=_lowest(since), created_at__gt=since, account__endpoint=endpoint
    )


def _most(rows: QuerySet[Any], column: str) -> tuple[int, str]:
    counted = rows.order_by().values(column).annotate(number=Count("pk")).order_by("-number")
    found = counted.first()
    return (found["number"], str(found[column])) if found else (0, "")


def _lowest(moment: datetime) -> object:
    return ids.lowest_at(moment - _SKEW)
