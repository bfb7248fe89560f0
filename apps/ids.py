"""How do rows get their identifiers? UUID version 7 (RFC 9562 section 5.7).

The identifier is fixed before the row is written, so that ciphertext can be bound to it,
and it rises with time, so that ``ORDER BY id`` is chronological: keyset paging needs no
second column, and inserts stay at one end of the index.
"""

import os
import time
import uuid

_VERSION_7 = 0x7 << 76
_VARIANT_RFC9562 = 0x2 << 62


def uuid7() -> uuid.UUID:
    """Return a new UUIDv7: 48 bits of Unix milliseconds, then 74 random bits."""
    unix_ms = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    rand_a = (random >> 62) & 0xFFF
    rand_b = random & 0x3FFF_FFFF_FFFF_FFFF
    return uuid.UUID(int=(unix_ms << 80) | _VERSION_7 | (rand_a << 64) | _VARIANT_RFC9562 | rand_b)
