"""May this account have certificates for this name? RFC 8555 sections 7.4.1, 7.5 and 8."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from apps import clock
from apps.audit.events import Event
from apps.audit.record import record
from apps.enrollment.acme import states
from apps.enrollment.acme.auth import Account, Signed
from apps.enrollment.acme.endpoint_config import Door
from apps.enrollment.acme.identifiers import Identifier, outside, parse_one, refusal_of
from apps.enrollment.acme.models import (
    AcmeAuthorization,
    AcmeChallenge,
    AcmeOrder,
    AcmeOrderAuthorization,
)
from apps.enrollment.acme.problems import Type, document
from apps.enrollment.acme.services import limits
from apps.enrollment.acme.states import (
    AUTHORIZATION,
    ORDER,
    AuthorizationStatus,
    ChallengeType,
    OrderStatus,
)
from apps.errors import Malformed, NotFound
from apps.principals import Principal
from apps.statements import writes
from apps.statements.lookups import TEXT, TIME, Asked, RowLookup
from apps.statements.rows import fresh

RETRY_AFTER_S = 3
# An authorization about to expire is not handed out again.
_REUSE_MARGIN = timedelta(minutes=10)
# dns challenges prove a name and all below it; addresses have no name to put a record under.
_FOR_WILDCARDS = (
    ChallengeType.DNS_01,
    ChallengeType.DNS_ACCOUNT_01,
    ChallengeType.DNS_PERSIST_01,
)
_FOR_ADDRESSES = (ChallengeType.HTTP_01, ChallengeType.TLS_ALPN_01)

_BY_URL = RowLookup(
    AcmeAuthorization,
    lambda url_id: AcmeAuthorization.objects.filter(url_id=url_id).order_by(),
    url_id=TEXT,
)
WITH_CHALLENGES = RowLookup(
    AcmeChallenge,
    lambda url_id: AcmeChallenge.objects.filter(authorization__url_id=url_id).order_by(),
    related=("authorization",),
    url_id=TEXT,
)
_REUSABLE = RowLookup(
    AcmeAuthorization,
    lambda account, name, alive: AcmeAuthorization.objects.filter(
        account__url_id=account,
        identifier_value=name,
        status=AuthorizationStatus.VALID.value,
        expires_at__gt=alive,
    ).order_by("pk"),
    account=TEXT,
    name=TEXT,
    alive=TIME,
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The authorizations that an order needs, in the order of its identifiers.

    Attributes:
        all: each with its primary key, whether it is in the database yet or not.
        new: those still to be inserted.
        challenges: theirs.
    """

    all: list[AcmeAuthorization]
    new: list[AcmeAuthorization]
    challenges: list[AcmeChallenge]

    def insert(self) -> None:
        """Write the new rows, with the caller's batch."""
        writes.insert(*self.new, *self.challenges)


def sought(door: Door, account_url_id: str, identifiers: Sequence[Identifier]) -> list[Asked]:
    """Return the query that ``wanted`` would send, when it is one that can go along with others."""
    names = {identifier.base for identifier in identifiers}
    if not door.authz_lifetime_h or len(names) != 1:
        return []
    return [(_REUSABLE, (account_url_id, *names, clock.now_s() + _REUSE_MARGIN))]


def wanted(
    door: Door,
    account: Account,
    identifiers: Sequence[Identifier],
    expires_at: datetime,
    found_along: Sequence[Sequence[AcmeAuthorization]] = (),
) -> Wanted:
    """Return an authorization for each identifier: a valid one of this account, or a new one.

    Args:
        door: where.
        account: whose.
        identifiers: in order.
        expires_at: end of new ones.
        found_along: what ``sought`` has found, when somebody has sent it.

    Raises:
        Refusal: no challenge on offer can prove some of the identifiers.
    """
    known = _reusable(door, account, identifiers, found_along)
    found = Wanted([], [], [])
    impossible = []
    for identifier in identifiers:
        row = known.get((identifier.type, identifier.base, identifier.wildcard))
        if row is None:
            types = offered(door, identifier)
            skipped = _needs_no_proof(door, account, identifier)
            if not types and not skipped:
                impossible.append((identifier.as_dict(), Type.REJECTED_IDENTIFIER, _NO_CHALLENGE))
                continue
            row = _new(door, account, identifier, expires_at, valid=skipped)
            found.new.append(row)
            if not skipped:
                found.challenges.extend(
                    fresh(AcmeChallenge, related={"authorization": row}, type=t) for t in types
                )
        found.all.append(row)
    if impossible:
        raise refusal_of(impossible)
    return found


def offered(door: Door, identifier: Identifier) -> list[str]:
    """Return the challenge types that can prove an identifier here (A-20, A-30)."""
    if identifier.wildcard:
        return [t for t in door.offers if t in _FOR_WILDCARDS]
    if identifier.type == "ip":
        return [t for t in door.offers if t in _FOR_ADDRESSES]
    return list(door.offers)


def require_bound(account: Account, identifiers: Sequence[Identifier]) -> None:
    """Refuse names outside of what the account's EAB key was given for.

    Raises:
        Refusal: rejectedIdentifier, naming each.
    """
    if not account.bound:
        return
    foreign = outside(identifiers, account.bound)
    if foreign:
        raise refusal_of([(i.as_dict(), Type.REJECTED_IDENTIFIER, _NOT_BOUND) for i in foreign])


def preauthorize(signed: Signed) -> tuple[AcmeAuthorization, list[AcmeChallenge], bool]:
    """Return an authorization before any order needs it, and whether it is new (7.4.1).

    Raises:
        Malformed, Refusal: no identifier, a wildcard, or one that is not for this account.
        RateLimited: see ``limits``.
    """
    account = signed.the_account()
    identifier = parse_one(signed.payload().get("identifier"))
    if identifier.wildcard:
        raise Malformed("Wildcards are authorized by orders only (RFC 8555 section 7.4.1).")
    require_bound(account, [identifier])
    limits.check_failures(signed)
    ends = clock.now() + timedelta(hours=signed.door.order_lifetime_h)
    found = wanted(signed.door, account, [identifier], ends)
    if found.new:
        found.insert()
    row = found.all[0]
    challenges = found.challenges or list(row.challenges.all())
    return row, challenges, bool(found.new)


def read(signed: Signed, url_id: str) -> tuple[AcmeAuthorization, list[AcmeChallenge]]:
    """Return an authorization of the account and its challenges.

    Raises:
        NotFound: no such authorization, or another account's.
    """
    challenges = sorted(signed.rows(WITH_CHALLENGES, url_id), key=lambda item: item.pk)
    # One that an administrator vouched for has no challenges.
    row = challenges[0].authorization if challenges else _BY_URL.first(url_id)
    if row is None or row.account_id != signed.the_account().id:
        raise NotFound
    return row, challenges


def update(signed: Signed, url_id: str) -> tuple[AcmeAuthorization, list[AcmeChallenge]]:
    """Give an authorization up: the only change that a client can make (7.5.2).

    Open orders that counted on it become invalid; certificates stay.

    Raises:
        Malformed: any other payload.
        NotFound: as ``read``.
    """
    if signed.payload().get("status") != AuthorizationStatus.DEACTIVATED:
        raise Malformed("The only change to an authorization is the status 'deactivated'.")
    found, challenges = read(signed, url_id)
    with transaction.atomic():
        row = AcmeAuthorization.objects.select_for_update().get(pk=found.pk)
        if row.status != AuthorizationStatus.DEACTIVATED:
            states.move(row, AuthorizationStatus.DEACTIVATED, AUTHORIZATION)
            row.save(update_fields=["status"])
            for order in open_orders(row):
                states.move(order, OrderStatus.INVALID, ORDER)
                order.error = document(Type.UNAUTHORIZED, f"{row}: given up by the client.")
                order.save(update_fields=["status", "error"])
            _record(Event.ACME_AUTHORIZATION_DEACTIVATED, signed.principal(), row)
    return row, challenges


def _reusable(
    door: Door,
    account: Account,
    identifiers: Sequence[Identifier],
    found_along: Sequence[Sequence[AcmeAuthorization]],
) -> dict[tuple[str, str, bool], AcmeAuthorization]:
    """Return valid authorizations of the same account, hence of the same endpoint (A-29)."""
    if not door.authz_lifetime_h:
        return {}
    if found_along:
        rows = list(found_along[0])
    else:
        rows = list(
            AcmeAuthorization.objects.filter(
                account_id=account.id,
                identifier_value__in={identifier.base for identifier in identifiers},
                status=AuthorizationStatus.VALID,
                expires_at__gt=clock.now() + _REUSE_MARGIN,
            )
        )
    rows.sort(key=lambda row: row.pk)  # of several for a name the newest is taken
    return {(row.identifier_type, row.identifier_value, row.wildcard): row for row in rows}


def _needs_no_proof(door: Door, account: Account, identifier: Identifier) -> bool:
    """Tell whether an administrator vouches for the name: by listing it with the EAB key."""
    return (
        door.skip_validation
        and bool(account.bound)
        and not outside([identifier], account.bound or ())
    )


def _new(
    door: Door, account: Account, identifier: Identifier, expires_at: datetime, *, valid: bool
) -> AcmeAuthorization:
    if valid and door.authz_lifetime_h:
        expires_at = clock.now() + timedelta(hours=door.authz_lifetime_h)
    return fresh(
        AcmeAuthorization,
        related={},
        account_id=account.id,
        identifier_type=identifier.type,
        identifier_value=identifier.base,
        wildcard=identifier.wildcard,
        status=AuthorizationStatus.VALID if valid else AuthorizationStatus.PENDING,
        expires_at=expires_at,
    )


def open_orders(authorization: AcmeAuthorization) -> list[AcmeOrder]:
    """Return the orders that still count on an authorization, locked in one global sequence."""
    linked = AcmeOrderAuthorization.objects.filter(authorization=authorization)
    return list(
        AcmeOrder.objects.select_for_update()
        .filter(
            pk__in=linked.values("order_id"), status__in=[OrderStatus.PENDING, OrderStatus.READY]
        )
        .order_by("pk")
    )


def _record(event: Event, principal: Principal, row: AcmeAuthorization, **data: Any) -> None:
    record(
        event,
        principal=principal,
        subject=row,
        application_id=row.account.endpoint.pairing.application_id,
        **data,
    )


_NO_CHALLENGE = "No challenge that this endpoint offers can prove it."
_NOT_BOUND = "The account's external account binding key is not for this name."
