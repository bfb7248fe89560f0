"""How do values look in JSON, whatever they belong to?"""

from collections.abc import Iterable
from datetime import datetime


def time_text(moment: datetime | None) -> str | None:
    """Return RFC 3339 text in UTC."""
    return moment.isoformat().replace("+00:00", "Z") if moment else None


def typed(pairs: Iterable[Iterable[str]]) -> list[dict[str, str]]:
    """Return (type, value) pairs as objects."""
    return [{"type": kind, "value": value} for kind, value in pairs]
