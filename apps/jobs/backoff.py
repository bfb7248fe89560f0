"""How long to wait after a failed attempt? Pure: the caller brings the dice."""

from datetime import timedelta

_FIRST = timedelta(seconds=10)
_LONGEST = timedelta(hours=1)
_MOST_DOUBLINGS = 16


def delay_after(attempts: int, *, roll: float) -> timedelta:
    """Return the pause before the next attempt.

    Args:
        attempts: attempts made so far, at least 1.
        roll: a random number from 0 to 1; spreads the pause over 50 % to 150 % so that jobs
            that failed together do not come back together.

    Returns:
        10 s, 20 s, 40 s ... up to an hour, before jitter.
    """
    doublings = min(max(attempts, 1) - 1, _MOST_DOUBLINGS)
    return min(_FIRST * 2**doublings, _LONGEST) * (0.5 + roll)
