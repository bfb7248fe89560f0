"""Random certificate serial numbers and their text form."""

import os

_OCTETS = 20
_POSITIVE = 2 ** (8 * _OCTETS - 1) - 1  # everything but the sign bit
_LEAST = 2 ** (8 * (_OCTETS - 1))


def new_serial() -> int:
    """Return a random serial number of exactly 20 octets.

    The top octet is 0x01 to 0x7f, so that the number is positive, never zero and always
    encodes to the same length; the other 19 octets (152 bits) come from the system's CSPRNG.

    Source: RFC 5280 section 4.1.2.2 (X-02); Baseline Requirements 7.1 want 64 random bits.
    """
    number = 0
    while number < _LEAST:  # one time in 128, the top octet is zero
        number = int.from_bytes(os.urandom(_OCTETS)) & _POSITIVE
    return number


def serial_hex(serial_number: int) -> str:
    """Return the form that the database and URLs use: lower-case hex, no leading zeros."""
    return f"{serial_number:x}"
