"""Line-by-line difference between two versions of a rule document."""

import difflib
from dataclasses import dataclass
from typing import Any

from apps.site.documents import pretty


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a difference; ``kind`` is ``added``, ``removed``, ``place`` or ``same``."""

    kind: str
    text: str


_KINDS = {"+": "added", "-": "removed", "@": "place", " ": "same"}


def between(old: dict[str, Any], new: dict[str, Any]) -> list[Line]:
    """Return a unified difference of two documents; empty when they say the same."""
    lines = difflib.unified_diff(
        pretty(old).splitlines(), pretty(new).splitlines(), lineterm="", n=4
    )
    # The first two lines are file names, which do not exist here.
    return [Line(_KINDS[line[0]], line) for line in list(lines)[2:]]
