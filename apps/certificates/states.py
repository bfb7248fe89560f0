"""Which way can a request go? The one table of transitions."""

from apps import clock
from apps.certificates.models import CertificateRequest, RequestState
from apps.errors import InvalidTransition

S = RequestState

TRANSITIONS: dict[str, frozenset[str]] = {
    S.PENDING_APPROVAL: frozenset({S.APPROVED, S.REJECTED, S.CANCELLED, S.EXPIRED}),
    S.APPROVED: frozenset({S.SIGNING, S.SUBMITTED, S.REJECTED, S.CANCELLED, S.FAILED}),
    S.SIGNING: frozenset({S.ISSUED, S.FAILED}),
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

    The comparison happens in the UPDATE itself, so that of several racers one wins.

    Args:
        request: the row as the caller read it; updated in place on success.
        to: the next state.
        changes: further columns to set in the same statement.

    Returns:
        Whether this caller made the move.

    Raises:
        InvalidTransition: the table has no such edge.
    """
    if to not in TRANSITIONS[request.state]:
        raise InvalidTransition(f"A request that is {request.state} cannot become {to.value}.")
    changes["updated_at"] = clock.now()  # what the reconciler goes by; update() does not set it
    moved = CertificateRequest.objects.filter(pk=request.pk, state=request.state).update(
        state=to, **changes
    )
    if moved:
        request.state = to
        for name, value in changes.items():
            setattr(request, name, value)
    return bool(moved)
