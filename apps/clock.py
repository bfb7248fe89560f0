"""The current time, read in one place so that tests can replace it."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present as aware UTC."""
    return datetime.now(UTC)


def now_s() -> datetime:
    """Return the present as aware UTC in whole seconds, as certificates and CRLs carry it."""
    return now().replace(microsecond=0)
