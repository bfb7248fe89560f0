"""DocumentReader for JSON documents that collects all faults instead of stopping at the first.

It reads rule documents and profile defaults, which are written by people.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from apps.policies.durations import parse_duration
from pki.addresses import quoted
from pki.findings import Violation, shown

_SHOWN = 200
_MAX_ITEMS = 1000


class DocumentReader:
    """Reads values of a JSON document and collects what is wrong with them.

    Args:
        area: first part of each violation's code, e.g. ``policy``.
    """

    def __init__(self, area: str) -> None:
        self._area = area
        self.violations: list[Violation] = []

    def wrong(self, code: str, path: str, value: str, reason: str, hint: str = "") -> None:
        """Add a violation."""
        self.violations.append(
            Violation(f"{self._area}.{code}", path, value[:_SHOWN], reason, hint)
        )

    def duplicate(self, path: str, value: str) -> None:
        """Add the violation of a value that is twice in its list."""
        self.wrong("duplicate", path, value, f"'{value:.100}' is listed twice.", "Remove one.")

    def contradiction(self, path: str, value: str) -> None:
        """Add the violation of a value that is both granted and denied."""
        self.wrong(
            "contradiction",
            f"{path}.denied",
            value,
            f"'{value:.100}' is denied and granted at once.",
            "Remove it from one of the lists.",
        )

    def mapping(self, value: object, path: str, keys: Sequence[str]) -> dict[str, Any]:
        """Return the known entries of an object; every other entry is a violation."""
        if not isinstance(value, dict):
            self._wrong_type(value, path, "an object")
            return {}
        for key in value:
            if key not in keys:
                self.wrong(
                    "unknown_key",
                    f"{path}.{key}"[:_SHOWN],
                    str(key),
                    f"There is no member {quoted(str(key))} here.",
                    f"Known members: {', '.join(keys)}.",
                )
        return {key: value[key] for key in keys if key in value}

    def items(self, value: object, path: str) -> list[Any]:
        """Return a list's items."""
        if not isinstance(value, list | tuple):
            self._wrong_type(value, path, "a list")
            return []
        if len(value) > _MAX_ITEMS:
            self.wrong(
                "too_many", path, str(len(value)), f"A list holds at most {_MAX_ITEMS} items."
            )
            return []
        return list(value)

    def text(self, value: object, path: str) -> str | None:
        """Return a text that is not empty."""
        if isinstance(value, str) and value:
            return value
        self._wrong_type(value, path, "a text")
        return None

    def choice(self, value: object, path: str, known: Sequence[str]) -> str | None:
        """Return one of the known words."""
        if isinstance(value, str) and value in known:
            return value
        if value is None:
            self.wrong("missing", path, "", "This is missing.", f"One of: {', '.join(known)}.")
        else:
            self.wrong(
                "unknown_value",
                path,
                shown(value),
                f"'{shown(value):.100}' is not known here.",
                f"One of: {', '.join(known)}.",
            )
        return None

    def choices(self, value: object, path: str, known: Sequence[str]) -> tuple[str, ...]:
        """Return a list of known words in order, each once."""
        found: list[str] = []
        for index, item in enumerate(self.items(value, path)):
            word = self.choice("" if item is None else item, f"{path}[{index}]", known)
            if word is None:
                continue
            if word in found:
                self.duplicate(f"{path}[{index}]", word)
            found.append(word)
        return tuple(found)

    def duration(self, value: object, path: str) -> timedelta | None:
        """Return a duration such as ``90d``."""
        text = self.text(value, path)
        if text is None:
            return None
        try:
            return parse_duration(text)
        except ValueError as error:
            self.wrong("value_invalid", path, text, str(error), "Examples: 90d, 12h, 30m.")
            return None

    def _wrong_type(self, value: object, path: str, wanted: str) -> None:
        self.wrong("wrong_type", path, shown(value), f"This must be {wanted}.")
