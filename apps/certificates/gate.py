"""Step 5 of the pipeline: whether an accepted request needs an approval before it is signed."""

from apps.applications.models import Pairing
from apps.certificates.models import RequestState

RETRY_AFTER_S = 60
"""How long a requester waits before asking again whether the request was approved."""


def first_state(pairing: Pairing) -> RequestState:
    """Return where a request that policy accepts starts."""
    if pairing.requires_approval:
        return RequestState.PENDING_APPROVAL
    return RequestState.APPROVED
