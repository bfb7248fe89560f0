"""Validation of challenges: within the request, then repeatedly in the worker (RFC 8555 section 8.2).

The request in which a client responds to a challenge tries once, briefly (``validate_inline``),
because most clients are ready; what that does not decide goes to the worker (``run``). A client
that responds again meanwhile gets another try at once. No transaction is open during network calls.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from django.conf import settings

from apps import principals
from apps.egress import Deadline, EgressError
from apps.enrollment.acme.models import AcmeChallenge
from apps.enrollment.acme.problems import Type
from apps.enrollment.acme.services import challenges
from apps.enrollment.acme.states import AuthorizationStatus, ChallengeStatus, ChallengeType
from apps.enrollment.acme.validation import (
    caa,
    dns_01,
    dns_persist_01,
    http_01,
    targets,
    tls_alpn_01,
)
from apps.enrollment.acme.validation.outcomes import Outcome, unreachable
from apps.enrollment.acme.validation.targets import TOTAL_S, Target
from apps.jobs.services import withdraw

Validator = Callable[[Target, Deadline], Outcome]

JOB = challenges.VALIDATE_JOB
_REQUEST = "request"
# Seconds before each attempt. Clients poll for about a minute and a half, so the result has to
# come well within that.
PAUSES_S: tuple[float, ...] = (0, 2, 6)
LEASE = timedelta(minutes=3)
VALIDATORS: dict[str, Validator] = {
    ChallengeType.HTTP_01: http_01.validate,
    ChallengeType.DNS_01: dns_01.validate,
    ChallengeType.DNS_ACCOUNT_01: dns_01.validate,
    ChallengeType.DNS_PERSIST_01: dns_persist_01.validate,
    ChallengeType.TLS_ALPN_01: tls_alpn_01.validate,
}
_ADDRESS_TYPES = frozenset({ChallengeType.HTTP_01, ChallengeType.TLS_ALPN_01})
_WILDCARD_TYPES = frozenset(
    {ChallengeType.DNS_01, ChallengeType.DNS_ACCOUNT_01, ChallengeType.DNS_PERSIST_01}
)
# Slow servers hold up at most this many requests of a process.
inline_slots = threading.BoundedSemaphore(2)


def attempt(
    challenge_id: UUID, budget_s: float = TOTAL_S, *, last: bool = False, by: str = "worker"
) -> bool:
    """Validate once and store what happened.

    Args:
        challenge_id: a challenge that is ``processing``; any other is left alone.
        budget_s: seconds for everything, CAA look-ups included.
        last: store the outcome as the result, even if another attempt might help.
        by: who tried, for the record.

    Returns:
        Whether the challenge has a result now, by this attempt or an earlier one.
    """
    target = targets.load(challenge_id)
    if target is None:
        return True
    outcome = validate(target, Deadline(budget_s))
    if outcome.proven or last or not outcome.again:
        challenges.record_result(challenge_id, _result(outcome, target, by))
        return True
    challenges.record_attempt(
        challenge_id, attempt=outcome.record(target, by=by), problem=outcome.problem()
    )
    return False


def validate_inline(row: AcmeChallenge) -> AcmeChallenge:
    """Validate within the request in which the client responds to the challenge.

    Nothing is written before the outcome: a client whose request dies gets no answer, and sends
    it again. Failures of foreign servers never raise here.

    Args:
        row: ``pending`` or ``processing``, from ``challenges.accept_response``.

    Returns:
        The challenge as it is stored afterwards.
    """
    was_queued = row.status == ChallengeStatus.PROCESSING
    if row.authorization.status != AuthorizationStatus.PENDING:  # decided by another challenge
        return row
    target = targets.target_of(row)
    outcome = _validate_briefly(target)
    if outcome is None:
        return challenges.queue_validation(row, attempt=None, problem=None)
    if not outcome.proven and outcome.again:
        return challenges.queue_validation(
            row, attempt=outcome.record(target, by=_REQUEST), problem=outcome.problem()
        )
    challenges.record_result(row.pk, _result(outcome, target, _REQUEST))
    if was_queued:
        withdraw(JOB, str(row.pk))
    row.refresh_from_db(fields=["status", "settled_at", "error"])
    return row


def _validate_briefly(target: Target) -> Outcome | None:
    """Return the outcome of one brief validation; ``None`` when there is no time or slot for it."""
    budget_s = settings.SEALWRIGHT["ACME_INLINE_VALIDATION_MS"] / 1000
    if budget_s <= 0 or not inline_slots.acquire(blocking=False):
        return None
    try:
        return validate(target, Deadline(budget_s))
    finally:
        inline_slots.release()


def _result(outcome: Outcome, target: Target, by: str) -> challenges.ValidationResult:
    return challenges.ValidationResult(
        proven=outcome.proven,
        problem=outcome.problem(),
        attempt=outcome.record(target, by=by),
        good_until=outcome.good_until,
        principal=principals.system("validation"),
    )


def run(challenge: str) -> str:
    """Validate in the worker: a few attempts, the last of which decides. Harmless to run twice.

    Failures of the network become the result; only failures of this server raise, so that the
    job runs again later.
    """
    for number, pause_s in enumerate(PAUSES_S, start=1):
        time.sleep(pause_s)
        if attempt(UUID(challenge), last=number == len(PAUSES_S)):
            return f"decided at attempt {number}"
    raise AssertionError("the last attempt decides")  # pragma: no cover


def validate(target: Target, deadline: Deadline) -> Outcome:
    """Run the challenge's validator, then check CAA; without the database."""
    validator = VALIDATORS.get(target.challenge_type)
    if validator is None or not _can_prove(target):
        return Outcome(
            proven=False,
            kind=Type.MALFORMED,
            detail=f"{target.challenge_type} cannot prove this identifier.",
            again=False,
        )
    try:
        outcome = validator(target, deadline)
        if not outcome.proven:
            return outcome
        allowed = caa.check(target, deadline)
    except EgressError as error:  # the deadline passed between two steps
        return unreachable(error)
    return replace(
        allowed,
        hops=(*outcome.hops, *allowed.hops),
        seen=(*outcome.seen, *allowed.seen),
        good_until=outcome.good_until,
    )


def _can_prove(target: Target) -> bool:
    """Tell whether the type can prove the identifier (RFC 8555 section 8.3, RFC 8738 section 7)."""
    if target.identifier_type == "ip":
        return target.challenge_type in _ADDRESS_TYPES and not target.wildcard
    return not target.wildcard or target.challenge_type in _WILDCARD_TYPES
