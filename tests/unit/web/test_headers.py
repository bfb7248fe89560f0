"""Is a field set as Django sets it, and refused as Django refuses it?"""

import pytest
from django.http.response import BadHeaderError, ResponseHeaders

from apps.web.headers import put
from apps.web.views import JsonAnswer


@pytest.mark.parametrize("value", ["/there/", "", "a b", "\u00fc", "\u20ac", "a\tb", "\x7f"])
def test_fields_are_those_that_django_would_set(value):
    ours, theirs = ResponseHeaders({"x-a": "before"}), ResponseHeaders({"x-a": "before"})
    put(ours, "X-A", value)
    theirs["X-A"] = value
    assert list(ours.items()) == list(theirs.items())
    assert ours["x-a"] == theirs["x-a"]


@pytest.mark.parametrize("value", ["a\r\nX-B: b", "a\nb", "\n", "a\r"])
def test_no_value_begins_another_field(value):
    with pytest.raises(BadHeaderError):
        put(ResponseHeaders({}), "X-A", value)
    with pytest.raises(BadHeaderError):
        JsonAnswer({}, headers={"Location": value})
