"""What people paste is read as the one stored form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pki import spellings
from pki.serials import serial_hex

DIGEST = "0a" * 32


@pytest.mark.parametrize(
    "text",
    [
        *("1ab2", "1AB2", "01ab2", "0x1ab2", "0X01AB2", "1a:b2", "01:AB:2", " 1A B2 ", "1a-b2"),
        *("serial=01AB2", "serial:1ab2", "Serial Number: 1a:b2", "Serial Number:\n        1a:b2"),
        *("6834 (0x1ab2)", "Serial Number: 6834 (0x1ab2)", "\u200e1a b2", "serialNumber=0x1AB2"),
    ],
)
def test_serial_numbers(text):
    assert spellings.serial_number(text) == "1ab2"


@pytest.mark.parametrize(
    "text",
    [
        *(DIGEST, DIGEST.upper(), ":".join(["0A"] * 32), " ".join(["0a"] * 32)),
        *(f"sha256 Fingerprint={':'.join(['0A'] * 32)}", f"SHA-256: {DIGEST}", f"\u200e{DIGEST}"),
        f"Thumbprint: {DIGEST}",
    ],
)
def test_digests_keep_their_leading_zeros(text):
    assert spellings.hex_digits(text) == DIGEST


@pytest.mark.parametrize("text", ["", " ", "0x", "xyz", "www.example.com", "serial", "1g", "::"])
def test_other_texts_are_no_numbers(text):
    assert spellings.serial_number(text) == spellings.hex_digits(text) == ""


def test_zero_is_a_number():
    assert spellings.serial_number("00:00") == "0"


@given(st.integers(min_value=0, max_value=2**159), st.booleans(), st.sampled_from([":", " ", ""]))
def test_any_number_in_groups_is_itself(number, upper, separator):
    octets = number.to_bytes(20).hex(separator) if separator else number.to_bytes(20).hex()
    assert spellings.serial_number(octets.upper() if upper else octets) == serial_hex(number)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("WWW.Example.COM", "www.example.com"),
        ("www.example.com.", "www.example.com"),
        ("B\u00fccher.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "b\u00fccher.example"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("*.Example.com", "*.example.com"),
        ("part", "part"),
        ("a..b", "a..b"),
    ],
)
def test_names(typed, stored):
    assert stored in spellings.of_name(typed)


@given(st.text(max_size=100))
def test_any_text_has_a_spelling(text):
    assert spellings.of_name(text)
