"""What did the JSON body say? Field by field into plain values; every unusable one is noted.

Serializers stop at the first level that fails and coerce what they can (``"true"``, ``1.0``);
here nothing is coerced, unknown fields are refused, and one answer lists all mistakes.
"""

import base64
import binascii
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from apps.errors import Malformed, Violation

MAX_TEXT = 1024
MAX_LIST = 1000
_MAX_NUMBER = 2**31 - 1
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_Value = TypeVar("_Value")


def reader_of(body: Any, known: Collection[str]) -> "Reader":
    """Return a reader of a JSON object that may have the fields ``known`` and no others.

    Raises:
        Malformed: the body is no JSON object.
    """
    if not isinstance(body, dict):
        raise Malformed("The body must be a JSON object.")
    reader = Reader(body)
    reader.refuse_unknown(known)
    return reader


def refuse_fields(body: Any) -> None:
    """Refuse a body that says anything at all: the act takes no arguments.

    Raises:
        Malformed: lists every field.
    """
    reader_of(body, ()).finish()


@dataclass
class Reader:
    """Reads fields of one JSON object and collects what is wrong with them.

    Each method returns ``None`` for a field that is absent or unusable; the latter makes
    ``finish`` raise. ``null`` is unusable unless the method says otherwise.
    """

    body: dict[str, Any]
    violations: list[Violation] = field(default_factory=list)

    def wrong(self, path: str, value: Any, reason: str, hint: str = "", code: str = "") -> None:
        """Note one unusable field."""
        self.violations.append(
            Violation(code or "request.field_invalid", path, str(value)[:200], reason, hint)
        )

    def refuse_unknown(self, known: Collection[str]) -> None:
        """Note each field that this request does not have."""
        for name in self.body:
            if name not in known:
                self.wrong(
                    name[:100],
                    "",
                    f"There is no field {name!r:.100}.",
                    f"Known fields: {', '.join(sorted(known)) or 'none'}.",
                    code="request.field_unknown",
                )

    def text(
        self, name: str, *, required: bool = False, blank: bool = False, limit: int = MAX_TEXT
    ) -> str | None:
        """Return a text; an empty one only with ``blank``."""
        if name not in self.body:
            if required:
                self.wrong(name, "", f"{name} is missing.", code="request.field_missing")
            return None
        return self.checked_text(self.body[name], name, blank=blank, limit=limit)

    def reference(self, name: str) -> str | None:
        """Return the name or identifier of another object; ``null`` says that there is none."""
        return None if self.body.get(name, "") is None else self.text(name)

    def checked_text(
        self, value: Any, path: str, *, blank: bool = False, limit: int = MAX_TEXT
    ) -> str | None:
        """Return ``value`` when it is a usable text."""
        least = 0 if blank else 1
        if isinstance(value, str) and least <= len(value) <= limit and "\0" not in value:
            return value
        shown = value if isinstance(value, str | int | float) else ""
        self.wrong(path, shown, f"{path} must be a text of {least} to {limit} characters.")
        return None

    def texts(self, name: str, *, limit: int = MAX_LIST) -> tuple[str, ...] | None:
        """Return a list of texts that are not empty."""
        items = self.items(name, limit=limit)
        if items is None:
            return None
        read = [self.checked_text(item, f"{name}[{i}]") for i, item in enumerate(items)]
        return tuple(item for item in read if item is not None)

    def items(
        self, name: str, *, required: bool = False, limit: int = MAX_LIST
    ) -> list[Any] | None:
        """Return a list of anything."""
        if name not in self.body:
            if required:
                self.wrong(name, "", f"{name} is missing.", code="request.field_missing")
            return None
        value = self.body[name]
        if isinstance(value, list) and len(value) <= limit:
            return value
        self.wrong(name, "", f"{name} must be a list of at most {limit}.")
        return None

    def mapping(self, name: str, *, required: bool = False) -> dict[str, Any] | None:
        """Return a JSON object."""
        if name not in self.body:
            if required:
                self.wrong(name, "", f"{name} is missing.", code="request.field_missing")
            return None
        value = self.body[name]
        if isinstance(value, dict):
            return value
        self.wrong(name, "", f"{name} must be an object.")
        return None

    def boolean(self, name: str) -> bool | None:
        """Return ``true`` or ``false``."""
        if name not in self.body:
            return None
        value = self.body[name]
        if isinstance(value, bool):
            return value
        self.wrong(name, value, f"{name} must be true or false.")
        return None

    def number(self, name: str, *, required: bool = False, nullable: bool = False) -> int | None:
        """Return a whole number; ranges are the service's to judge."""
        if name not in self.body:
            if required:
                self.wrong(name, "", f"{name} is missing.", code="request.field_missing")
            return None
        value = self.body[name]
        if value is None and nullable:
            return None
        # A JSON number such as 1.0 is an integer (JSON Schema, section 6.1.1 of 2020-12).
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        usable = isinstance(value, int) and not isinstance(value, bool)
        if usable and abs(value) <= _MAX_NUMBER:
            return int(value)
        self.wrong(name, value, f"{name} must be a whole number.")
        return None

    def choice(self, name: str, known: Sequence[str], *, required: bool = False) -> str | None:
        """Return one of the ``known`` words."""
        value = self.text(name, required=required)
        if value is None or value in known:
            return value
        self.wrong(name, value, f"{value!r:.100} is not known.", f"Use: {', '.join(known)}.")
        return None

    def choices(self, name: str, known: Sequence[str]) -> tuple[str, ...] | None:
        """Return a list of ``known`` words, without repeats."""
        items = self.items(name)
        if items is None:
            return None
        for index, item in enumerate(items):
            if item not in known:
                path, hint = f"{name}[{index}]", f"Use: {', '.join(known)}."
                self.wrong(path, item, f"{item!r:.100} is not known.", hint)
        return tuple(dict.fromkeys(item for item in items if item in known))

    def time(self, name: str) -> datetime | None:
        """Return an RFC 3339 time with offset as UTC in whole seconds."""
        value = self.text(name)
        if value is None:
            return None
        if _TIME.fullmatch(value):
            try:
                parsed = datetime.fromisoformat(value)
                return parsed.astimezone(UTC).replace(microsecond=0)
            except (ValueError, OverflowError):
                pass
        hint = "Example: 2027-01-31T12:00:00Z."
        self.wrong(name, value, f"{name} must be an RFC 3339 time.", hint)
        return None

    def parsed(self, name: str, parse: Callable[[str], _Value], hint: str = "") -> _Value | None:
        """Return what ``parse`` makes of a text; its ValueError says what is wrong."""
        value = self.text(name)
        if value is None:
            return None
        try:
            return parse(value)
        except ValueError as error:
            self.wrong(name, value, str(error), hint)
            return None

    def pem_or_der(self, name: str, *, required: bool = False, limit: int) -> bytes | None:
        """Return bytes sent as PEM text, or as base64 of DER."""
        value = self.text(name, required=required, limit=limit)
        if value is None or "-----BEGIN" in value or not value.isascii():
            return value.encode() if value is not None else None
        try:
            return base64.b64decode("".join(value.split()), validate=True)
        except (binascii.Error, ValueError):
            self.wrong(name, "", f"{name} is neither PEM nor base64 of DER.")
            return None

    def finish(self) -> None:
        """Raise when anything was wrong.

        Raises:
            Malformed: lists every unusable field.
        """
        if self.violations:
            raise Malformed(violations=self.violations)
