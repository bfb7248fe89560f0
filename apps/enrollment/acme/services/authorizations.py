"""ACME authorizations: reuse, creation, reading and deactivation (RFC 8555 sections 7.4.1, 7.5)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from apps import clock
from apps.audit.events import Event
from apps.audit.record import record
from apps.enrollment.acme import states
from apps.enrollment.acme.auth import Account, SignedRequest
from apps.enrollment.acme.endpoint_config import EndpointConfig
from apps.enrollment.acme.identifiers import Identifier, outside
from apps.enrollment.acme.models import (
    AcmeAuthorization,
    AcmeChallenge,
    AcmeOrder,
    AcmeOrderAuthorization,
)
from apps.enrollment.acme.problems import Subproblem, Type, document, refusal_of
from apps.enrollment.acme.services import limits
from apps.enrollment.acme.states import (
    AuthorizationStatus,
    ChallengeStatus,
    ChallengeType,
    OrderStatus,
)
from apps.errors import Malformed, NotFound
from apps.statements import writes
from apps.statements.lookups import KEY, TEXT, TIME, RowLookup

RETRY_AFTER_S = 3
# An authorization that is about to expire is not reused: the order would fail at finalize.
_REUSE_MARGIN = timedelta(minutes=10)
# DNS challenges prove a name and all names below it (RFC 8555 section 8.4). Addresses have no
# name for a record (RFC 8738 section 7).
_FOR_WILDCARDS = (
    ChallengeType.DNS_01,
    ChallengeType.DNS_ACCOUNT_01,
    ChallengeType.DNS_PERSIST_01,
)
_FOR_ADDRESSES = (ChallengeType.HTTP_01, ChallengeType.TLS_ALPN_01)
_NO_CHALLENGE = "No challenge that this endpoint offers can prove it."

_BY_URL_ID = RowLookup(
    AcmeAuthorization,
    lambda url_id: AcmeAuthorization.objects.filter(url_id=url_id).order_by(),
    url_id=TEXT,
)
_CHALLENGES_OF = RowLookup(
    AcmeChallenge,
    lambda url_id: AcmeChallenge.objects.filter(authorization__url_id=url_id).order_by("pk"),
    related=("authorization",),
    url_id=TEXT,
)


def proven(authorization: str = "pk") -> Exists:
    """Return the condition that a challenge of an authorization has been validated.

    Args:
        authorization: expression that names the authorization in the outer query.
    """
    return Exists(
        AcmeChallenge.objects.filter(
            authorization=OuterRef(authorization), status=ChallengeStatus.VALID
        )
    )


# Names in one statement; orders with more are rare and take several.
_NAMES_AT_ONCE = 8
_NAME_SLOTS: dict[str, Any] = {f"name{number}": TEXT for number in range(_NAMES_AT_ONCE)}
_VALID_FOR = RowLookup(
    AcmeAuthorization,
    lambda account, after, **names: _valid_for(account, after, names).order_by("pk"),
    account=KEY,
    after=TIME,
    **_NAME_SLOTS,
)
_PROVEN_FOR = RowLookup(
    AcmeAuthorization,
    lambda account, after, **names: (
        _valid_for(account, after, names).filter(proven()).order_by("pk")
    ),
    account=KEY,
    after=TIME,
    **_NAME_SLOTS,
)
_LOCK_OPEN_ORDERS = RowLookup(
    AcmeOrder,
    lambda authorization: (
        AcmeOrder.objects.select_for_update()
        .filter(
            pk__in=AcmeOrderAuthorization.objects.filter(authorization=authorization).values(
                "order_id"
            ),
            status__in=[OrderStatus.PENDING, OrderStatus.READY],
        )
        .order_by("pk")
    ),
    authorization=KEY,
)


@dataclass(frozen=True, slots=True)
class OrderAuthorizations:
    """The authorizations of a new order.

    Attributes:
        all: one for each identifier, in the order of the identifiers; with primary keys.
        new: those that are not in the database yet.
        challenges: of the new ones.
        faults: identifiers that no challenge on offer can prove; they have no authorization.
    """

    all: list[AcmeAuthorization] = field(default_factory=list)
    new: list[AcmeAuthorization] = field(default_factory=list)
    challenges: list[AcmeChallenge] = field(default_factory=list)
    faults: list[Subproblem] = field(default_factory=list)

    def insert(self) -> None:
        """Write the new rows, in the caller's batch if there is one."""
        writes.insert(*self.new, *self.challenges)


def for_identifiers(
    config: EndpointConfig,
    account: Account,
    identifiers: Sequence[Identifier],
    expires_at: datetime,
) -> OrderAuthorizations:
    """Return an authorization for each identifier: a valid one of the account, or a new one.

    Args:
        config: the endpoint.
        account: whose authorizations.
        identifiers: in the order of the new order.
        expires_at: when new authorizations expire.
    """
    reusable = _reusable(config, account, identifiers)
    found = OrderAuthorizations()
    for identifier in identifiers:
        row = reusable.get((identifier.type, identifier.base, identifier.wildcard))
        if row is None:
            types = challenge_types_for(config, identifier)
            trusted = _is_trusted(config, account, identifier)
            if not types and not trusted:
                found.faults.append((identifier.as_dict(), Type.REJECTED_IDENTIFIER, _NO_CHALLENGE))
                continue
            row = _new(config, account, identifier, expires_at, valid=trusted)
            found.new.append(row)
            if not trusted:
                found.challenges.extend(AcmeChallenge(authorization=row, type=t) for t in types)
        found.all.append(row)
    return found


def trusts(config: EndpointConfig, account: Account) -> bool:
    """Tell whether the names that the account's EAB key lists need no proof at present."""
    return config.skip_validation and bool(account.eab_identifiers)


def challenge_types_for(config: EndpointConfig, identifier: Identifier) -> list[str]:
    """Return the offered challenge types that can prove an identifier.

    RFC 8555 section 8.3 (no http-01 for wildcards), RFC 8737 section 3, RFC 8738 section 7.
    """
    offered = config.offered_challenge_types
    if identifier.wildcard:
        return [kind for kind in offered if kind in _FOR_WILDCARDS]
    if identifier.type == "ip":
        return [kind for kind in offered if kind in _FOR_ADDRESSES]
    return list(offered)


def preauthorize(
    signed: SignedRequest, identifier: Identifier
) -> tuple[AcmeAuthorization, list[AcmeChallenge], bool]:
    """Return an authorization before any order needs it, and whether it is new (7.4.1).

    Args:
        signed: the request.
        identifier: from ``order_request.read_authorization``.

    Raises:
        Refusal: no challenge on offer can prove the identifier.
        RateLimited: see ``limits``.
    """
    config, account = signed.config, signed.signing_account()
    limits.check_failures(config, account.id)
    expires_at = clock.now() + timedelta(hours=config.order_lifetime_h)
    found = for_identifiers(config, account, [identifier], expires_at)
    if found.faults:
        raise refusal_of(found.faults)
    found.insert()
    (row,) = found.all
    challenges = found.challenges or list(row.challenges.all())
    return row, challenges, bool(found.new)


def get(signed: SignedRequest, url_id: str) -> tuple[AcmeAuthorization, list[AcmeChallenge]]:
    """Return an authorization of the account and its challenges.

    Raises:
        NotFound: no such authorization, or another account's.
    """
    challenges = _CHALLENGES_OF.all(url_id)
    # An authorization that an EAB key's list made valid has no challenges.
    row = challenges[0].authorization if challenges else _BY_URL_ID.first(url_id)
    if row is None or row.account_id != signed.signing_account().id:
        raise NotFound
    return row, challenges


def deactivate(signed: SignedRequest, url_id: str) -> tuple[AcmeAuthorization, list[AcmeChallenge]]:
    """Deactivate an authorization: the only change that a client can make (7.5.2).

    Open orders that need it become invalid; certificates stay valid.

    Raises:
        Malformed: the payload asks for anything else.
        NotFound: as ``get``.
    """
    if signed.payload().get("status") != AuthorizationStatus.DEACTIVATED:
        raise Malformed("The only change to an authorization is the status 'deactivated'.")
    found, challenges = get(signed, url_id)
    with transaction.atomic():
        row = AcmeAuthorization.objects.select_for_update().get(pk=found.pk)
        if row.status != AuthorizationStatus.DEACTIVATED:
            states.transition(row, AuthorizationStatus.DEACTIVATED, states.AUTHORIZATION)
            row.save(update_fields=["status"])
            for order in lock_open_orders(row):
                states.transition(order, OrderStatus.INVALID, states.ORDER)
                order.error = document(Type.UNAUTHORIZED, f"{row}: given up by the client.")
                order.save(update_fields=["status", "error"])
            record(
                Event.ACME_AUTHORIZATION_DEACTIVATED,
                principal=signed.principal(),
                subject=row,
                application_id=signed.config.application_id,
            )
    return row, challenges


def lock_open_orders(authorization: AcmeAuthorization) -> list[AcmeOrder]:
    """Return the open orders that need an authorization, locked.

    Always by ascending primary key, so that two transactions cannot wait for each other.
    """
    return _LOCK_OPEN_ORDERS.all(authorization.pk)


def _reusable(
    config: EndpointConfig, account: Account, identifiers: Sequence[Identifier]
) -> dict[tuple[str, str, bool], AcmeAuthorization]:
    """Return the account's valid authorizations by (type, value, wildcard) (RFC 8555 section 7.1.3).

    An account belongs to one endpoint, so they were proven under this endpoint's settings. What was
    only trusted is not reused once the endpoint trusts no longer.
    """
    if not config.authz_lifetime_h:
        return {}
    lookup = _VALID_FOR if trusts(config, account) else _PROVEN_FOR
    after = clock.now() + _REUSE_MARGIN
    names = sorted({identifier.base for identifier in identifiers})
    found = {}
    for start in range(0, len(names), _NAMES_AT_ONCE):
        some = names[start : start + _NAMES_AT_ONCE]
        some += some[-1:] * (_NAMES_AT_ONCE - len(some))
        for row in lookup.all(account.id, after, *some):  # the newest for a name wins
            found[row.identifier_type, row.identifier_value, row.wildcard] = row
    return found


def _valid_for(account: Any, after: Any, names: dict[str, Any]) -> QuerySet[AcmeAuthorization]:
    return AcmeAuthorization.objects.filter(
        account_id=account,
        identifier_value__in=list(names.values()),
        status=AuthorizationStatus.VALID,
        expires_at__gt=after,
    )


def _is_trusted(config: EndpointConfig, account: Account, identifier: Identifier) -> bool:
    """Tell whether the name needs no proof: an administrator listed it with the EAB key."""
    return trusts(config, account) and not outside([identifier], account.eab_identifiers or ())


def _new(
    config: EndpointConfig,
    account: Account,
    identifier: Identifier,
    expires_at: datetime,
    *,
    valid: bool,
) -> AcmeAuthorization:
    if valid and config.authz_lifetime_h:
        expires_at = clock.now() + timedelta(hours=config.authz_lifetime_h)
    return AcmeAuthorization(
        account_id=account.id,
        identifier_type=identifier.type,
        identifier_value=identifier.base,
        wildcard=identifier.wildcard,
        status=AuthorizationStatus.VALID if valid else AuthorizationStatus.PENDING,
        expires_at=expires_at,
    )
