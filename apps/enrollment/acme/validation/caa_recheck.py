"""Repeated CAA checks at finalize, for proofs that are hours old (RFC 8659 section 3).

An authorization is reused for days, but the owner of a name may forbid issuance at any time. Like
public authorities (Baseline Requirements 4.2.2.1 and 3.2.2.8) the server issues on CAA records that
are no older than eight hours: names proven earlier are looked up again when an order is finalized.
No transaction is open during the look-ups.

A refusal leaves the order ready, as RFC 8555 section 7.4 advises for a server that is unwilling to
issue: the owner may correct the record, and the client finalizes again.
"""

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from apps import clock, principals
from apps.audit.events import Event
from apps.audit.record import record
from apps.egress import Deadline
from apps.enrollment.acme.models import AcmeChallenge, AcmeOrder
from apps.enrollment.acme.problems import Refusal, Type
from apps.enrollment.acme.services import limits
from apps.enrollment.acme.validation import caa, targets
from apps.enrollment.acme.validation.outcomes import Outcome
from apps.enrollment.acme.validation.targets import TOTAL_S
from apps.errors import UpstreamUnavailable

# The eight hours of the Baseline Requirements, less the time that validating and signing take.
GOOD_FOR = timedelta(hours=8) - timedelta(minutes=1)
BY = "finalize"
RETRY_AFTER_S = 30
MAX_RECHECKS_STORED = 20
# Slow name servers hold up at most this many requests of a process; others wait MAX_WAIT_S, then
# are refused.
lookup_slots = threading.BoundedSemaphore(2)
MAX_WAIT_S = 2.0


def is_due(moment: datetime) -> bool:
    """Tell whether what CAA said at a moment is too old to issue upon."""
    return moment <= clock.now() - GOOD_FOR


def require_permission(order: AcmeOrder) -> bool:
    """Look CAA up again for every name of an order whose proof is too old; not in a transaction.

    Every answer is stored with the challenge that proved the name, as one more attempt.

    Returns:
        Whether anything was looked up.

    Raises:
        Refusal: ``caa`` when records forbid, ``dns`` (503) when only name servers fail; names
            each identifier that is to blame.
        RateLimited: one of the names was refused again and again.
        UpstreamUnavailable: too many requests wait for name servers.
    """
    due = [row for row in targets.proofs_of(order.pk) if row.settled_at and is_due(row.settled_at)]
    if not due:
        return False
    for row in due:
        limits.check_caa_refusals(_refusals(row))
    outcomes = _ask(due)
    _store(outcomes)
    wrong = [(row, outcomes[row.pk]) for row in due if not outcomes[row.pk].proven]
    if wrong:
        raise _refusal(wrong)
    return True


def _ask(due: Sequence[AcmeChallenge]) -> dict[UUID, Outcome]:
    """Return what the records of each say, within one deadline for all."""
    if not lookup_slots.acquire(timeout=MAX_WAIT_S):
        raise UpstreamUnavailable("Name servers are slow to answer about CAA; try again soon.")
    try:
        deadline, known = Deadline(TOTAL_S), caa.Known()
        return {row.pk: caa.check(targets.target_of(row), deadline, known) for row in due}
    finally:
        lookup_slots.release()


def _store(outcomes: Mapping[UUID, Outcome]) -> None:
    """Store each outcome beside the proof, which stays; refusals are audited."""
    with transaction.atomic():
        rows = list(
            AcmeChallenge.objects.select_for_update(of=("self",))
            .select_related(
                "authorization__account__endpoint__pairing__application",
                "authorization__account__endpoint__pairing__profile",
            )
            .filter(pk__in=outcomes)
            .order_by("pk")
        )
        for row in rows:
            outcome = outcomes[row.pk]
            attempt = outcome.record(targets.target_of(row), by=BY)
            proofs = [item for item in row.attempts if item.get("by") != BY]
            again = [item for item in row.attempts if item.get("by") == BY]
            row.attempts = [*proofs, *[*again, attempt][-MAX_RECHECKS_STORED:]]
            if not outcome.proven:
                record(
                    Event.ACME_VALIDATION_FAILED,
                    principal=principals.system("validation"),
                    subject=row.authorization,
                    application_id=row.authorization.account.endpoint.pairing.application_id,
                    challenge=row.type,
                    problem=outcome.problem(),
                    attempt=attempt,
                )
        AcmeChallenge.objects.bulk_update(rows, ["attempts"])


def _refusals(row: AcmeChallenge) -> list[datetime]:
    """Return the times of earlier refusals, newest first."""
    times = [
        datetime.fromisoformat(item["at"])
        for item in row.attempts
        if item.get("by") == BY and not item["proven"]
    ]
    return times[::-1]


def _refusal(wrong: Sequence[tuple[AcmeChallenge, Outcome]]) -> Refusal:
    """Return one problem that names all identifiers (RFC 8555 section 6.7.1).

    A name that CAA forbids decides the type: trying again alone would not help.
    """
    subproblems = [
        ({"type": "dns", "value": str(row.authorization)}, outcome.kind, outcome.detail)
        for row, outcome in wrong
    ]
    detail = "; ".join(f"{item['value']}: {text}" for item, _, text in subproblems)
    if any(kind == Type.CAA for _, kind, _ in subproblems):
        return Refusal(Type.CAA, detail, subproblems=subproblems)
    return Refusal(
        Type.DNS,
        detail,
        status=503,
        subproblems=subproblems,
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )
