"""The pass over hostile DER in its plainest form, which the quick one has to agree with."""

from pki.der_guard import (
    MAX_DEPTH,
    MAX_ELEMENTS,
    MAX_INTEGER_OCTETS,
    MAX_OID_ARCS,
    MAX_OID_OCTETS,
)


class Refused(Exception):
    """Carries the code of the first thing that is wrong."""


def scan(data: bytes, *, max_bytes: int) -> None:
    """Walk over every element once; one function for each question."""
    if not data:
        raise Refused("der.empty")
    if len(data) > max_bytes:
        raise Refused("der.too_large")
    ends = [len(data)]
    offset = count = 0
    while offset < len(data):
        while offset == ends[-1]:
            ends.pop()
        count += 1
        if count > MAX_ELEMENTS:
            raise Refused("der.too_many_elements")
        tag, content, end = header(data, offset, ends[-1])
        if tag & 0x20:
            ends.append(end)
            if len(ends) > MAX_DEPTH + 1:
                raise Refused("der.too_deep")
            offset = content
        else:
            check_content(tag, data[content:end])
            offset = end
        if count == 1 and end != len(data):
            raise Refused("der.trailing_bytes")


def header(data: bytes, offset: int, limit: int) -> tuple[int, int, int]:
    """Return tag, start and end of the content; ``limit`` is the end of what surrounds it."""
    tag = data[offset]
    number, universal = tag & 0x1F, not tag & 0xC0
    if number == 0x1F:
        raise Refused("der.tag")
    if universal and bool(tag & 0x20) != (number in (0x10, 0x11)):
        raise Refused("der.form")
    if universal and number == 0:
        raise Refused("der.tag")
    content = offset + 2
    if content > limit:
        raise Refused("der.truncated")
    length = data[offset + 1]
    if length == 0x80:
        raise Refused("der.indefinite_length")
    if length > 0x80:
        octets = data[content : content + length - 0x80]
        if len(octets) > 4:
            raise Refused("der.length")
        content += len(octets)
        length = int.from_bytes(octets, "big")
        if length < 0x80 or octets[0] == 0:
            raise Refused("der.length")
    if content + length > limit:
        raise Refused("der.truncated")
    return tag, content, content + length


def check_content(tag: int, content: bytes) -> None:
    """Check the types whose DER form is narrower than BER's."""
    if tag in (0x02, 0x0A):
        if not content or len(content) > MAX_INTEGER_OCTETS:
            raise Refused("der.integer")
        if len(content) > 1 and content[:1] == b"\x00" and content[1] < 0x80:
            raise Refused("der.integer")
        if len(content) > 1 and content[:1] == b"\xff" and content[1] >= 0x80:
            raise Refused("der.integer")
    elif tag == 0x06:
        arcs = 1 + sum(octet < 0x80 for octet in content)
        if not content or content[-1] >= 0x80:
            raise Refused("der.oid")
        if len(content) > MAX_OID_OCTETS or arcs > MAX_OID_ARCS:
            raise Refused("der.oid")
    elif tag == 0x01 and content not in (b"\x00", b"\xff"):
        raise Refused("der.boolean")
