"""Clock of the application, the only reader of the time, so that tests can set it."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present as aware UTC."""
    return datetime.now(UTC)


def now_s() -> datetime:
    """Return the present as aware UTC in whole seconds, as certificates and CRLs carry it."""
    return now().replace(microsecond=0)
