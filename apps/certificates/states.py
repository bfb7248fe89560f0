"""State machine of certificate requests: the table of transitions, and how to make one."""

from django.db import transaction

from apps import clock, registry
from apps.certificates.models import CertificateRequest, RequestState
from apps.errors import InvalidTransition
from apps.statements.writes import Change

S = RequestState

TRANSITIONS: dict[str, frozenset[str]] = {
    S.PENDING_APPROVAL: frozenset({S.APPROVED, S.REJECTED, S.CANCELLED, S.EXPIRED}),
    S.APPROVED: frozenset({S.SIGNING, S.REJECTED, S.CANCELLED, S.FAILED}),
    S.SIGNING: frozenset({S.ISSUED, S.SUBMITTED, S.FAILED}),
    S.SUBMITTED: frozenset({S.ISSUED, S.FAILED, S.REJECTED}),
    S.ISSUED: frozenset(),
    S.REJECTED: frozenset(),
    S.FAILED: frozenset(),
    S.CANCELLED: frozenset(),
    S.EXPIRED: frozenset(),
}

OPEN_STATES = frozenset(state for state, targets in TRANSITIONS.items() if targets)


def move(request: CertificateRequest, to: RequestState, **changes: object) -> bool:
    """Move a request in the database, if it still is where the caller believes it is.

    The comparison happens in the UPDATE itself, so that of several racers one wins. What waits for
    a request that ends without a certificate, such as an ACME order, ends in the same transaction.

    Args:
        request: the row as the caller read it; updated in place on success.
        to: the next state.
        changes: further columns to set in the same statement.

    Returns:
        Whether this caller made the move.

    Raises:
        InvalidTransition: the table has no such edge.
    """
    change = transition(request, to, **changes)
    with transaction.atomic(savepoint=False):
        moved = bool(change.apply())
        if moved:
            apply_to_instance(request, change)
            if to not in OPEN_STATES and to != S.ISSUED:
                for end in registry.request_endings:
                    end(request)
    return moved


def transition(request: CertificateRequest, to: RequestState, **changes: object) -> Change:
    """Return the UPDATE that makes a transition, to be written in a batch; see ``move``.

    Raises:
        InvalidTransition: the table has no such edge.
    """
    if to not in TRANSITIONS[request.state]:
        raise InvalidTransition(f"A request that is {request.state} cannot become {to.value}.")
    # An UPDATE does not set ``auto_now`` columns; the reconciler goes by this one.
    wanted = {"state": to.value, "updated_at": clock.now()} | changes
    return Change(CertificateRequest, wanted, {"id": request.pk, "state": str(request.state)})


def apply_to_instance(request: CertificateRequest, change: Change) -> None:
    """Copy the columns of a transition that was written onto the instance."""
    for name, value in change.set.items():
        setattr(request, name, value)
