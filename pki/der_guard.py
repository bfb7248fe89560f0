"""Scan of hostile bytes before any parser: strict DER of bounded size, depth and number.

The parsers are memory-safe; this pass bounds their work, and refuses the freedoms of BER that
make two readers disagree (AC-03, X.690 section 10). It never recurses.
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


def _tag_fault(tag: int) -> tuple[str, str, str] | None:
    """Return code, reason and value of what is wrong with an identifier octet."""
    number, universal = tag & _NUMBER, not tag & _CLASS
    if number == _NUMBER:
        return "der.tag", "Tag numbers above 30 do not occur in these structures.", ""
    if universal and bool(tag & _CONSTRUCTED) != (number in _CONSTRUCTED_TYPES):
        return "der.form", "A primitive type is constructed, or the reverse.", f"{tag:#04x}"
    if universal and number == 0:
        return "der.tag", "Tag 0 is reserved.", ""
    return None


_TAG_FAULTS = tuple(_tag_fault(tag) for tag in range(256))


def scan(data: bytes, *, max_bytes: int, max_elements: int = MAX_ELEMENTS) -> None:  # noqa: C901, PLR0912 - calls per element would cost more than the work
    """Walk over every element once.

    Args:
        data: one DER element and nothing after it.
        max_bytes: refuse longer input unseen.
        max_elements: refuse input with more elements; a CRL has many.

    Raises:
        PkiError: too long, too deep, too many elements, lengths that are indefinite, not
            minimal or beyond the end, bytes after the end, forms that DER forbids.
    """
    size = len(data)
    if not size:
        _refuse("der.empty", "There is no input.")
    if size > max_bytes:
        _refuse("der.too_large", f"The input is longer than {max_bytes} bytes.", str(size))
    limit = size  # the end of what surrounds the element at ``offset``
    outer: list[int] = []  # the ends of what surrounds that
    offset = count = 0
    while offset < size:
        while offset == limit:
            limit = outer.pop()
        count += 1
        if count > max_elements:
            _refuse("der.too_many_elements", f"More than {max_elements} elements.")
        tag = data[offset]
        fault = _TAG_FAULTS[tag]
        if fault is not None:
            _refuse(*fault)
        offset += 2
        if offset > limit:
            _refuse("der.truncated", "An element ends before its length.")
        length = data[offset - 1]
        if length >= _LONG_FORM:
            offset, length = _long_length(data, offset, length)
        end = offset + length
        if end > limit:
            _refuse("der.truncated", "An element is longer than what surrounds it.")
        if tag & _CONSTRUCTED:
            outer.append(limit)
            limit = end
            if len(outer) > MAX_DEPTH:
                _refuse("der.too_deep", f"Elements are nested more than {MAX_DEPTH} deep.")
        else:
            check = _CONTENT_CHECKS[tag]
            # No call for the object identifiers that are short, as nearly all are.
            if check is not None and not (
                tag == _OID and 0 < length < MAX_OID_ARCS and data[end - 1] < _HIGH_BIT
            ):
                check(data, offset, end)
            offset = end
        if count == 1 and end != size:
            _refuse("der.trailing_bytes", "Bytes follow the end of the structure.")


def _long_length(data: bytes, content: int, first: int) -> tuple[int, int]:
    """Return the start of the content and its length, where the length has octets of its own."""
    if first == _INDEFINITE:
        _refuse("der.indefinite_length", "A length is indefinite.")
    octets = data[content : content + first - _LONG_FORM]
    if len(octets) > _MAX_LENGTH_OCTETS:
        _refuse("der.length", "A length is absurdly long.")
    length = int.from_bytes(octets, "big")
    if length < _LONG_FORM or octets[0] == 0:
        _refuse("der.length", "A length is not in its shortest form.")
    return content + len(octets), length


def _check_boolean(data: bytes, start: int, end: int) -> None:
    if data[start:end] not in (b"\x00", b"\xff"):
        _refuse("der.boolean", "A BOOLEAN is neither 00 nor ff.")


def _check_oid(data: bytes, start: int, end: int) -> None:
    size = end - start
    if not size or data[end - 1] & _HIGH_BIT:
        _refuse("der.oid", "An object identifier is empty or cut short.")
    if size < MAX_OID_ARCS:  # an arc has at least one octet, the first two share one
        return
    arcs = 1 + sum(octet < _HIGH_BIT for octet in data[start:end])
    if size > MAX_OID_OCTETS or arcs > MAX_OID_ARCS:
        _refuse("der.oid", f"An object identifier has more than {MAX_OID_ARCS} arcs.")


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


# The types whose DER form is narrower than BER's.
_NARROW_TYPES = {
    _BOOLEAN: _check_boolean,
    _INTEGER: _check_integer,
    _OID: _check_oid,
    _ENUMERATED: _check_integer,
}
_CONTENT_CHECKS = tuple(_NARROW_TYPES.get(tag) for tag in range(256))


def _refuse(code: str, reason: str, value: str = "") -> NoReturn:
    raise PkiError([Violation(code=code, field="data", value=value, reason=reason)])
