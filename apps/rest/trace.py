"""Which HTTP request is being served right now? Logs, problems and audit rows carry its id."""

import os
import uuid
from contextlib import suppress
from contextvars import ContextVar, Token

_current: ContextVar[str] = ContextVar("trace_id", default="")


def current() -> str:
    """Return the identifier of the request being served, empty outside of one."""
    return _current.get()


def begin(wanted: str = "") -> Token[str]:
    """Start a request: keep the caller's identifier when it is a UUID, else make one."""
    identifier = ""
    if wanted:
        with suppress(ValueError):
            identifier = str(uuid.UUID(wanted))
    return _current.set(identifier or _made())


def end(token: Token[str]) -> None:
    """Leave the request that ``begin`` started."""
    _current.reset(token)


def _made() -> str:
    """Return a random UUID (RFC 9562 section 5.4) as ``str(uuid.uuid4())``, without the object."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
