"""Queries of ACME endpoints, accounts, orders and failing clients, for admin pages and API."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, OuterRef, Prefetch, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from apps import clock
from apps.applications import access
from apps.applications.models import Application, Pairing
from apps.applications.roles import Permission
from apps.enrollment.acme.endpoint_config import base_url
from apps.enrollment.acme.models import (
    AcmeAccount,
    AcmeAuthorization,
    AcmeChallenge,
    AcmeEndpoint,
    AcmeOrder,
    EabKey,
)
from apps.enrollment.acme.states import ChallengeStatus, OrderStatus
from apps.principals import Principal
from apps.web.references import not_found, row_with

ENDPOINT_OF_PROFILE = "ACME endpoint of the profile"
FAILING_WITHIN = timedelta(days=7)
MAX_FAILING = 20
_ENDPOINT = "endpoint__pairing"


@dataclass(frozen=True, slots=True)
class FailingClient:
    """A client whose validations or orders fail.

    Attributes:
        account: the client.
        failures: failed challenges and orders lately.
        last_at: the last failure.
        reason: what went wrong then, in one sentence.
        names: identifiers that failed, most often first.
    """

    account: AcmeAccount
    failures: int
    last_at: datetime
    reason: str
    names: tuple[str, ...]


def directory_url(endpoint: AcmeEndpoint) -> str:
    """Return the URL that clients are given."""
    pairing = endpoint.pairing
    return f"{base_url(pairing.application.name, pairing.profile.name)}/directory"


def endpoints_of(principal: Principal, application: Application) -> QuerySet[AcmeEndpoint]:
    """Return the endpoints of an application, with their pairings.

    Raises:
        NotFound, AccessDenied: the right to see the enrollment settings is missing.
    """
    _require(principal, application)
    return _endpoints().filter(pairing__application=application)


def endpoint_of(pairing: Pairing) -> AcmeEndpoint:
    """Return the endpoint of a pairing that the caller may see.

    Raises:
        NotFound: ACME was never set up there.
    """
    found = _endpoints().filter(pairing=pairing).first()
    if found is None:
        raise not_found(ENDPOINT_OF_PROFILE, pairing.profile.name, field="profile")
    return found


def eab_key_for(endpoint: AcmeEndpoint, key_id: UUID) -> EabKey:
    """Return an EAB key of an endpoint that the caller may see.

    Raises:
        NotFound: no such key there.
    """
    return row_with(endpoint.eab_keys.all(), "pk", key_id)


def accounts_of(principal: Principal, application: Application) -> QuerySet[AcmeAccount]:
    """Return the ACME accounts of an application, with counts of orders and of recent failures.

    Raises:
        NotFound, AccessDenied: the right to see the enrollment settings is missing.
    """
    _require(principal, application)
    return accounts().filter(endpoint__pairing__application=application)


def accounts() -> QuerySet[AcmeAccount]:
    """Return all accounts with where they registered, ``order_count`` and ``failure_count``.

    The counts are subqueries: only the accounts of the page that is read are counted.
    """
    failed = AcmeChallenge.objects.filter(_failed(""), authorization__account=OuterRef("pk"))
    return AcmeAccount.objects.select_related(
        f"{_ENDPOINT}__application", f"{_ENDPOINT}__profile", "eab_key"
    ).annotate(
        order_count=_count(AcmeOrder.objects.filter(account=OuterRef("pk"))),
        failure_count=_count(failed),
    )


def has_failed() -> Q:
    """Return the condition that a challenge of an account failed lately."""
    failed = AcmeChallenge.objects.filter(_failed(""))
    return Q(pk__in=failed.values("authorization__account"))


def _count(rows: QuerySet[Any]) -> Coalesce:
    """Return a subquery that counts rows."""
    counted = rows.order_by().annotate(one=Value(1)).values("one").annotate(number=Count("pk"))
    return Coalesce(Subquery(counted.values("number")), 0)


def orders_of(principal: Principal, application: Application) -> QuerySet[AcmeOrder]:
    """Return the ACME orders of an application.

    Raises:
        NotFound, AccessDenied: the right to see the enrollment settings is missing.
    """
    _require(principal, application)
    return orders().filter(account__endpoint__pairing__application=application)


def orders() -> QuerySet[AcmeOrder]:
    """Return all orders, with the account and where it registered."""
    return AcmeOrder.objects.select_related(
        f"account__{_ENDPOINT}__application", f"account__{_ENDPOINT}__profile"
    )


def with_challenges(rows: QuerySet[AcmeOrder]) -> QuerySet[AcmeOrder]:
    """Prefetch each order's authorizations and challenges, in a fixed order."""
    challenges = Prefetch("challenges", AcmeChallenge.objects.order_by("pk"))
    found = AcmeAuthorization.objects.order_by("pk").prefetch_related(challenges)
    return rows.prefetch_related(Prefetch("authorizations", found))


def failing_clients_of(principal: Principal, application: Application) -> list[FailingClient]:
    """Return the failing clients of an application.

    Raises:
        NotFound, AccessDenied: the right to see the enrollment settings is missing.
    """
    _require(principal, application)
    return failing_clients(application=application)


def failing_clients(
    *, endpoint: AcmeEndpoint | None = None, application: Application | None = None
) -> list[FailingClient]:
    """Return the clients that failed within the last week, the most recent failure first.

    Args:
        endpoint: only those registered there.
        application: only those of its endpoints.
    """
    rows = AcmeAccount.objects.select_related(f"{_ENDPOINT}__application", f"{_ENDPOINT}__profile")
    if endpoint is not None:
        rows = rows.filter(endpoint=endpoint)
    if application is not None:
        rows = rows.filter(endpoint__pairing__application=application)
    late = (
        rows.filter(_failed("authorizations__challenges__"))
        .annotate(last_failure=Max("authorizations__challenges__settled_at"))
        .order_by("-last_failure")[:MAX_FAILING]
    )
    return [_failing(account) for account in late]


def _failing(account: AcmeAccount) -> FailingClient:
    failed = list(
        AcmeChallenge.objects.select_related("authorization")
        .filter(_failed(""), authorization__account=account)
        .order_by("-settled_at")[:200]
    )
    invalid = AcmeOrder.objects.filter(
        account=account, status=OrderStatus.INVALID, created_at__gt=_since()
    ).count()
    last = failed[0]
    names = Counter(str(row.authorization) for row in failed)
    assert last.settled_at is not None
    return FailingClient(
        account,
        max(len(failed), invalid),
        last.settled_at,
        reason_of(last),
        tuple(name for name, _ in names.most_common()),
    )


def reason_of(row: Any) -> str:
    """Return what a challenge's or order's problem document says; empty without one."""
    return str((row.error or {}).get("detail", ""))


def _failed(path: str) -> Q:
    return Q(**{f"{path}status": ChallengeStatus.INVALID, f"{path}settled_at__gt": _since()})


def _since() -> datetime:
    return clock.now() - FAILING_WITHIN


def _endpoints() -> QuerySet[AcmeEndpoint]:
    return AcmeEndpoint.objects.select_related(
        "pairing__application", "pairing__profile__authority"
    ).order_by("pk")


def _require(principal: Principal, application: Application) -> None:
    access.require(principal, Permission.VIEW_ENROLLMENT, application)
