"""Durations such as ``90d``, as policies, profiles and requests write them."""

import re
from datetime import timedelta

from pki.addresses import quoted

_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(days=7),
    "mo": timedelta(days=30),
    "y": timedelta(days=365),
}
_DURATION = re.compile(r"([0-9]+)(s|mo|m|h|d|w|y)")
_MAX_DIGITS = 10
_CANONICAL_UNITS = ("d", "h", "m", "s")
_LONGEST = timedelta(days=36_500)


def parse_duration(text: str) -> timedelta:
    """Return the time that ``text`` stands for.

    A whole number and one unit: ``s`` seconds, ``m`` minutes, ``h`` hours, ``d`` days, ``w``
    weeks, ``mo`` months of 30 days, ``y`` years of 365 days. ``m`` is never months.

    Raises:
        ValueError: not of this form, zero, or longer than 100 years; the text says which.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{quoted(text[:40])} is not a duration: write a whole number and s, m, h, d, w, mo or y."
        )
    digits, unit = found[1].lstrip("0"), found[2]
    if not digits:
        raise ValueError("A duration must be longer than zero.")
    # Counted first: Python takes long over a number of thousands of digits, or refuses it.
    number = int(digits) if len(digits) <= _MAX_DIGITS else None
    if number is None or number > _LONGEST // _UNITS[unit]:
        raise ValueError("A duration may be at most 100 years (36500d).")
    return number * _UNITS[unit]


def format_duration(duration: timedelta) -> str:
    """Return the shortest exact form of a duration, in whole seconds: ``90d``, ``36h``."""
    seconds = int(duration.total_seconds())
    for unit in _CANONICAL_UNITS:
        size = int(_UNITS[unit].total_seconds())
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
