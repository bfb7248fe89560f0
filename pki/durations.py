"""Durations as texts for people."""

from datetime import timedelta

_UNITS = (
    ("day", timedelta(days=1)),
    ("hour", timedelta(hours=1)),
    ("minute", timedelta(minutes=1)),
    ("second", timedelta(seconds=1)),
)


def in_words(duration: timedelta) -> str:
    """Return a duration for people to read, exact to the second: ``90 days``, ``1 hour 30 minutes``.

    Days are the largest unit, because months and years differ in length.
    """
    sign = "minus " if duration < timedelta(0) else ""
    rest = abs(duration)
    words: list[str] = []
    for name, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            words.append(f"{count} {name}{'' if count == 1 else 's'}")
    return f"{sign}{' '.join(words)}" if words else "0 seconds"
