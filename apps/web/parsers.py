"""Strict JSON parser: UTF-8 objects with one meaning that a database can store."""

import codecs
import json
import math
import re
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.parsers import BaseParser

from apps.errors import Malformed
from pki.addresses import visible
from pki.findings import Violation, storable

MAX_DEPTH = 32
MAX_NODES = 10_000
_MAX_PATH = 200
# RFC 8259 section 8.1: not to be added. Those of UTF-32 first: UTF-16's is how one of them begins.
_MARKS = (
    (codecs.BOM_UTF8, "UTF-8"),
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
# NUL or half of a surrogate pair: legal in JSON escapes, impossible in PostgreSQL and UTF-8.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class StrictJSONParser(BaseParser):
    """RFC 8259 JSON objects in UTF-8; what parsers disagree about is refused (RFC 7493)."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,  # noqa: ARG002 - DRF's signature
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002 - DRF's signature
    ) -> dict[str, Any]:
        """Return the body as a dictionary.

        Raises:
            Malformed: not UTF-8, not JSON, no object, duplicate names, NaN or infinity,
                deeper than 32 levels, more than 10 000 values, NUL or lone surrogates.
        """
        return parse_object(stream.read())


class BulkJSONParser(StrictJSONParser):
    """As its base; texts in the items of ``requests`` are left to whoever reads the items.

    Each item stands for itself, so that one with a text that no database holds stops no other.
    """

    items = "requests"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,  # noqa: ARG002 - DRF's signature
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002 - DRF's signature
    ) -> dict[str, Any]:
        """Return the body as a dictionary.

        Raises:
            Malformed: as ``StrictJSONParser.parse``.
        """
        document = _decoded(stream.read())
        items = document.get(self.items)
        _check(document, texts=False)
        _check(document if not isinstance(items, list) else document | {self.items: None})
        return document


def require_storable(item: Any) -> None:
    """Refuse a JSON value with a text that no database holds.

    Raises:
        Malformed: a text holds NUL or half of a surrogate pair.
    """
    _check({"": item})


def parse_object(data: bytes) -> dict[str, Any]:
    """Return the JSON object that ``data`` holds, of a request or of a form.

    Raises:
        Malformed: as ``StrictJSONParser.parse``.
    """
    document = _decoded(data)
    _check(document)
    return document


def _decoded(data: bytes) -> dict[str, Any]:
    mark = next((name for start, name in _MARKS if data.startswith(start)), "")
    if mark:
        reason = f"The document begins with a byte order mark ({mark}): send UTF-8 without one."
        raise _refusal("encoding", reason)
    try:
        document = _DECODER.decode(data.decode("utf-8"))
    except UnicodeDecodeError as exc:
        raise _refusal("encoding", "The document is not UTF-8.") from exc
    except RecursionError as exc:
        raise _too_deep() from exc
    except ValueError as exc:  # includes JSONDecodeError and integers of absurd length
        position = ""
        if isinstance(exc, json.JSONDecodeError):
            position = f" at line {exc.lineno}, column {exc.colno}"
        raise _refusal("syntax", f"The document is not JSON{position}.") from exc
    if not isinstance(document, dict):
        raise _refusal("no_object", "The document must be a JSON object.")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object with the same name twice: readers disagree about which one counts."""
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
    raise _refusal("duplicate_name", "The document names a member twice.", twice)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _refusal("number", "A number is out of range.")
    return number


def _no_constant(name: str) -> None:
    raise _refusal("number", f"{name} is not a JSON number.", name)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite
)


def _check(document: dict[str, Any], *, texts: bool = True) -> None:
    """Walk the document once, level by level, without recursion."""
    try:
        _walk(document, texts=texts)
    except _UnstorableText as fault:
        reason = "A text holds a NUL or half of a surrogate pair."
        hint = "Only characters that UTF-8 has, without NUL."
        where = _place_of(fault.text, document)
        raise _refusal("text", reason, visible(fault.text), where, hint) from None


class _UnstorableText(Exception):
    """A text that no database holds."""

    def __init__(self, text: str) -> None:
        self.text = text


def _place_of(text: str, document: dict[str, Any]) -> str:
    """Return the path of the value with a text, or of the object that has it as a name.

    Looked for after the fact: to carry paths along would cost every sound document.
    """
    level: list[tuple[str, Any]] = [("", document)]
    while level:
        below: list[tuple[str, Any]] = []
        for path, value in level:
            if value is text or (isinstance(value, dict) and any(key is text for key in value)):
                return storable(path)[:_MAX_PATH]
            if isinstance(value, dict):
                below += ((f"{path}.{key}" if path else key, one) for key, one in value.items())
            elif isinstance(value, list):
                below += ((f"{path}[{index}]", one) for index, one in enumerate(value))
        level = below
    return ""


def _walk(document: dict[str, Any], *, texts: bool) -> None:
    level: list[Any] = [document]
    nodes = 1
    for _depth in range(MAX_DEPTH):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                for name in value if texts else ():
                    _check_text(name)
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
            elif texts and isinstance(value, str):
                _check_text(value)
        nodes += len(below)
        if nodes > MAX_NODES:
            raise _refusal("too_many_values", f"The document holds more than {MAX_NODES} values.")
        if not below:
            return
        level = below
    raise _too_deep()


def _check_text(text: str) -> None:
    if _UNSTORABLE.search(text):
        raise _UnstorableText(text)


def _too_deep() -> Malformed:
    return _refusal("too_deep", f"The document is nested deeper than {MAX_DEPTH} levels.")


def _refusal(code: str, reason: str, value: str = "", where: str = "", hint: str = "") -> Malformed:
    return Malformed(violations=[Violation(f"json.{code}", where, value[:200], reason, hint)])
