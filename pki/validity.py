"""Validity period of a new certificate."""

from datetime import UTC, datetime, timedelta

DEFAULT_BACKDATE = timedelta(minutes=5)

# RFC 5280 section 4.1.2.5: "no well-defined expiration date".
NO_EXPIRY = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def validity_window(
    now: datetime,
    lifetime: timedelta,
    *,
    issuer_not_after: datetime | None,
    issuer_not_before: datetime | None = None,
    backdate: timedelta = DEFAULT_BACKDATE,
) -> tuple[datetime, datetime]:
    """Return ``(not_before, not_after)`` for a certificate issued at ``now``.

    Args:
        now: time of signing, aware; fractions of a second are dropped.
        lifetime: total validity counted inclusively, so 24 h ends at ...:59.
        issuer_not_after: end of the issuing CA's own validity; ``None`` for a self-signed
            certificate.
        issuer_not_before: start of the issuing CA's own validity; nothing begins earlier.
        backdate: how far ``not_before`` precedes ``now`` to tolerate slow clocks;
            taken out of ``lifetime``, never added to it.

    Returns:
        Two aware UTC datetimes in whole seconds; ``not_after`` is cut to ``issuer_not_after``. A
        start that is moved to the issuer's keeps the lifetime.

    Raises:
        ValueError: naive ``now``, ``lifetime <= backdate``, or expired issuer.

    Source: RFC 5280 section 4.1.2.5 (both ends are inclusive) and 6.1.3 (a)(2).
    """
    if now.tzinfo is None:
        raise ValueError("now must be aware of its time zone")
    if lifetime <= backdate:
        raise ValueError("the lifetime must be longer than the backdating")
    signed_at = now.astimezone(UTC).replace(microsecond=0)
    if issuer_not_after is not None and issuer_not_after < signed_at:
        raise ValueError("the issuer has expired")
    not_before = signed_at - backdate
    if issuer_not_before is not None:
        # A fresh authority may be younger than the backdating.
        not_before = max(not_before, issuer_not_before.astimezone(UTC))
    not_after = _end(not_before, lifetime)
    if issuer_not_after is not None:
        not_after = min(not_after, issuer_not_after.astimezone(UTC))
    return not_before, not_after.replace(microsecond=0)


def _end(not_before: datetime, lifetime: timedelta) -> datetime:
    try:
        return min(not_before + lifetime - timedelta(seconds=1), NO_EXPIRY)
    except OverflowError:
        return NO_EXPIRY
