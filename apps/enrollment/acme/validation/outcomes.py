"""Outcome of one validation attempt."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from apps import clock
from apps.egress import EgressError, EgressFailed, Hop
from apps.enrollment.acme.problems import Type, document
from apps.enrollment.acme.validation.targets import Target

_EXCERPT = 100
_MAX_SEEN = 8
_PRINTABLE = range(0x20, 0x7F)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an attempt ended.

    Attributes:
        proven: control was shown.
        kind: ACME error type of a failure.
        detail: one sentence for the client; never quotes what a server sent, because the client
            may not be able to reach that server itself.
        again: trying again may help.
        hops: the connections made on the way.
        seen: what answered, escaped; for the application's own page.
        good_until: when the proof ends by itself, if ever.
    """

    proven: bool
    kind: Type = Type.INCORRECT_RESPONSE
    detail: str = ""
    again: bool = True
    hops: tuple[Hop, ...] = ()
    seen: tuple[str, ...] = ()
    good_until: datetime | None = None

    def problem(self) -> dict[str, Any] | None:
        """Return the problem document of a failure."""
        return None if self.proven else document(self.kind, self.detail)

    def record(self, target: Target, *, by: str) -> dict[str, Any]:
        """Return the attempt as it is stored with the challenge: plain JSON of bounded size."""
        return {
            "at": clock.now_s().isoformat(),
            "by": by,
            "type": target.challenge_type,
            "identifier": target.identifier,
            "proven": self.proven,
            "error": "" if self.proven else self.kind.value,
            "detail": self.detail,
            "hops": [
                {"url": escaped(hop.url, 300), "address": hop.address, "outcome": hop.outcome}
                for hop in self.hops
            ],
            "seen": list(self.seen[:_MAX_SEEN]),
        }

    def at(self, *hops: Hop) -> "Outcome":
        """Return the same outcome with the connections that led to it."""
        return replace(self, hops=hops)


def failed(
    detail: str, *, kind: Type = Type.INCORRECT_RESPONSE, seen: tuple[str, ...] = ()
) -> Outcome:
    """Return the outcome of an answer that does not prove anything."""
    return Outcome(proven=False, kind=kind, detail=detail, seen=seen)


def unreachable(error: EgressError, *, otherwise: Type = Type.CONNECTION) -> Outcome:
    """Return the outcome of a connection that was refused here or failed there.

    Args:
        error: from ``egress``; its detail is a class of failure, no content.
        otherwise: the type when it was neither a matter of names nor of TLS.
    """
    kind, again = otherwise, False
    if isinstance(error, EgressFailed):
        kind = {"dns": Type.DNS, "tls": Type.TLS}.get(error.kind, otherwise)
        again = True
    return Outcome(proven=False, kind=kind, detail=error.detail, again=again, hops=error.hops)


def escaped(content: bytes | str, length: int = _EXCERPT) -> str:
    """Return the beginning of foreign content as printable ASCII."""
    raw = content.encode("utf-8", "replace") if isinstance(content, str) else content
    text = "".join(chr(byte) if byte in _PRINTABLE else f"\\x{byte:02x}" for byte in raw[:length])
    return text + ("..." if len(raw) > length else "")
