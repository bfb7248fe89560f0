"""What the command line prints: rows, JSON, notes and messages."""

import json
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rich.console import Console

# Messages only; data goes to standard output as it is.
_messages = Console(stderr=True, soft_wrap=True, markup=False, highlight=False, emoji=False)


def safe(text: str) -> str:
    """Return text from the server without characters that steer a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def say(text: str) -> None:
    """Print a message to standard error."""
    _messages.print(safe(text))


def fail(text: str) -> None:
    """Print what went wrong to standard error."""
    _messages.print(safe(text), style="red")


def write(text: str) -> None:
    """Print a line of data to standard output."""
    sys.stdout.write(text + "\n")


def write_json(value: Any) -> None:
    """Print JSON to standard output."""
    write(json.dumps(value, indent=2))


def write_list(
    rows: Iterable[dict[str, Any]],
    columns: Sequence[str],
    formats: dict[str, Callable[[Any], str]],
    *,
    as_json: bool,
    quiet: bool,
    nothing: str,
) -> None:
    """Print rows, each value in full.

    Args:
        rows: objects of the API; taken page by page while they are printed.
        columns: the fields shown.
        formats: how a field is shown to people.
        as_json: one JSON array of the whole objects.
        quiet: ids only, one a line.
        nothing: what to say to people when there is no row.
    """
    if as_json:
        write_json(list(rows))
    elif quiet:
        for row in rows:
            write(safe(str(row["id"])))
    elif not sys.stdout.isatty():
        write("\t".join(columns))
        for row in rows:
            write("\t".join(_cell(row.get(column)) for column in columns))
    else:
        shown = [[_cell(formats.get(c, plain)(row.get(c))) for c in columns] for row in rows]
        if shown:
            write_columns([list(columns), *shown])
        else:
            say(nothing)


def write_columns(lines: Sequence[Sequence[str]]) -> None:
    """Print lines of cells: in columns on a terminal, separated by tabs elsewhere."""
    cells = [[_cell(cell) for cell in line] for line in lines]
    if not sys.stdout.isatty():
        for line in cells:
            write("\t".join(line))
        return
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        padded = (c + " " * (w - _width(c)) for c, w in zip(line, widths, strict=True))
        write("  ".join(padded).rstrip())


def plain(value: Any) -> str:
    """Return a value of the API as text."""
    if isinstance(value, list):
        return ", ".join(plain(one) for one in value)
    if isinstance(value, dict) and value.keys() == {"type", "value"}:
        return f"{value['type']}:{value['value']}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _cell(value: Any) -> str:
    """Return a value on one line."""
    return safe(plain(value)).replace("\n", " ")


def _width(text: str) -> int:
    """Return the columns of a terminal that a text takes."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def tell_notes(result: dict[str, Any]) -> None:
    """Tell what of a request was changed or left out; older servers send texts or nothing."""
    for note in result.get("notes", ()):
        said = note if isinstance(note, str) else f"{note['what']} {note['why']}".strip()
        say(f"note: {said}")


def write_decision(result: dict[str, Any]) -> None:
    """Print every rule of an evaluation with its verdict."""
    lines = [["", "rule", "field", "what is wrong"]]
    for rule in result["rules"]:
        violation = rule["violation"] or {}
        text = f"{violation.get('reason', '')} {violation.get('hint', '')}".strip()
        lines.append(["ok" if rule["passed"] else "no", rule["rule"], rule["field"], text])
    shown = {rule["violation"]["code"] for rule in result["rules"] if rule["violation"]}
    for violation in result["violations"]:
        if violation["code"] not in shown:
            text = f"{violation['reason']} {violation.get('hint', '')}".strip()
            lines.append(["no", violation["code"], violation["field"], text])
    write_columns(lines)
    tell_notes(result)
    write("Would be issued." if result["accepted"] else "Would be refused.")
