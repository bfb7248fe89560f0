"""DER elements written and read by hand, for input that no library would write (X.690)."""

from collections.abc import Iterator
from typing import NamedTuple

INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
SEQUENCE = 0x30
SET = 0x31
CONTEXT_0 = 0xA0

_LONG_FORM = 0x80


class Element(NamedTuple):
    """Where one element lies in its buffer.

    Attributes:
        tag: identifier octet.
        start: offset of the identifier octet.
        content: offset of the first content octet.
        end: offset after the last content octet.
    """

    tag: int
    start: int
    content: int
    end: int


def element_at(data: bytes, offset: int = 0) -> Element:
    """Return the element that starts at ``offset`` of well-formed DER.

    Raises:
        ValueError: the buffer ends before the element does.
    """
    content, end = bounds(data, offset)
    return Element(data[offset], offset, content, end)


def bounds(data: bytes, offset: int = 0) -> tuple[int, int]:
    """Return start and end of the content of the element at ``offset`` of well-formed DER.

    Raises:
        ValueError: the buffer ends before the element does.
    """
    try:
        length = data[offset + 1]
    except IndexError as error:
        raise ValueError("the DER element is cut short") from error
    content = offset + 2
    if length >= _LONG_FORM:
        octets = length - _LONG_FORM
        length = int.from_bytes(data[content : content + octets], "big")
        content += octets
    end = content + length
    if end > len(data):
        raise ValueError("the DER element is cut short")
    return content, end


def split(data: bytes) -> list[bytes]:
    """Return the elements directly inside the constructed one that ``data`` begins with.

    Raises:
        ValueError: the buffer ends before an element does.
    """
    offset, end = bounds(data, 0)
    found = []
    while offset < end:
        _, after = bounds(data, offset)
        found.append(data[offset:after])
        offset = after
    return found


def content(data: bytes) -> bytes:
    """Return the content octets of the element that ``data`` begins with.

    Raises:
        ValueError: the buffer ends before the element does.
    """
    start, end = bounds(data, 0)
    return data[start:end]


def children(data: bytes, parent: Element) -> Iterator[Element]:
    """Yield the elements directly inside a constructed one."""
    offset = parent.content
    while offset < parent.end:
        child = element_at(data, offset)
        yield child
        offset = child.end


def encode(tag: int, *parts: bytes) -> bytes:
    """Return one element whose content is the concatenated ``parts``."""
    joined = b"".join(parts)
    size = len(joined)
    if size < _LONG_FORM:
        return bytes((tag, size)) + joined
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, _LONG_FORM | len(octets))) + octets + joined


def integer(value: int, tag: int = INTEGER) -> bytes:
    """Return a non-negative INTEGER (or ENUMERATED) in its fewest octets."""
    return encode(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def object_identifier(dotted: str) -> bytes:
    """Return an OBJECT IDENTIFIER from its dotted form."""
    first, second, *arcs = map(int, dotted.split("."))
    content = bytearray()
    for arc in (first * 40 + second, *arcs):
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(0x80 | (arc & 0x7F))
        content += bytes(reversed(septets))
    return encode(OBJECT_IDENTIFIER, bytes(content))


def extension(oid: bytes, value: bytes, *, critical: bool = False) -> bytes:
    """Return an Extension; ``oid`` and ``value`` are DER, a false ``critical`` stays unwritten."""
    wrapped = encode(OCTET_STRING, value)
    if critical:
        return encode(SEQUENCE, oid, b"\x01\x01\xff", wrapped)
    return encode(SEQUENCE, oid, wrapped)
