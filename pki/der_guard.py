"""Are these bytes plain DER of sane size and shape, before any parser sees them?

The parsers behind are memory-safe; this pass bounds what they are asked to do and refuses
BER liberties that make two readers disagree (AC-03, SECURITY 5.9). It never recurses.
"""

from typing import NoReturn

from pki.findings import PkiError, Violation

MAX_DEPTH = 32
MAX_ELEMENTS = 20_000
MAX_OID_OCTETS = 128
MAX_OID_ARCS = 64
MAX_INTEGER_OCTETS = 2049

_CONSTRUCTED = 0x20
_CLASS = 0xC0
_NUMBER = 0x1F
_INDEFINITE = 0x80
_LONG_FORM = 0x80
_MAX_LENGTH_OCTETS = 4

_BOOLEAN, _INTEGER, _OID, _ENUMERATED = 0x01, 0x02, 0x06, 0x0A
_CONSTRUCTED_TYPES = frozenset({0x10, 0x11})  # SEQUENCE, SET
_HIGH_BIT = 0x80


def scan(data: bytes, *, max_bytes: int) -> None:
    """Walk over every element once.

    Args:
        data: one DER element and nothing after it.
        max_bytes: refuse longer input unseen.

    Raises:
        PkiError: too long, too deep, too many elements, lengths that are indefinite, not
            minimal or beyond the end, bytes after the end, forms that DER forbids.
    """
    if not data:
        _refuse("der.empty", "There is no input.")
    if len(data) > max_bytes:
        _refuse("der.too_large", f"The input is longer than {max_bytes} bytes.", str(len(data)))
    ends = [len(data)]
    offset = count = 0
    while offset < len(data):
        while offset == ends[-1]:
            ends.pop()
        count += 1
        if count > MAX_ELEMENTS:
            _refuse("der.too_many_elements", f"More than {MAX_ELEMENTS} elements.")
        tag, content, end = _header(data, offset, ends[-1])
        if tag & _CONSTRUCTED:
            ends.append(end)
            if len(ends) > MAX_DEPTH + 1:
                _refuse("der.too_deep", f"Elements are nested more than {MAX_DEPTH} deep.")
            offset = content
        else:
            _check_primitive(tag, data, content, end)
            offset = end
        if count == 1 and end != len(data):
            _refuse("der.trailing_bytes", "Bytes follow the end of the structure.")


def _header(data: bytes, offset: int, limit: int) -> tuple[int, int, int]:
    """Return tag, start and end of the content; ``limit`` is the end of what surrounds it."""
    tag = data[offset]
    number = tag & _NUMBER
    if number == _NUMBER:
        _refuse("der.tag", "Tag numbers above 30 do not occur in these structures.")
    if not tag & _CLASS and bool(tag & _CONSTRUCTED) != (number in _CONSTRUCTED_TYPES):
        _refuse("der.form", "A primitive type is constructed, or the reverse.", f"{tag:#04x}")
    if not tag & _CLASS and number == 0:
        _refuse("der.tag", "Tag 0 is reserved.")
    content = offset + 2
    if content > limit:
        _refuse("der.truncated", "An element ends before its length.")
    length = data[offset + 1]
    if length == _INDEFINITE:
        _refuse("der.indefinite_length", "A length is indefinite.")
    if length > _LONG_FORM:
        octets = data[content : content + length - _LONG_FORM]
        if len(octets) > _MAX_LENGTH_OCTETS:
            _refuse("der.length", "A length is absurdly long.")
        content += len(octets)
        length = int.from_bytes(octets, "big")
        if length < _LONG_FORM or octets[0] == 0:
            _refuse("der.length", "A length is not in its shortest form.")
    if content + length > limit:
        _refuse("der.truncated", "An element is longer than what surrounds it.")
    return tag, content, content + length


def _check_primitive(tag: int, data: bytes, start: int, end: int) -> None:
    """Check the content of the types whose DER form is narrower than BER's."""
    if tag in (_INTEGER, _ENUMERATED):
        _check_integer(data, start, end)
    elif tag == _OID:
        content = data[start:end]
        arcs = 1 + sum(octet < _HIGH_BIT for octet in content)
        if not content or content[-1] & _HIGH_BIT:
            _refuse("der.oid", "An object identifier is empty or cut short.")
        if len(content) > MAX_OID_OCTETS or arcs > MAX_OID_ARCS:
            _refuse("der.oid", f"An object identifier has more than {MAX_OID_ARCS} arcs.")
    elif tag == _BOOLEAN and data[start:end] not in (b"\x00", b"\xff"):
        _refuse("der.boolean", "A BOOLEAN is neither 00 nor ff.")


def _check_integer(data: bytes, start: int, end: int) -> None:
    size = end - start
    if not size:
        _refuse("der.integer", "An INTEGER is empty.")
    if size > MAX_INTEGER_OCTETS:
        _refuse("der.integer", f"An INTEGER is longer than {MAX_INTEGER_OCTETS} octets.")
    if size > 1 and data[start] in (0x00, 0xFF):
        padded = bool(data[start + 1] & _HIGH_BIT) == (data[start] == 0xFF)  # noqa: PLR2004 - sign octet
        if padded:
            _refuse("der.integer", "An INTEGER is not in its shortest form.")


def _refuse(code: str, reason: str, value: str = "") -> NoReturn:
    raise PkiError([Violation(code=code, field="data", value=value, reason=reason)])
