"""Does a view of ours answer as DRF's would, whatever it is sent?"""

import pytest
from django.test import RequestFactory
from rest_framework.authentication import BaseAuthentication
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.models import User
from apps.errors import AlreadyExists
from apps.rest.views import ApiView, JsonAnswer

OBJECT = b'{"name": "\\u00fc \\u2028", "n": [1, null]}'


class ByHeader(BaseAuthentication):
    """Believes whoever says so."""

    def authenticate(self, request):
        name = request.META.get("HTTP_X_NAME")
        return (User(username=name), None) if name else None

    def authenticate_header(self, _request):
        return "Name"


class Broken(ByHeader):
    def authenticate(self, request):
        return request.no_such_attribute


def _views(answer, base):
    """Return a view that repeats what it was sent, and one that raises."""

    class Echo(base):
        authentication_classes = (ByHeader,)

        def get(self, _request):
            return answer(None, status=204)

        def post(self, request):
            said = {"said": request.data, "by": request.user.username, "again": request.data}
            return answer(said, status=201, headers={"Location": "/there/"})

        def put(self, request):
            try:
                return answer(request.data)
            except Exception:
                return answer({"left": dict(request.data)})

        def delete(self, _request):
            raise AlreadyExists("twice")

    return Echo.as_view()


OURS, THEIRS = _views(JsonAnswer, ApiView), _views(Response, APIView)


def _outcome(view, method, body, headers):
    kind = headers.pop("Content-Type", "")
    request = RequestFactory().generic(method, "/", body, content_type=kind, headers=headers)
    if not body:
        request.META.pop("CONTENT_LENGTH", None)
    response = view(request)
    if hasattr(response, "render"):
        response.render()
    return response.status_code, response.content, dict(response.headers)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Accept": "application/json"},
        {"Accept": "application/json; indent=2"},
        {"Accept": "application/*"},
        {"Accept": "text/html"},
    ],
)
@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/x-www-form-urlencoded",
        "text/plain",
        "",
    ],
)
@pytest.mark.parametrize("body", [OBJECT, b"{}", b"[]", b'{"a": 1', b'{"a": "\\ud800"}', b""])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_bodies_are_read_and_answers_written_as_by_drf(method, body, kind, headers):
    sent = headers | {"Content-Type": kind, "X-Name": "somebody"}
    assert _outcome(OURS, method, body, dict(sent)) == _outcome(THEIRS, method, body, dict(sent))


@pytest.mark.parametrize("name", ["somebody", ""])
@pytest.mark.parametrize(
    ("method", "status"),
    [("GET", 204), ("HEAD", 204), ("DELETE", 409), ("PATCH", 405), ("OPTIONS", 200)],
)
def test_methods_refusals_and_empty_answers_are_drfs(method, status, name):
    sent = {"X-Name": name}
    mine = _outcome(OURS, method, b"", dict(sent))
    assert mine == _outcome(THEIRS, method, b"", dict(sent))
    assert mine[0] == (status if name else 401)


def test_a_body_that_was_refused_is_not_refused_again():
    status, content, _ = _outcome(
        OURS, "PUT", b"[]", {"Content-Type": "application/json", "X-Name": "a"}
    )
    assert (status, content) == (200, b'{"left":{}}')


def test_a_fault_of_the_authentication_is_not_taken_for_a_missing_attribute():
    view = ApiView.as_view(authentication_classes=(Broken,))
    with pytest.raises(AttributeError, match="no_such_attribute"):
        view(RequestFactory().get("/"))
