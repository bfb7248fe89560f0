"""Is an answer what DRF itself would have written?"""

import json
import uuid
from datetime import UTC, datetime

import pytest
from django.test import RequestFactory
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from apps.web.rendering import CompactJSONRenderer, PlainNegotiation

DATA = {
    "text": "ü \u2028 \u2029 </script> \U0001f600 \x7f",
    "empty": [None, {}, [], "", 0, 1.5, True],
    "id": uuid.UUID(int=7),
    "at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
}


@pytest.mark.parametrize(
    "data", [DATA, {}, [], None, "text", {"path": "C:\\users"}, {"control": "\0\x7f\n"}]
)
@pytest.mark.parametrize(
    "media_type", ["application/json", "application/json; indent=2", "*/*", None]
)
def test_bodies_are_byte_for_byte_the_same(data, media_type):
    mine = CompactJSONRenderer().render(data, media_type, {})
    assert mine == JSONRenderer().render(data, media_type, {})


def test_what_json_cannot_say_is_refused():
    with pytest.raises(ValueError, match="JSON compliant"):
        CompactJSONRenderer().render({"n": float("nan")}, "application/json", {})


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        "*/*",
        "application/json",
        "application/*",
        "text/html, application/json;q=0.9",
        "application/json; indent=4",
        "text/html",
        "nonsense",
    ],
)
def test_negotiation_ends_as_ever(accept):
    headers = {} if accept is None else {"accept": accept}
    request = Request(RequestFactory().get("/", headers=headers))

    def outcome(negotiation):
        renderers = [CompactJSONRenderer()]
        try:
            chosen, media_type = negotiation.select_renderer(request, renderers)
        except NotAcceptable:
            return "406"
        return chosen is renderers[0], media_type

    assert outcome(PlainNegotiation()) == outcome(DefaultContentNegotiation())
    assert json.loads(CompactJSONRenderer().render({"a": 1}, "application/json")) == {"a": 1}
