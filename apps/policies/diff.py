"""What changed between two versions of a rule document? Pure: text in, marked lines out."""

import difflib
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a difference; ``kind`` is ``added``, ``removed``, ``place`` or ``same``."""

    kind: str
    text: str


_KINDS = {"+": "added", "-": "removed", "@": "place", " ": "same"}


def pretty(document: dict[str, Any]) -> str:
    """Return a rule document as people read and edit it."""
    return json.dumps(document, indent=2, ensure_ascii=False)


def between(old: dict[str, Any], new: dict[str, Any]) -> list[Line]:
    """Return a unified difference of two documents; empty when they say the same."""
    lines = difflib.unified_diff(
        pretty(old).splitlines(), pretty(new).splitlines(), lineterm="", n=4
    )
    # The first two lines name files, and there are none.
    return [Line(_KINDS[line[0]], line) for line in list(lines)[2:]]
