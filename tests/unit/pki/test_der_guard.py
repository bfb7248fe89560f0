"""The pass over hostile DER (AC-03)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pki import der, der_guard
from pki.findings import PkiError
from tests.unit.pki.samples import authority, key_of, raw_csr

LIMIT = 64 * 1024


def code_of(data, max_bytes=LIMIT):
    with pytest.raises(PkiError) as caught:
        der_guard.scan(data, max_bytes=max_bytes)
    return caught.value.violations[0].code


def nested(depth):
    data = b"\x05\x00"
    for _ in range(depth):
        data = der.encode(der.SEQUENCE, data)
    return data


def test_real_structures_pass():
    der_guard.scan(raw_csr(), max_bytes=LIMIT)
    from cryptography.hazmat.primitives.serialization import Encoding

    der_guard.scan(authority().certificate.public_bytes(Encoding.DER), max_bytes=LIMIT)
    assert key_of() is not None


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "der.empty"),
        (b"\x30", "der.truncated"),
        (b"\x30\x05\x02", "der.truncated"),
        (b"\x30\x84\x80\x00\x00\x00", "der.truncated"),
        (b"\x30\x80\x00\x00", "der.indefinite_length"),
        (b"\x30\x88" + b"\xff" * 8, "der.length"),
        (b"\x30\x81\x02\x05\x00", "der.length"),
        (b"\x30\x82\x00\x81" + b"\x04\x7f" + bytes(127), "der.length"),
        (b"\x30\x00\x00", "der.trailing_bytes"),
        (b"\x30\x02\x05\x00garbage", "der.trailing_bytes"),
        (b"\x30\x03\x02\x03\x01", "der.truncated"),
        (b"\x30\x02\x02\x00", "der.integer"),
        (b"\x30\x04\x02\x02\x00\x7f", "der.integer"),
        (b"\x30\x04\x02\x02\xff\x80", "der.integer"),
        (b"\x30\x03\x01\x01\x01", "der.boolean"),
        (b"\x30\x02\x06\x00", "der.oid"),
        (b"\x30\x03\x06\x01\x80", "der.oid"),
        (b"\x30\x02\x24\x00", "der.form"),
        (b"\x10\x00", "der.form"),
        (b"\x30\x02\x00\x00", "der.tag"),
        (b"\x30\x03\x9f\x1f\x00", "der.tag"),
    ],
)
def test_ac03_liberties_of_ber_are_refused(data, code):
    assert code_of(data) == code


def test_ac03_depth_is_bounded_without_recursion():
    der_guard.scan(nested(der_guard.MAX_DEPTH), max_bytes=LIMIT)
    assert code_of(nested(der_guard.MAX_DEPTH + 1)) == "der.too_deep"
    assert code_of(nested(10_000), max_bytes=1 << 20) == "der.too_deep"


def test_ac03_the_number_of_elements_is_bounded():
    fits = der.encode(der.SEQUENCE, b"\x05\x00" * (der_guard.MAX_ELEMENTS - 1))
    der_guard.scan(fits, max_bytes=LIMIT)
    bomb = der.encode(0x31, b"\x05\x00" * 1_000_000)
    assert code_of(bomb, max_bytes=1 << 22) == "der.too_many_elements"


def test_ac03_sizes_are_bounded():
    assert code_of(b"\x30" + bytes(LIMIT)) == "der.too_large"
    serial = der.encode(der.SEQUENCE, der.encode(der.INTEGER, b"\x01" * 2050))
    assert code_of(serial) == "der.integer"
    arcs = der.encode(der.SEQUENCE, der.encode(der.OBJECT_IDENTIFIER, b"\x2a" * 20_000))
    assert code_of(arcs) == "der.oid"


@given(st.binary(max_size=200))
def test_ac03_any_bytes_pass_or_are_refused(data):
    try:
        der_guard.scan(data, max_bytes=LIMIT)
    except PkiError:
        return
    assert der.element_at(data).end == len(data)


@given(st.binary(max_size=40), st.integers(0, 400))
def test_elements_written_are_elements_read(content, repeat):
    data = der.encode(0x04, content * repeat)
    der_guard.scan(data, max_bytes=LIMIT)
    element = der.element_at(data)
    assert data[element.content : element.end] == content * repeat


@pytest.mark.parametrize("data", [b"", b"\x30", b"\x30\x05\x00", b"\x30\x82\xff"])
def test_reading_past_the_end_is_an_error(data):
    with pytest.raises(ValueError):
        der.element_at(data)
