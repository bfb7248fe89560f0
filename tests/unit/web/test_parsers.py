"""The JSON parser refuses ambiguous and malformed bodies."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.errors import Malformed
from apps.web.parsers import MAX_DEPTH, MAX_NODES, parse_object


def nested(depth: int) -> bytes:
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "json.syntax"),
        (b"{", "json.syntax"),
        (b"\xff\xfe", "json.encoding"),
        ('{"a": 1}'.encode("utf-16"), "json.encoding"),
        (b'\xef\xbb\xbf{"a": 1}', "json.encoding"),
        (b'{"a": 1} x', "json.syntax"),
        (b"[]", "json.no_object"),
        (b"null", "json.no_object"),
        (b'{"a": 1, "a": 2}', "json.duplicate_name"),
        (b'{"b": [{"a": 1, "\\u0061": 2}]}', "json.duplicate_name"),
        (b'{"a": NaN}', "json.number"),
        (b'{"a": -Infinity}', "json.number"),
        (b'{"a": 1e999}', "json.number"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "json.syntax"),
        (b'{"a": "x\\u0000y"}', "json.text"),
        (b'{"x\\u0000y": 1}', "json.text"),
        (b'{"a": ["\\ud800"]}', "json.text"),
        (b'{"a": "x\x00y"}', "json.syntax"),
        (nested(MAX_DEPTH + 1), "json.too_deep"),
        (nested(400_000), "json.too_deep"),
        (b'{"a": [' + b"1," * MAX_NODES + b"1]}", "json.too_many_values"),
    ],
)
def test_ambiguous_or_hostile_bodies_are_refused(body, code):
    with pytest.raises(Malformed) as caught:
        parse_object(body)
    assert caught.value.violations[0].code == code


def test_the_deepest_allowed_body_is_read():
    assert parse_object(nested(MAX_DEPTH))["a"]


def test_surrogate_pairs_are_ordinary_text():
    assert parse_object(b'{"a": "\\ud83d\\ude00"}') == {"a": "\N{GRINNING FACE}"}


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=100)
@given(st.dictionaries(_TEXT, _JSON, max_size=4))
def test_what_json_can_say_once_is_read_unchanged(document):
    assert parse_object(json.dumps(document).encode()) == document


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body):
    with contextlib.suppress(Malformed):
        assert isinstance(parse_object(body), dict)


@pytest.mark.parametrize("name", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_is_called_so(name):
    with pytest.raises(Malformed, match="byte order mark"):
        parse_object('{"a": 1}'.encode(name))
