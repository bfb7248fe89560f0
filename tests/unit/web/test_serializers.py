"""Bodies are read strictly, and all mistakes are listed."""

from datetime import UTC, datetime

import pytest
from rest_framework.exceptions import ErrorDetail

from apps.errors import Malformed
from apps.web import fields
from apps.web.serializers import Body, NoBody


class Inner(Body):
    flag = fields.BooleanField()


class Everything(Body):
    hints = {"request.text_xor_key": "One of them."}

    name = fields.CharField(max_length=10)
    note = fields.CharField(required=False, allow_blank=True)
    number = fields.IntegerField(required=False, allow_null=True)
    flag = fields.BooleanField(required=False)
    word = fields.ChoiceField(["a", "b"], required=False)
    words = fields.ChoicesField(["a", "b"], required=False)
    texts = fields.ListField(child=fields.CharField(), max_length=3, required=False)
    at = fields.DateTimeField(required=False)
    key = fields.PemOrDerField(required=False)
    inner = Inner(required=False)
    subject = fields.SubjectField(required=False)
    typed = fields.TypedNamesField(required=False)
    names = fields.NamesField(required=False)

    def conflicts(self, data):
        if "key" in data and "texts" in data:
            return {"key": ErrorDetail("Not both.", "request.text_xor_key")}
        return {}


def parsed(**said):
    return Everything.parse({"name": "n"} | said)


def refusals(body):
    with pytest.raises(Malformed) as caught:
        Everything.parse(body)
    return caught.value.violations


def wrong(**said) -> list[str]:
    return [violation.field for violation in refusals({"name": "n"} | said)]


@pytest.mark.parametrize("body", [[], "x", None, 5])
def test_a_body_must_be_an_object(body):
    assert len(refusals(body)) == 1


def test_every_mistake_is_listed_with_its_code_value_and_hint():
    found = {v.field: v for v in refusals({"extra": 1, "word": "c", "number": "7", "inner": {}})}
    assert set(found) == {"extra", "name", "word", "number", "inner.flag"}
    assert found["extra"].code == "request.field_unknown"
    assert "at, flag" in found["extra"].hint
    assert found["name"].code == found["inner.flag"].code == "request.field_missing"
    assert (found["word"].code, found["word"].value) == ("request.field_invalid", "c")
    assert found["word"].hint == "Use: a, b."
    assert found["number"].reason.startswith("number: ")


def test_fields_that_exclude_each_other_are_refused_beside_other_mistakes():
    found = refusals({"key": "MA==", "texts": ["a", 1], "inner": {"more": 1, "flag": True}})
    assert {v.field for v in found} == {"name", "key", "texts[1]", "inner.more"}
    (conflict,) = [v for v in found if v.code == "request.text_xor_key"]
    assert (conflict.reason, conflict.hint) == ("Not both.", "One of them.")


def test_acts_without_arguments_take_none():
    assert NoBody.parse({}) == {}
    with pytest.raises(Malformed, match="There is no field 'force'"):
        NoBody.parse({"force": True})


def test_requests_share_a_serializer_but_not_what_they_say():
    assert parsed(note="a") == {"name": "n", "note": "a"}
    assert parsed(number=1) == {"name": "n", "number": 1}


@pytest.mark.parametrize("value", [None, 5, True, [], {}, "", "a\0b", "x" * 11])
def test_unusable_texts(value):
    assert wrong(name=value) == ["name"]


@pytest.mark.parametrize("value", ["", " a ", "5"])
def test_texts_stay_as_they_are(value):
    assert parsed(note=value)["note"] == value


@pytest.mark.parametrize("value", ["1", True, 1.5, [], 2**31, -(2**31), 1e300])
def test_unusable_numbers(value):
    assert wrong(number=value) == ["number"]


@pytest.mark.parametrize(("sent", "read"), [(7, 7), (7.0, 7), (None, None)])
def test_usable_numbers(sent, read):
    assert parsed(number=sent)["number"] == read


@pytest.mark.parametrize("value", [None, "true", 1, 0, []])
def test_unusable_booleans(value):
    assert wrong(flag=value) == ["flag"]


@pytest.mark.parametrize("value", [None, "a", {"a": 1}, ["a"] * 4])
def test_unusable_lists(value):
    assert wrong(texts=value) == ["texts"]


def test_lists_are_bounded():
    assert wrong(words=["a"] * (fields.MAX_LIST + 1)) == ["words"]


def test_items_are_named_by_their_place():
    assert wrong(texts=["a", 1, ""]) == ["texts[1]", "texts[2]"]
    assert wrong(words=["b", "x", "a", "b", ["a"]]) == ["words[1]", "words[4]"]
    assert parsed(words=["b", "a", "b"])["words"] == ("b", "a")


@pytest.mark.parametrize(
    "value",
    ["2027-01-31", "2027-01-31T12:00:00", "2027-13-01T00:00:00Z", "now", 5, "٢٠٢٧-01-31T12:00:00Z"],
)
def test_unusable_times(value):
    assert wrong(at=value) == ["at"]


def test_times_become_utc_in_whole_seconds():
    read = parsed(at="2027-01-31T13:00:00.9+01:00")["at"]
    assert read == datetime(2027, 1, 31, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize("value", ["%%%", "a", 5, None])
def test_neither_pem_nor_base64(value):
    assert wrong(key=value) == ["key"]


def test_pem_is_passed_on_and_base64_decoded():
    assert parsed(key="-----BEGIN X")["key"] == b"-----BEGIN X"
    assert parsed(key="MA\n==")["key"] == b"0"


def test_subjects_are_read_in_their_order():
    sent = {"organizational_unit": ["x", "y"], "common_name": "a"}
    assert parsed(subject=sent)["subject"] == (
        ("organizational_unit", "x"),
        ("organizational_unit", "y"),
        ("common_name", "a"),
    )
    assert wrong(subject={"nickname": "a", "common_name": 5}) == [
        "subject.nickname",
        "subject.common_name",
    ]
    assert wrong(subject={"common_name": ["a"] * 101}) == ["subject"]
    assert wrong(subject=[]) == ["subject"]


def test_names_have_a_type_and_a_value():
    good = {"type": "dns_name", "value": "a.example"}
    assert parsed(typed=[good])["typed"] == (("dns_name", "a.example"),)
    sent = [good, "a.example", {"type": "x", "value": ""}, good | {"more": 1}]
    assert wrong(typed=sent) == ["typed[1]", "typed[2].type", "typed[2].value", "typed[3].more"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("a.example", "dns_name"),
        ("10.0.0.1", "ip_address"),
        ("a@example.com", "email"),
        ("spiffe://a/b", "uri"),
    ],
)
def test_a_plain_name_is_of_the_type_it_looks_like(text, kind):
    assert parsed(names=[text])["names"] == ((kind, text),)


def test_of_many_unknown_fields_the_first_are_named_and_the_others_counted():
    found = refusals({"name": "n"} | {f"unknown-{n}-{'x' * 500}": 1 for n in range(5000)})
    assert {violation.code for violation in found} == {"request.field_unknown"}
    assert len(found) == 11
    assert any("4990 more unknown fields" in violation.reason for violation in found)
    assert sum(len(str(violation)) for violation in found) < 10_000
