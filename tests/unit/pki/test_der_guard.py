"""The pass over hostile DER (AC-03)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pki import der_guard
from pki.findings import PkiError
from tests.unit.pki import der, plain_guard
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


def elements():
    """Return DER, and what looks like it: any tag, small contents, a few levels."""
    primitive = st.builds(
        der.encode,
        st.sampled_from([0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x0A, 0x0C, 0x1F, 0x24, 0x82]),
        st.one_of(
            st.sampled_from([b"\x00", b"\xff", b"\x00\x7f", b"\x00\x80", b"\xff\x80", b"\xff\x7f"]),
            st.binary(max_size=4),
            st.builds(bytes.__mul__, st.sampled_from([b"\x2a", b"\x81\x01"]), st.integers(30, 130)),
        ),
    )
    tags = st.sampled_from([0x30, 0x31, 0xA0, 0xBF, 0x10])
    return st.recursive(
        primitive,
        lambda inner: st.builds(
            lambda tag, parts: der.encode(tag, *parts), tags, st.lists(inner, max_size=5)
        ),
        max_leaves=12,
    )


def outcome(scan, data):
    try:
        scan(data, max_bytes=LIMIT)
    except PkiError as error:
        (violation,) = error.violations
        return violation.code
    except plain_guard.Refused as error:
        return str(error)
    return ""


@settings(max_examples=500)
@given(
    elements(),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=3),
    st.binary(max_size=2),
)
def test_ac03_the_quick_pass_decides_as_the_plain_one_does(data, changes, after):
    changed = bytearray(data + after)
    for position, octet in changes:
        changed[int(position * len(changed))] = octet
    for variant in (data, bytes(changed)):
        assert outcome(der_guard.scan, variant) == outcome(plain_guard.scan, variant)


def test_ac03_the_quick_pass_refuses_each_change_of_a_request_as_the_plain_one_does():
    request = raw_csr()
    for position in range(len(request)):
        for octet in (0x00, 0x1F, 0x7F, 0x80, 0x84, 0xFF, request[position] ^ 0x20):
            data = request[:position] + bytes([octet]) + request[position + 1 :]
            assert outcome(der_guard.scan, data) == outcome(plain_guard.scan, data)
    for end in range(len(request)):
        data = request[:end]
        assert outcome(der_guard.scan, data) == outcome(plain_guard.scan, data)


@pytest.mark.parametrize("arcs", [63, 64, 65, 128, 129])
def test_ac03_arcs_are_counted_at_the_bound(arcs):
    for content in (b"\x2a" * (arcs - 1), b"\x81\x01" * (arcs // 2)):
        data = der.encode(der.SEQUENCE, der.encode(der.OBJECT_IDENTIFIER, content))
        assert outcome(der_guard.scan, data) == outcome(plain_guard.scan, data)


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
