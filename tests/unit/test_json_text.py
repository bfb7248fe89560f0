"""Is JSON written as its encoder would write it?"""

import json
from datetime import UTC

import pytest
from django.core.serializers.json import DjangoJSONEncoder
from hypothesis import given
from hypothesis import strategies as st

from apps.json_text import writer

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.uuids()
    | st.datetimes(timezones=st.just(UTC)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
    max_leaves=8,
)


@given(_JSON)
def test_values_are_written_as_by_the_encoder(value):
    assert writer(DjangoJSONEncoder())(value) == DjangoJSONEncoder().encode(value)


def test_json_encoders_of_their_own_mind_are_asked():
    class Loud(json.JSONEncoder):
        def encode(self, value: object) -> str:
            return super().encode(value).upper()

    class Sorted(json.JSONEncoder):
        def __init__(self) -> None:
            super().__init__(sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    assert writer(Loud())(["a"]) == '["A"]'
    assert writer(Sorted())({"b": "ü", "a": 1}) == '{"a":1,"b":"ü"}'
    with pytest.raises(TypeError, match="not JSON serializable"):
        writer(json.JSONEncoder())([object()])
