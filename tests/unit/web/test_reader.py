"""Are bodies read strictly, and are all mistakes listed?"""

from datetime import UTC, datetime

import pytest

from apps.errors import Malformed
from apps.web.reader import Reader, reader_of, refuse_fields


def wrong(reader: Reader) -> list[str]:
    return [violation.field for violation in reader.violations]


def test_a_body_must_be_an_object():
    for body in ([], "x", None, 5):
        with pytest.raises(Malformed):
            reader_of(body, ())


def test_unknown_fields_are_refused_each():
    reader = reader_of({"a": 1, "b": 2, "c": 3}, {"a"})
    assert wrong(reader) == ["b", "c"]
    with pytest.raises(Malformed) as caught:
        reader.finish()
    assert [v.code for v in caught.value.violations] == ["request.field_unknown"] * 2


def test_acts_without_arguments_take_none():
    refuse_fields({})
    with pytest.raises(Malformed):
        refuse_fields({"force": True})


@pytest.mark.parametrize("value", [None, 5, True, [], {}, "", "a\0b", "x" * 11])
def test_unusable_texts(value):
    reader = Reader({"name": value})
    assert reader.text("name", limit=10) is None
    assert wrong(reader) == ["name"]


def test_absent_is_not_empty():
    assert Reader({}).text("name") is None
    assert Reader({"name": ""}).text("name", blank=True) == ""
    reader = Reader({})
    assert (reader.text("name", required=True), wrong(reader)) == (None, ["name"])


@pytest.mark.parametrize("value", [None, "1", True, 1.5, [], 2**31, -(2**31), 1e300])
def test_unusable_numbers(value):
    reader = Reader({"n": value})
    assert reader.number("n") is None
    assert wrong(reader) == ["n"]


def test_usable_numbers():
    assert Reader({"n": 7}).number("n") == 7
    assert Reader({"n": 7.0}).number("n") == 7
    assert Reader({"n": None}).number("n", nullable=True) is None


@pytest.mark.parametrize("value", [None, "true", 1, 0, []])
def test_unusable_booleans(value):
    reader = Reader({"b": value})
    assert reader.boolean("b") is None
    assert wrong(reader) == ["b"]


@pytest.mark.parametrize("value", [None, "a", {"a": 1}, ["a"] * 4])
def test_unusable_lists(value):
    reader = Reader({"list": value})
    assert reader.texts("list", limit=3) is None
    assert wrong(reader) == ["list"]


def test_items_are_named_by_their_place():
    reader = Reader({"list": ["a", 1, "", "b"]})
    assert reader.texts("list") == ("a", "b")
    assert wrong(reader) == ["list[1]", "list[2]"]


def test_choices_are_known_words_without_repeats():
    reader = Reader({"list": ["b", "x", "a", "b", ["a"]], "one": "x"})
    assert reader.choices("list", ["a", "b"]) == ("b", "a")
    assert reader.choice("one", ["a"]) is None
    assert wrong(reader) == ["list[1]", "list[4]", "one"]


@pytest.mark.parametrize(
    "value",
    ["2027-01-31", "2027-01-31T12:00:00", "2027-13-01T00:00:00Z", "now", 5, "٢٠٢٧-01-31T12:00:00Z"],
)
def test_unusable_times(value):
    reader = Reader({"t": value})
    assert reader.time("t") is None
    assert wrong(reader) == ["t"]


def test_times_become_utc_in_whole_seconds():
    read = Reader({"t": "2027-01-31T13:00:00.9+01:00"}).time("t")
    assert read == datetime(2027, 1, 31, 12, 0, 0, tzinfo=UTC)


def test_references_may_be_null():
    assert Reader({"parent": None}).reference("parent") is None
    reader = Reader({"parent": 5})
    assert (reader.reference("parent"), wrong(reader)) == (None, ["parent"])


@pytest.mark.parametrize("value", ["%%%", "a", 5, None])
def test_neither_pem_nor_base64(value):
    reader = Reader({"csr": value})
    assert reader.pem_or_der("csr", limit=100) is None
    assert wrong(reader) == ["csr"]


def test_pem_is_passed_on_and_base64_decoded():
    assert Reader({"csr": "-----BEGIN X"}).pem_or_der("csr", limit=100) == b"-----BEGIN X"
    assert Reader({"csr": "MA\n=="}).pem_or_der("csr", limit=100) == b"0"
