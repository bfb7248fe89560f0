"""When is a challenge validated, how often, and what is done with the outcome?

The request that answers a challenge tries once, briefly (``try_now``), because most clients
are ready; what that does not settle goes to the worker (``run``). A client that answers again
while the worker tries gets another try at once (RFC 8555 section 8.2). Nothing here holds a
transaction while it talks to the network.
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
from apps.enrollment.acme.services.challenges import Answered
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
# Clients poll for about a minute and a half: the verdict must come well within.
PAUSES_S: tuple[float, ...] = (0, 2, 6)
LEASE = timedelta(minutes=3)
_VALIDATORS: dict[str, Validator] = {
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
# Slow servers may hold up this many requests of a process, and no more.
_inline_slots = threading.BoundedSemaphore(2)


def attempt(
    challenge_id: UUID, budget_s: float = TOTAL_S, *, last: bool = False, by: str = "worker"
) -> bool:
    """Validate once and write the outcome down.

    Args:
        challenge_id: a challenge that is ``processing``; any other is left alone.
        budget_s: for everything, CAA included.
        last: settle whatever happens.
        by: who tried, for the record.

    Returns:
        Whether the challenge is settled now, by this attempt or an earlier one.
    """
    target = targets.load(challenge_id)
    if target is None:
        return True
    outcome = validate(target, Deadline(budget_s))
    if outcome.proven or last or not outcome.again:
        challenges.settle(challenge_id, _verdict(outcome, target, by))
        return True
    challenges.note_attempt(
        challenge_id, attempt=outcome.record(target, by=by), problem=outcome.problem()
    )
    return False


def try_now(answered: Answered) -> AcmeChallenge:
    """Validate within the request that answers the challenge.

    Nothing is written before the outcome: a client whose request dies has no answer, and sends
    it again. What is not settled here goes to the worker; never raises for what servers out
    there do.

    Args:
        answered: not settled.

    Returns:
        The challenge as it is afterwards.
    """
    row = answered.row
    runs_already = row.status == ChallengeStatus.PROCESSING
    if row.authorization.status != AuthorizationStatus.PENDING:  # proven, or lost, by another
        return row
    outcome, target = _validated_inline(row)
    if outcome is None:
        return challenges.hand_over(row, attempt=None, problem=None)
    if outcome.proven or not outcome.again:
        settled = challenges.settle_at_once(answered, _verdict(outcome, target, _REQUEST))
        if runs_already:
            withdraw(JOB, str(row.pk))
        return settled
    return challenges.hand_over(
        row, attempt=outcome.record(target, by=_REQUEST), problem=outcome.problem()
    )


def _validated_inline(row: AcmeChallenge) -> tuple[Outcome | None, Target]:
    """Return what a brief validation comes to, ``None`` when there is no time or place for one."""
    target = targets.of(row)
    budget_s = settings.SEALWRIGHT["ACME_INLINE_VALIDATION_MS"] / 1000
    if budget_s <= 0 or not _inline_slots.acquire(blocking=False):
        return None, target
    try:
        return validate(target, Deadline(budget_s)), target
    finally:
        _inline_slots.release()


def _verdict(outcome: Outcome, target: Target, by: str) -> challenges.Verdict:
    return challenges.Verdict(
        proven=outcome.proven,
        problem=outcome.problem(),
        attempt=outcome.record(target, by=by),
        good_until=outcome.good_until,
        principal=principals.system("validation"),
    )


def run(challenge: str) -> str:
    """Validate in the worker: a few times, then for good. Harmless to run twice.

    What the network does ends in a verdict here; only our own failures raise, and bring the
    job back later.
    """
    for number, pause_s in enumerate(PAUSES_S, start=1):
        time.sleep(pause_s)
        if attempt(UUID(challenge), last=number == len(PAUSES_S)):
            return f"settled at attempt {number}"
    raise AssertionError("the last attempt settles")  # pragma: no cover


def validate(target: Target, deadline: Deadline) -> Outcome:
    """Run the challenge's validator, then ask CAA; touches no database."""
    validator = _VALIDATORS.get(target.challenge_type)
    if validator is None or not _fits(target):
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
    except EgressError as error:  # the time ran out between two steps
        return unreachable(error)
    return replace(
        allowed,
        hops=(*outcome.hops, *allowed.hops),
        seen=(*outcome.seen, *allowed.seen),
        good_until=outcome.good_until,
    )


def _fits(target: Target) -> bool:
    """Tell whether the type may prove the identifier at all, whatever was offered (A-20, A-30)."""
    if target.identifier_type == "ip":
        return target.challenge_type in _ADDRESS_TYPES and not target.wildcard
    return not target.wildcard or target.challenge_type in _WILDCARD_TYPES
