"""Does a view of ours answer as DRF's would, whatever it is sent?"""

import json

import pytest
from django.test import RequestFactory
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer, StaticHTMLRenderer
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from apps.accounts.models import User
from apps.errors import AlreadyExists
from apps.web.views import ApiView, JsonAnswer

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


class Closed(BasePermission):
    """Lets nobody in, and says why."""

    message = "Closed today."
    code = "closed"

    def has_permission(self, _request, _view):
        return False


class Busy(BaseThrottle):
    def allow_request(self, _request, _view):
        return False

    def wait(self):
        return 7


class BusyForSomeTime(Busy):
    def wait(self):
        return None


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


@pytest.mark.parametrize("name", ["somebody", ""])
@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"permission_classes": (Closed,)}, 403),
        ({"throttle_classes": (Busy,)}, 429),
        ({"throttle_classes": (BusyForSomeTime,)}, 429),
        ({"renderer_classes": (JSONRenderer, StaticHTMLRenderer)}, 201),
    ],
)
def test_policies_of_a_view_are_asked_as_by_drf(changes, status, name):
    outcomes = [
        _outcome(
            view.view_class.as_view(**changes),
            "POST",
            OBJECT,
            {"Content-Type": "application/json", "X-Name": name},
        )
        for view in (OURS, THEIRS)
    ]
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0] == (status if name else 401)
    assert ("Vary" in outcomes[0][2]) is ("renderer_classes" in changes)


def test_requests_share_equipment_but_not_what_they_say():
    view = OURS.view_class.as_view()
    kind = {"Content-Type": "application/json"}
    said = [
        _outcome(view, "POST", f'{{"n": {number}}}'.encode(), kind | {"X-Name": f"name{number}"})
        for number in range(3)
    ]
    assert [json.loads(content)["by"] for _, content, _ in said] == ["name0", "name1", "name2"]
    assert [json.loads(content)["said"]["n"] for _, content, _ in said] == [0, 1, 2]
    assert _outcome(view, "POST", b"{}", dict(kind))[0] == 401


def test_arguments_of_the_url_and_of_the_view_arrive():
    class Named(ApiView):
        authentication_classes = ()
        permission_classes = ()
        throttle_classes = ()
        greeting = ""

        def get(self, _request, name):
            return JsonAnswer([self.greeting, name, self.kwargs])

    view = Named.as_view(greeting="hello")
    assert view.view_class is view.cls is Named
    assert view.csrf_exempt
    for name in ("a", "b"):
        response = view(RequestFactory().get("/"), name=name)
        assert json.loads(response.content) == ["hello", name, {"name": name}]
    with pytest.raises(TypeError, match="invalid keyword"):
        Named.as_view(no_such=1)
