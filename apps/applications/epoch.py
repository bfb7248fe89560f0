"""Earlier names of ``governance_version``, until ACME uses the new ones."""

from collections.abc import Callable
from typing import Generic, TypeVar

from apps.applications.governance_version import VERSION as EPOCH
from apps.applications.governance_version import current, of
from apps.statements.lookups import Asked

__all__ = ["EPOCH", "Kept", "of"]
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Kept(Generic[_Key, _Value]):
    """A cache filled from queries."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: dict[_Key, tuple[str, _Value]] = {}

    def get(self, key: _Key, epoch: str) -> _Value | None:
        """Return the value read under this version."""
        made_in, value = self._values.get(key, ("", None))
        return value if epoch and made_in == epoch else None

    def last(self, key: _Key) -> _Value | None:
        """Return the value read last, under any version."""
        return self._values.get(key, ("", None))[1]

    def read(self, key: _Key, make: Callable[..., _Value], *asked: Asked) -> _Value:
        """Make a value of what queries find now, and keep it."""
        version = current()
        value = make(version, *(lookup.all(*values) for lookup, values in asked))
        if len(self._values) >= self._most:
            self._values.clear()
        self._values[key] = version, value
        return value
