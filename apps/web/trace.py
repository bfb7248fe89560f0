"""Identifier of the HTTP request being served; logs, problems and audit rows carry it."""

import uuid
from contextvars import ContextVar, Token

_current: ContextVar[str] = ContextVar("trace_id", default="")
_cause: ContextVar[str] = ContextVar("trace_cause", default="")


def current() -> str:
    """Return the identifier of the request being served, empty outside of one."""
    return _current.get()


def begin(wanted: str = "") -> Token[str]:
    """Start a request: keep the caller's identifier when it is a UUID, else make one."""
    try:
        identifier = uuid.UUID(wanted) if wanted else uuid.uuid4()
    except ValueError:
        identifier = uuid.uuid4()
    _cause.set("")
    return _current.set(str(identifier))


def end(token: Token[str]) -> None:
    """Leave the request that ``begin`` started."""
    _current.reset(token)


def note_cause(text: str) -> None:
    """Note why the request cannot be served, for the line that the log has about it."""
    _cause.set(text)


def cause() -> str:
    """Return what ``note_cause`` noted for the request being served; empty when it did not."""
    return _cause.get()
