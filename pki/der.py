"""How are single DER elements read and written where no library hands out the bytes?

Used for the few places that need the exact octets (the AlgorithmIdentifier of a TBS, the
BIT STRING of a public key, the order of checks on hostile input); everything else is
``cryptography``. X.690 sections 8.1 and 10.1.
"""

from collections.abc import Iterator
from typing import NamedTuple

INTEGER = 0x02
BIT_STRING = 0x03
OBJECT_IDENTIFIER = 0x06
SEQUENCE = 0x30
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
    try:
        tag, length = data[offset], data[offset + 1]
    except IndexError as error:
        raise ValueError("the DER element is cut short") from error
    content = offset + 2
    if length >= _LONG_FORM:
        octets = length - _LONG_FORM
        length = int.from_bytes(data[content : content + octets], "big")
        content += octets
    if content + length > len(data):
        raise ValueError("the DER element is cut short")
    return Element(tag, offset, content, content + length)


def children(data: bytes, parent: Element) -> Iterator[Element]:
    """Yield the elements directly inside a constructed one."""
    offset = parent.content
    while offset < parent.end:
        child = element_at(data, offset)
        yield child
        offset = child.end


def encode(tag: int, *parts: bytes) -> bytes:
    """Return one element whose content is the concatenated ``parts``."""
    size = sum(map(len, parts))
    if size < _LONG_FORM:
        return b"".join((bytes((tag, size)), *parts))
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return b"".join((bytes((tag, _LONG_FORM | len(octets))), octets, *parts))
