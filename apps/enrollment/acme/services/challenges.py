"""ACME challenges: responses of clients and results of validation (RFC 8555 sections 7.5.1, 8.2)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from apps import clock
from apps.audit.events import Event
from apps.audit.record import record
from apps.enrollment.acme import states
from apps.enrollment.acme.auth import SignedRequest
from apps.enrollment.acme.endpoint_config import pairing_of
from apps.enrollment.acme.models import (
    AcmeAccount,
    AcmeAuthorization,
    AcmeChallenge,
    AcmeOrder,
    AcmeOrderAuthorization,
)
from apps.enrollment.acme.problems import Type, document
from apps.enrollment.acme.services import limits
from apps.enrollment.acme.services.authorizations import lock_open_orders
from apps.enrollment.acme.states import (
    AuthorizationStatus,
    ChallengeStatus,
    ChallengeType,
    OrderStatus,
)
from apps.enrollment.acme.wire import current_status
from apps.errors import Malformed, NotFound
from apps.jobs.services import enqueue
from apps.principals import Principal
from apps.statements import writes
from apps.statements.lookups import KEY, TEXT, Lookup, RowLookup

VALIDATE_JOB = "acme.validate"
MAX_ATTEMPTS_STORED = 20

_BY_URL_ID = RowLookup(
    AcmeChallenge,
    lambda url_id: AcmeChallenge.objects.filter(url_id=url_id).order_by(),
    related=(
        "authorization",
        "authorization__account",
        "authorization__account__endpoint",
    ),
    url_id=TEXT,
)
_LOCK_AUTHORIZATION = RowLookup(
    AcmeAuthorization,
    lambda challenge: (
        AcmeAuthorization.objects.select_for_update()
        .filter(pk__in=AcmeChallenge.objects.filter(pk=challenge).values("authorization_id"))
        .order_by()
    ),
    challenge=KEY,
)
_LOCK_CHALLENGE = RowLookup(
    AcmeChallenge,
    lambda challenge: AcmeChallenge.objects.select_for_update().filter(pk=challenge).order_by(),
    challenge=KEY,
)
_ENDPOINT_OF = Lookup(
    lambda account: (
        AcmeAccount.objects.filter(pk=account)
        .order_by()
        .values_list("endpoint__pairing__application_id", "endpoint__authz_lifetime_h")
    ),
    account=KEY,
)
_OTHER_STATUSES = Lookup(
    lambda authorization: (
        AcmeOrderAuthorization.objects.filter(
            order__in=AcmeOrderAuthorization.objects.filter(authorization=authorization).values(
                "order_id"
            ),
            order__status__in=[OrderStatus.PENDING, OrderStatus.READY],
        )
        .exclude(authorization=authorization)
        .order_by()
        .values_list("order_id", "authorization__status")
    ),
    authorization=KEY,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationResult:
    """The result of validating a challenge.

    Attributes:
        proven: whether the client showed control of the identifier.
        principal: who validated, for the audit log.
        problem: ACME problem document of a failure, from ``problems.document``.
        attempt: what the last attempt did and saw, plain JSON.
        good_until: when the proof expires by itself (persistUntil); the authorization expires
            no later.
    """

    proven: bool
    principal: Principal
    problem: dict[str, Any] | None = None
    attempt: dict[str, Any] | None = None
    good_until: datetime | None = None


def get(signed: SignedRequest, url_id: str) -> AcmeChallenge:
    """Return a challenge of the account, with authorization, account and endpoint.

    Raises:
        NotFound: no such challenge, or another account's.
    """
    row = _BY_URL_ID.first(url_id)
    if row is None or row.authorization.account_id != signed.signing_account().id:
        raise NotFound
    return row


def accept_response(signed: SignedRequest, url_id: str) -> AcmeChallenge:
    """Return a challenge that its client is ready to have validated (7.5.1); writes nothing.

    The caller goes on with ``validation.attempts.validate_inline``. A challenge that was
    validated before stays as it is (RFC 8555 section 8.2).

    Raises:
        Malformed: the payload is not a JSON object, or the authorization is not pending.
        NotFound: no such challenge, or another account's.
        RateLimited: too many validations of this account have failed.
    """
    signed.payload()
    row = get(signed, url_id)
    authorization = row.authorization
    authorization.account.endpoint.pairing = pairing_of(signed.config)
    if row.status != ChallengeStatus.PENDING:
        return row
    status = current_status(authorization)
    if status != AuthorizationStatus.PENDING:
        raise Malformed(f"The authorization is {status}; nothing is left to prove.")
    account = signed.signing_account()
    limits.check_failures(signed.config, account.id)
    if row.type == ChallengeType.DNS_PERSIST_01:
        limits.check_name_failures(account.id, authorization.identifier_value)
    return row


def queue_validation(
    row: AcmeChallenge, *, attempt: dict[str, Any] | None, problem: dict[str, Any] | None
) -> AcmeChallenge:
    """Make a challenge ``processing`` and leave its validation to the worker.

    Args:
        row: the challenge.
        attempt: what a first attempt within the request did and saw, if there was one.
        problem: the problem document of that attempt.

    Returns:
        The challenge as it is stored, with its authorization.
    """
    with transaction.atomic():
        locked = AcmeChallenge.objects.select_for_update(of=("self",)).get(pk=row.pk)
        locked.authorization = row.authorization
        _start(locked)
        if locked.status != ChallengeStatus.PROCESSING:
            return locked
        if attempt is not None:
            locked.error = problem
            locked.attempts = _with_attempt(locked.attempts, attempt)
        locked.save(update_fields=["status", "started_at", "error", "attempts"])
        enqueue(VALIDATE_JOB, {"challenge": str(row.pk)}, idempotency_key=str(row.pk))
    return locked


def record_result(challenge_id: UUID, result: ValidationResult) -> bool:
    """Store the result of a validation in challenge, authorization and orders (8.2, 7.1.6).

    Rows are locked from the authorization down to its orders by primary key, so that
    validations of several names of one order neither miss each other nor deadlock.

    Args:
        challenge_id: a challenge that is ``pending`` or ``processing``.
        result: of its validation.

    Returns:
        Whether this call stored a result; ``False`` when the challenge had one before.
    """
    with transaction.atomic():
        authorization = _LOCK_AUTHORIZATION.first(challenge_id)
        row = _LOCK_CHALLENGE.first(challenge_id)
        assert authorization is not None
        assert row is not None
        row.authorization = authorization
        _start(row)
        if row.status != ChallengeStatus.PROCESSING:
            return False
        ((application_id, authz_lifetime_h),) = _ENDPOINT_OF.all(authorization.account_id)
        orders = lock_open_orders(authorization)
        others = _other_authorization_statuses(authorization)
        changed = states.apply_validation(
            row,
            authorization,
            [(order, others.get(order.pk, ())) for order in orders],
            proven=result.proven,
        )
        with writes.batch():
            _write_challenge(row, result)
            if authorization in changed:
                _write_authorization(row, authz_lifetime_h)
            for order in orders:
                if order in changed:
                    _write_order(order, authorization, result)
            record(
                Event.ACME_IDENTIFIER_PROVEN if result.proven else Event.ACME_VALIDATION_FAILED,
                principal=result.principal,
                subject=authorization,
                application_id=application_id,
                challenge=row.type,
                problem=result.problem,
                attempt=result.attempt,
            )
    return True


def record_attempt(
    challenge_id: UUID, *, attempt: dict[str, Any], problem: dict[str, Any] | None
) -> None:
    """Store an attempt that will be repeated; the client sees its error meanwhile (8.2)."""
    with transaction.atomic():
        row = AcmeChallenge.objects.select_for_update(of=("self",)).get(pk=challenge_id)
        if row.status != ChallengeStatus.PROCESSING:
            return
        row.error = problem
        row.attempts = _with_attempt(row.attempts, attempt)
        row.save(update_fields=["error", "attempts"])


def _start(row: AcmeChallenge) -> None:
    """Make a pending challenge ``processing``, unsaved."""
    if row.status == ChallengeStatus.PENDING:
        states.transition(row, ChallengeStatus.PROCESSING, states.CHALLENGE)
        row.started_at = clock.now()


def _write_challenge(row: AcmeChallenge, result: ValidationResult) -> None:
    """Write a challenge with its result."""
    row.settled_at = clock.now()
    row.error = None if result.proven else result.problem
    row.good_until = result.good_until if result.proven else None
    row.attempts = _with_attempt(row.attempts, result.attempt)
    _write(row, "status", "started_at", "settled_at", "error", "good_until", "attempts")


def _write_authorization(row: AcmeChallenge, authz_lifetime_h: int) -> None:
    """Write what a settled challenge has made of its authorization."""
    authorization = row.authorization
    if authorization.status == AuthorizationStatus.VALID:
        authorization.expires_at = _expiry(row, authz_lifetime_h)
    _write(authorization, "status", "expires_at")


def _write_order(
    order: AcmeOrder, authorization: AcmeAuthorization, result: ValidationResult
) -> None:
    """Write what a result has made of an order."""
    order.error = _order_error(authorization, result)
    _write(order, "status", "error")


def _write(row: AcmeChallenge | AcmeAuthorization | AcmeOrder, *columns: str) -> None:
    """Write some columns of a locked row, as a part of the open batch."""
    values = {name: getattr(row, name) for name in columns}
    writes.change(type(row), set=values, where={"id": row.pk})


def _expiry(row: AcmeChallenge, authz_lifetime_h: int) -> datetime:
    """Return when the authorization that a settled challenge has proven expires."""
    expires_at = row.authorization.expires_at
    if authz_lifetime_h:
        assert row.settled_at is not None
        expires_at = row.settled_at + timedelta(hours=authz_lifetime_h)
    return expires_at if row.good_until is None else min(expires_at, row.good_until)


def _other_authorization_statuses(authorization: AcmeAuthorization) -> dict[UUID, list[str]]:
    """Return the statuses of the other authorizations of each open order that needs this one."""
    found: dict[UUID, list[str]] = {}
    for order_id, status in _OTHER_STATUSES.all(authorization.pk):
        found.setdefault(order_id, []).append(status)
    return found


def _order_error(row: AcmeAuthorization, result: ValidationResult) -> dict[str, Any] | None:
    """Return why an order failed, as a subproblem of its identifier (RFC 8555 section 6.7.1)."""
    if result.proven:
        return None
    problem = result.problem or document(Type.SERVER_INTERNAL, "The validation failed.")
    detail = problem.get("detail", "")
    identifier = {"type": row.identifier_type, "value": str(row)}
    subproblem = {"type": problem["type"], "detail": detail, "identifier": identifier}
    return {"type": problem["type"], "detail": f"{row}: {detail}", "subproblems": [subproblem]}


def _with_attempt(attempts: list[Any], attempt: dict[str, Any] | None) -> list[Any]:
    return [*attempts, *([attempt] if attempt else [])][-MAX_ATTEMPTS_STORED:]
