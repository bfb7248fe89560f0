"""Errors of outbound connections, with the hops that were made before them."""

from dataclasses import dataclass
from typing import ClassVar

from apps.errors import SealwrightError


@dataclass(frozen=True, slots=True)
class Hop:
    """One connection that was made or tried; a redirect makes one more.

    Attributes:
        url: what was asked for.
        address: the checked address that answered; empty when none was reached.
        outcome: HTTP status, or one sentence on what went wrong.
    """

    url: str
    address: str
    outcome: str


class EgressError(SealwrightError):
    """An outbound connection failed; ``hops`` holds every hop up to the failure."""

    code: ClassVar[str] = "egress"

    def __init__(self, detail: str = "", *, hops: tuple[Hop, ...] = ()) -> None:
        self.hops = hops
        super().__init__(detail)


class EgressRefused(EgressError):
    """The rules do not allow this connection; trying again will not help."""

    code: ClassVar[str] = "egress_refused"
    default_detail: ClassVar[str] = "The address is not allowed."


class EgressFailed(EgressError):
    """The connection was allowed and did not succeed; ``kind`` says how.

    ``kind`` is one of ``dns``, ``refused``, ``timeout``, ``tls``, ``protocol``, ``too_large``.
    """

    code: ClassVar[str] = "egress_failed"

    def __init__(self, kind: str, detail: str, *, hops: tuple[Hop, ...] = ()) -> None:
        self.kind = kind
        super().__init__(detail, hops=hops)
