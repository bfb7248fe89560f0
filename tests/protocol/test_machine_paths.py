"""A session gives no rights on machine paths, and no answer there starts one."""

import inspect

import pytest
from django.contrib.sessions.models import Session
from django.test import RequestFactory
from django.urls import URLPattern, get_resolver
from rest_framework.authentication import BaseAuthentication

from apps.accounts.models import User
from apps.applications.roles import Role
from apps.applications.tokens import BearerAuthentication
from apps.enrollment.acme.services import endpoints as acme
from apps.principals import ProductRole
from apps.web.machine_paths import machine_prefixes
from tests.factories.accounts import make_person
from tests.factories.applications import Team, make_machine, make_token
from tests.protocol.wall.world import session_of
from tests.served import Client

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def _patterns(resolver=None, prefix="/"):
    for found in (resolver or get_resolver("config.urls")).url_patterns:
        route = prefix + str(found.pattern)
        if not isinstance(found, URLPattern):
            yield from _patterns(found, route)
        elif route.startswith(machine_prefixes()):
            yield route, found.callback


VIEWS = list(_patterns())


@pytest.fixture
def root() -> User:
    return make_person("root", role=ProductRole.ADMIN)


def test_all_machine_views_are_found():
    for prefix in machine_prefixes():
        assert any(route.startswith(prefix) for route, _ in VIEWS)
    assert len(VIEWS) > 80


@pytest.mark.parametrize(("route", "view"), VIEWS)
def test_no_machine_view_relies_on_csrf_protection(route, view):
    """It is exempt because it authenticates by token or signature, or it changes nothing."""
    if not getattr(view, "csrf_exempt", False):
        names = {name: "1" for name in inspect.signature(view).parameters if name != "_request"}
        names.pop("request", None)
        assert view(RequestFactory().post("/"), **names).status_code == 405, route


@pytest.mark.parametrize(
    ("route", "view"), [(route, view) for route, view in VIEWS if hasattr(view, "cls")]
)
def test_api_views_know_tokens_only(route, view):
    kinds: list[type[BaseAuthentication]] = view.cls.authentication_classes
    assert kinds == [BearerAuthentication], route


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", sorted({route for route, view in VIEWS if hasattr(view, "cls") and "<" not in route})
)
def test_an_administrators_session_gives_no_rights_on_the_api(path, root):
    session = session_of(root)
    before = Session.objects.get()
    client = Client(headers=session)
    for answer in (client.get(path), client.post(path, {}, content_type="application/json")):
        assert answer.status_code in {401, 405}, path
        assert not answer.cookies
    kept = Session.objects.get()
    assert (kept.session_data, kept.expire_date) == (before.session_data, before.expire_date)


@pytest.mark.django_db
def test_the_same_session_opens_the_admin(root):
    """Else the refusals above would prove nothing."""
    assert Client(headers=session_of(root)).get("/admin/").status_code == 200


@pytest.mark.django_db
@pytest.mark.usefixtures("keyring")
def test_every_kind_of_answer_carries_the_headers_and_no_cookie(team: Team, root):
    endpoint = acme.enable_acme(team.principal(Role.ADMIN), team.pairing, skip_validation=True)
    base = f"/acme/{endpoint.pairing.application.name}/{endpoint.pairing.profile.name}"
    bearer = {"Authorization": f"Bearer {make_token(make_machine(team.application))}"}
    Session.objects.all().delete()
    session = session_of(root)
    calls = [
        ("GET", "/livez", {}, 200),
        ("HEAD", "/livez", {}, 200),
        ("POST", "/livez", {}, 405),
        ("GET", "/livezzz", {}, 404),
        ("GET", "/api/v1/certificates/", bearer, 200),
        ("OPTIONS", "/api/v1/certificates/", bearer, 200),
        ("GET", "/api/v1/certificates/", {}, 401),
        ("GET", "/api/v1/certificates", bearer, 301),
        ("POST", "/api/v1/certificate-requests", bearer, 404),
        ("GET", "/api/v1/nothing/", bearer, 404),
        ("PUT", "/api/v1/certificates/", bearer, 405),
        ("GET", "/api/v1/certificates/", {"Host": "evil.example"}, 400),
        ("HEAD", f"{base}/new-nonce", {}, 200),
        ("GET", f"{base}/new-nonce", {}, 204),
        ("GET", f"{base}/directory", {}, 200),
        ("GET", f"{base}/new-order", {}, 405),
        ("GET", f"{base}/directory", {"Host": "evil.example"}, 400),
        ("GET", "/acme/nobody/", {}, 404),
        ("GET", "/pki/", {}, 200),
        ("GET", "/pki/nobody/ca.cer", {}, 404),
        ("GET", "/ocsp/nobody", {}, 405),
    ]
    for method, path, headers, status in calls:
        answer = Client().generic(method, path, headers=headers | session)
        assert answer.status_code == status, (method, path, answer.content)
        shown = {name: answer.headers.get(name) for name in HEADERS}
        assert shown == HEADERS, (method, path)
        assert not answer.cookies, (method, path)
        assert "Cookie" not in answer.headers.get("Vary", ""), (method, path)
    assert Session.objects.count() == 1


@pytest.mark.django_db
def test_a_machine_pays_for_no_look_up_of_a_session(root, django_assert_num_queries):
    client = Client(headers=session_of(root))
    with django_assert_num_queries(0):
        assert client.get("/livez").status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/schema/", "/api/docs/", "/admin/login/", "/api/v1x", "/"])
def test_pages_stay_on_the_browsers_way(path):
    answer = Client().get(path)
    assert answer.status_code in {200, 302, 404}
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    assert answer["X-Frame-Options"] == "DENY"
