"""How is a challenge answered, and what does its outcome change? RFC 8555 sections 7.5.1 and 8.2."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from apps import clock
from apps.audit.events import Event
from apps.audit.record import record
from apps.enrollment.acme import states
from apps.enrollment.acme.auth import Signed, account_url_id
from apps.enrollment.acme.endpoint_config import Door, pairing_of
from apps.enrollment.acme.jws import Jws
from apps.enrollment.acme.models import (
    AcmeAuthorization,
    AcmeChallenge,
    AcmeOrder,
    AcmeOrderAuthorization,
)
from apps.enrollment.acme.problems import Type, document
from apps.enrollment.acme.services import limits
from apps.enrollment.acme.services.authorizations import open_orders
from apps.enrollment.acme.states import (
    CHALLENGE,
    AuthorizationStatus,
    ChallengeStatus,
    ChallengeType,
    OrderStatus,
)
from apps.enrollment.acme.wire import status_now
from apps.errors import Malformed, NotFound
from apps.jobs.services import enqueue
from apps.principals import Principal
from apps.statements import writes
from apps.statements.lookups import TEXT, Asked, Lookup, RowLookup

VALIDATE_JOB = "acme.validate"
MAX_ATTEMPTS_KEPT = 20
_OPEN = (OrderStatus.PENDING, OrderStatus.READY)

BY_URL = RowLookup(
    AcmeChallenge,
    lambda url_id: AcmeChallenge.objects.filter(url_id=url_id).order_by(),
    related=(
        "authorization",
        "authorization__account",
        "authorization__account__endpoint",
    ),
    url_id=TEXT,
)
# An authorization that is pending belongs to the orders that were made with it: no others come.
ORDERS_OF = Lookup(
    lambda url_id: (
        AcmeOrderAuthorization.objects.filter(authorization__challenges__url_id=url_id)
        .order_by()
        .values_list("order_id", "order__status", "order__authorization_url_ids")
    ),
    url_id=TEXT,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a validation came to.

    Attributes:
        proven: whether the client showed control.
        problem: ACME problem document of a failure, from ``problems.document``.
        attempt: what the last attempt did and saw, plain JSON.
        good_until: when the proof ends by itself; the authorization ends no later.
        principal: who validated, for the audit log.
    """

    proven: bool
    principal: Principal
    problem: dict[str, Any] | None = None
    attempt: dict[str, Any] | None = None
    good_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """A challenge whose client says that its answer is in place.

    Attributes:
        row: with authorization, account, endpoint and pairing.
        orders: key, status and authorizations (``url_id``) of those that count on it.
    """

    row: AcmeChallenge
    orders: list[tuple[UUID, str, list[str]]]


def sought(message: Jws, names: dict[str, Any], door: Door | None) -> list[Asked]:
    """Return the queries that ``read``, or ``answered``, will need."""
    url_id = (names["url_id"],)
    if not message.payload:
        return [(BY_URL, url_id)]
    limited = limits.on_failures(door, account_url_id(message)) if door is not None else []
    return [(BY_URL, url_id), *(limit.asked for limit in limited), (ORDERS_OF, url_id)]


def read(signed: Signed, url_id: str) -> AcmeChallenge:
    """Return a challenge of the account, its authorization loaded with it.

    Raises:
        NotFound: no such challenge, or another account's.
    """
    for row in signed.rows(BY_URL, url_id):
        if row.authorization.account_id == signed.the_account().id:
            return row
    raise NotFound


def answered(signed: Signed, url_id: str) -> Answered:
    """Return a challenge whose answer the client says is in place (7.5.1); writes nothing yet.

    The caller goes on with ``validation.attempts.try_now`` unless it is settled: that stays as
    it is (A-17), whatever the payload.

    Raises:
        Malformed: the payload is no JSON object, or the authorization is over.
        NotFound: no such challenge, or another account's.
        RateLimited: too many validations of this account have failed.
    """
    signed.payload()
    row = read(signed, url_id)
    found = Answered(row, signed.rows(ORDERS_OF, url_id))
    authorization = row.authorization
    authorization.account.endpoint.pairing = pairing_of(signed.door)
    if row.status != ChallengeStatus.PENDING:
        return found
    status = status_now(authorization)
    if status != AuthorizationStatus.PENDING:
        raise Malformed(f"The authorization is {status}; nothing is left to prove.")
    account = signed.the_account()
    limits.check_failures(signed)
    if row.type == ChallengeType.DNS_PERSIST_01:
        limits.check_name_failures(account.id, authorization.identifier_value)
    return found


def hand_over(
    row: AcmeChallenge, *, attempt: dict[str, Any] | None, problem: dict[str, Any] | None
) -> AcmeChallenge:
    """Leave an answered challenge to the worker, with what a first attempt saw, if any.

    Returns:
        The challenge as it is afterwards, its authorization loaded with it.
    """
    with transaction.atomic():
        locked = AcmeChallenge.objects.select_for_update(of=("self",)).get(pk=row.pk)
        locked.authorization = row.authorization
        if locked.status == ChallengeStatus.PENDING:
            _begin(locked)
        if locked.status != ChallengeStatus.PROCESSING:
            return locked
        if attempt is not None:
            locked.error = problem
            locked.attempts = _kept(locked.attempts, attempt)
        locked.save(update_fields=["status", "started_at", "error", "attempts"])
        enqueue(VALIDATE_JOB, {"challenge": str(row.pk)}, idempotency_key=str(row.pk))
    return locked


def settle(challenge_id: UUID, verdict: Verdict, *, begins: bool = False) -> bool:
    """Write down the outcome of a validation, for challenge, authorization and orders (8.2).

    Rows are locked from the authorization down to its orders by primary key, so that
    validations of several names of one order neither miss each other nor wait in a circle.

    Args:
        challenge_id: a challenge that is ``processing``.
        verdict: the outcome.
        begins: the challenge may be ``pending`` still, because the request that answered it
            has validated it.

    Returns:
        Whether this call settled it; ``False`` when it had been settled before.
    """
    with transaction.atomic():
        authorization = (
            AcmeAuthorization.objects.select_for_update(of=("self",))
            .select_related("account__endpoint__pairing")
            .get(challenges=challenge_id)
        )
        row = AcmeChallenge.objects.select_for_update(of=("self",)).get(pk=challenge_id)
        row.authorization = authorization
        if begins and row.status == ChallengeStatus.PENDING:
            _begin(row)
        if row.status != ChallengeStatus.PROCESSING:
            return False
        orders = open_orders(authorization)
        others = _statuses_beside(authorization, orders)
        changed = states.settle(
            row,
            authorization,
            [(o, others.get(o.pk, ())) for o in orders],
            proven=verdict.proven,
        )
        _show(verdict, row)
        row.save(
            update_fields=["status", "started_at", "settled_at", "error", "good_until", "attempts"]
        )
        if authorization in changed:
            authorization.save(update_fields=["status", "expires_at"])
        for order in orders:
            if order in changed:
                order.error = _order_error(authorization, verdict)
                order.save(update_fields=["status", "error"])
        _record(authorization, row.type, verdict)
    return True


def settle_at_once(answered: Answered, verdict: Verdict) -> AcmeChallenge:
    """Do as ``settle`` for a challenge that was read just now, in one statement where one will do.

    That is where no order hangs on it that waits for other names as well; and if anybody else
    was faster with this authorization, the statement does nothing, and locks decide.

    Args:
        answered: with a challenge that is ``pending`` or ``processing``.
        verdict: the outcome.

    Returns:
        The challenge as it is afterwards, its authorization loaded with it.
    """
    row = answered.row
    orders = [item for item in answered.orders if item[1] in _OPEN]
    alone = len(orders) <= 1 and all(len(url_ids) == 1 for *_, url_ids in orders)
    if not (alone and _settled_alone(row, verdict, orders)):
        settle(row.pk, verdict, begins=True)
        row.refresh_from_db(fields=["status", "settled_at", "error"])
    return row


@dataclass(slots=True)
class _Order:
    """An order as the tables of ``states`` move it."""

    pk: UUID
    status: str


def _settled_alone(row: AcmeChallenge, verdict: Verdict, orders: list[tuple[Any, ...]]) -> bool:
    authorization = row.authorization
    waiting = [_Order(pk, status) for pk, status, _ in orders]
    if row.status == ChallengeStatus.PENDING:
        _begin(row)
    changed = states.settle(row, authorization, [(o, ()) for o in waiting], proven=verdict.proven)
    if authorization not in changed:
        return False
    _show(verdict, row)
    still_pending = writes.Change(
        AcmeAuthorization,
        set={"status": authorization.status, "expires_at": authorization.expires_at},
        where={"id": authorization.pk, "status": AuthorizationStatus.PENDING.value},
    )
    with writes.together(only_if=still_pending) as batch:
        names = ("status", "started_at", "settled_at", "error", "good_until", "attempts")
        outcome = {name: getattr(row, name) for name in names}
        writes.change(AcmeChallenge, set=outcome, where={"id": row.pk})
        for order in waiting:
            if order in changed:
                writes.change(
                    AcmeOrder,
                    set={"status": order.status, "error": _order_error(authorization, verdict)},
                    where={"id": order.pk, "status": OrderStatus.PENDING.value},
                )
        _record(authorization, row.type, verdict)
    return batch.done


def note_attempt(
    challenge_id: UUID, *, attempt: dict[str, Any], problem: dict[str, Any] | None
) -> None:
    """Keep what an attempt saw that is going to be repeated; the client sees the error (A-23)."""
    with transaction.atomic():
        row = AcmeChallenge.objects.select_for_update(of=("self",)).get(pk=challenge_id)
        if row.status != ChallengeStatus.PROCESSING:
            return
        row.error = problem
        row.attempts = _kept(row.attempts, attempt)
        row.save(update_fields=["error", "attempts"])


def _begin(row: AcmeChallenge) -> None:
    states.move(row, ChallengeStatus.PROCESSING, CHALLENGE)
    row.started_at = clock.now()


def _show(verdict: Verdict, row: AcmeChallenge) -> None:
    """Put the outcome into a settled challenge, and its end into the authorization."""
    authorization, now = row.authorization, clock.now()
    row.settled_at = now
    row.error = None if verdict.proven else verdict.problem
    row.good_until = verdict.good_until if verdict.proven else None
    row.attempts = _kept(row.attempts, verdict.attempt)
    if authorization.status != AuthorizationStatus.VALID:
        return
    lifetime_h = authorization.account.endpoint.authz_lifetime_h
    if lifetime_h:
        authorization.expires_at = now + timedelta(hours=lifetime_h)
    if row.good_until is not None:
        authorization.expires_at = min(authorization.expires_at, row.good_until)


def _statuses_beside(
    authorization: AcmeAuthorization, orders: Iterable[AcmeOrder]
) -> dict[UUID, list[str]]:
    """Return the statuses of the other authorizations of each order."""
    rows = (
        AcmeOrderAuthorization.objects.filter(order__in=[order.pk for order in orders])
        .exclude(authorization=authorization)
        .values_list("order_id", "authorization__status")
    )
    found: dict[UUID, list[str]] = {}
    for order_id, status in rows:
        found.setdefault(order_id, []).append(status)
    return found


def _order_error(row: AcmeAuthorization, verdict: Verdict) -> dict[str, Any] | None:
    """Return why an order failed, with the identifier to blame (RFC 8555 section 6.7.1)."""
    if verdict.proven:
        return None
    blamed = verdict.problem or document(Type.SERVER_INTERNAL, "The validation failed.")
    identifier = {"type": row.identifier_type, "value": str(row)}
    detail = f"{row}: {blamed.get('detail', '')}"
    return {"type": blamed["type"], "detail": detail} | {
        "subproblems": [
            {"type": blamed["type"], "detail": blamed.get("detail", "")}
            | {"identifier": identifier}
        ]
    }


def _kept(attempts: list[Any], attempt: dict[str, Any] | None) -> list[Any]:
    return [*attempts, *([attempt] if attempt else [])][-MAX_ATTEMPTS_KEPT:]


def _record(row: AcmeAuthorization, challenge_type: str, verdict: Verdict) -> None:
    record(
        Event.ACME_IDENTIFIER_PROVEN if verdict.proven else Event.ACME_VALIDATION_FAILED,
        principal=verdict.principal,
        subject=row,
        application_id=row.account.endpoint.pairing.application_id,
        challenge=challenge_type,
        problem=verdict.problem,
        attempt=verdict.attempt,
    )
