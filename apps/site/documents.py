"""Text layout of JSON documents for reading, editing and comparing."""

import json
from typing import Any

_WIDTH = 84
_INDENT = 2


def pretty(document: Any, *, indent: int = 0) -> str:
    """Return JSON with one line for each entry; short entries stay on one line.

    The layout depends on the content only, so that a line-by-line difference of two versions is
    small.
    """
    flat = json.dumps(document, ensure_ascii=False)
    if not document or not isinstance(document, dict | list):
        return flat
    if indent and len(flat) + indent <= _WIDTH:
        return flat
    inner = indent + _INDENT
    pad, end = " " * inner, " " * indent
    if isinstance(document, dict):
        lines = [
            f"{pad}{json.dumps(name, ensure_ascii=False)}: {pretty(value, indent=inner)}"
            for name, value in document.items()
        ]
        return "{\n" + ",\n".join(lines) + f"\n{end}}}"
    lines = [f"{pad}{pretty(value, indent=inner)}" for value in document]
    return "[\n" + ",\n".join(lines) + f"\n{end}]"
