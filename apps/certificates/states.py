"""Which way can a request go? The one table of transitions."""

from apps import clock
from apps.certificates.models import CertificateRequest, RequestState
from apps.errors import InvalidTransition
from apps.statements.writes import Change

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
    change = edge(request, to, **changes)
    moved = bool(change.apply())
    if moved:
        take_over(request, change)
    return moved


def edge(request: CertificateRequest, to: RequestState, **changes: object) -> Change:
    """Return the move itself, to be made together with what goes with it; see ``move``.

    Raises:
        InvalidTransition: the table has no such edge.
    """
    if to not in TRANSITIONS[request.state]:
        raise InvalidTransition(f"A request that is {request.state} cannot become {to.value}.")
    # What the reconciler goes by is set here: an UPDATE does not set it by itself.
    wanted = {"state": to.value, "updated_at": clock.now()} | changes
    return Change(CertificateRequest, wanted, {"id": request.pk, "state": str(request.state)})


def take_over(request: CertificateRequest, change: Change) -> None:
    """Show in a row at hand what a move has made of it."""
    for name, value in change.set.items():
        setattr(request, name, value)
