"""The whole ``MIDDLEWARE``, around views that do what no view of the product should."""

import pytest
from django.http import Http404, HttpResponse
from django.template import engines
from django.template.response import TemplateResponse
from django.test import Client
from django.urls import path
from django.views.decorators.http import require_safe

from apps.web.problems import handler400, handler403, handler404, handler500  # noqa: F401 - named by Django

MACHINE, BROWSER = "/api/v1/", "/people/"
POLICY = "default-src 'none'; frame-ancestors 'none'"


def greedy(request):
    """Reach for everything that only browsers have, and try to leave a cookie."""
    found = [
        name for name in ("session", "user", "_messages", "csp_nonce") if hasattr(request, name)
    ]
    found += [f"cookie {name}" for name in request.COOKIES]
    found += [name for name in request.headers if name.lower() == "cookie"]
    response = HttpResponse(", ".join(found))
    response.set_cookie("mark", "1")
    return response


def broken(_request):
    raise RuntimeError("the text of a fault")


def missing(_request):
    raise Http404("the text of a refusal")


def forgetful(_request):
    return None


def late(request):
    template = engines["django"].from_string("{{ greeting }}")
    return TemplateResponse(request, template, {"greeting": "rendered"})


def framed(_request):
    return HttpResponse(headers={"X-Frame-Options": "SAMEORIGIN"})


def matched(request):
    return HttpResponse(request.resolver_match.route)


_views = {
    "greedy": greedy,
    "broken": broken,
    "missing": missing,
    "forgetful": forgetful,
    "late": late,
    "framed": framed,
    "matched": matched,
    "safe": require_safe(matched),
    "slash/": matched,
}
urlpatterns = [
    path(prefix[1:] + name, view) for prefix in (MACHINE, BROWSER) for name, view in _views.items()
]


@pytest.fixture(autouse=True)
def urls(settings):
    settings.ROOT_URLCONF = __name__


@pytest.fixture
def machine() -> Client:
    return Client(raise_request_exception=False)


def test_nothing_of_a_browser_is_there_and_no_cookie_comes_or_goes(machine):
    machine.cookies["__Host-session"] = "a" * 32
    answer = machine.get(MACHINE + "greedy")
    assert answer.content == b""
    assert not answer.cookies


@pytest.mark.django_db
def test_browsers_have_all_of_it(machine):
    machine.cookies["other"] = "a"
    answer = machine.get(BROWSER + "greedy")
    assert answer.content == b"session, user, _messages, csp_nonce, cookie other, Cookie"
    assert answer.cookies["mark"].value == "1"
    assert "script-src 'self'" in answer["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("method", "name", "status"),
    [
        ("get", "matched", 200),
        ("head", "matched", 200),
        ("get", "slash", 301),
        ("get", "missing", 404),
        ("get", "no-such-view", 404),
        ("post", "safe", 405),
        ("get", "broken", 500),
        ("get", "forgetful", 500),
    ],
)
def test_every_answer_is_marked_safe_named_and_measured(machine, method, name, status):
    answer = getattr(machine, method)(MACHINE + name)
    assert answer.status_code == status
    assert answer["Content-Security-Policy"] == POLICY
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["X-Request-Id"]
    # As everywhere in Django, a redirect has no body to declare.
    assert status == 301 or int(answer["Content-Length"]) >= len(answer.content)
    assert not answer.cookies


@pytest.mark.parametrize(("name", "status"), [("broken", 500), ("missing", 404), ("nowhere", 404)])
def test_errors_become_the_same_problems_as_elsewhere(machine, name, status):
    answer = machine.get(MACHINE + name)
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert "the text of" not in answer.content.decode()


def test_a_fault_is_reported_to_whoever_listens_for_it():
    with pytest.raises(RuntimeError):
        Client().get(MACHINE + "broken")


def test_hosts_that_are_not_ours_are_refused(machine):
    for name in ("matched", "nowhere", "slash"):
        answer = machine.get(MACHINE + name, headers={"Host": "evil.example"})
        assert answer.status_code == 400
        assert answer.json()["code"] == "malformed"
        assert answer["Content-Security-Policy"] == POLICY


def test_a_host_that_was_let_pass_admits_no_other(machine):
    for host, status in (
        ("testserver", 200),
        ("evil.example", 400),
        ("testserver", 200),
        ("TESTSERVER:8443", 200),
        ("testserver.evil.example", 400),
        ("evil.example", 400),
        ("", 400),
    ):
        assert machine.get(MACHINE + "matched", headers={"Host": host}).status_code == status, host


def test_a_missing_slash_is_redirected_to(machine):
    answer = machine.get(MACHINE + "slash?limit=2")
    assert (answer.status_code, answer["Location"]) == (301, MACHINE + "slash/?limit=2")


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_an_unsafe_method_is_never_redirected_but_told_the_url(machine, method):
    answer = getattr(machine, method)(MACHINE + "slash")
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"].endswith(f"send the request to {MACHINE}slash/.")
    assert getattr(machine, method)(BROWSER + "slash").status_code == 404


@pytest.mark.parametrize("name", ["missing", "nowhere", "slash/more"])
def test_other_urls_that_do_not_exist_are_given_no_advice(machine, name):
    assert "slash" not in machine.post(MACHINE + name).json()["detail"]


def test_late_templates_are_rendered(machine):
    assert machine.get(MACHINE + "late").content == b"rendered"


def test_a_view_may_set_its_own_headers(machine):
    assert machine.get(MACHINE + "framed")["X-Frame-Options"] == "SAMEORIGIN"


def test_views_know_their_route(machine):
    assert machine.get(MACHINE + "matched").content == b"api/v1/matched"


def test_declared_size_is_bounded_before_the_view(machine, settings):
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"MAX_BODY_BYTES": 8}
    answer = machine.post(MACHINE + "matched", b"123456789", content_type="text/plain")
    assert answer.status_code == 413
