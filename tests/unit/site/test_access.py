"""Access to the admin, and an answer from every page."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client, RequestFactory
from django.urls import reverse

from apps.accounts.models import User
from apps.principals import ProductRole
from apps.site.display import admin_url
from apps.site.model_admin import GovernedAdmin
from apps.site.principal import principal_of_user
from apps.web import trace
from tests.factories.accounts import make_person
from tests.unit.site.conftest import signed_in

pytestmark = pytest.mark.django_db


def every_page() -> list[str]:
    """Return each page of each registered class, for the first object there is."""
    pages = [reverse("admin:index")]
    for model, model_admin in admin.site._registry.items():
        prefix = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        pages.append(reverse(f"{prefix}_changelist"))
        if model_admin.add_form is not None:
            pages += [
                reverse(f"{prefix}_add"),
                reverse(f"{prefix}_add") + "?preset=device&kind=intermediate",
            ]
        obj = model._default_manager.first()
        assert obj is not None, f"the world has no {model.__name__}"
        pages += [admin_url(obj), admin_url(obj, "history"), admin_url(obj, "delete")]
        pages += [admin_url(obj, act.name) for act in model_admin.object_actions]
    return pages


def test_every_page_answers_an_administrator(world, as_grace):
    for page in every_page():
        answer = as_grace.get(page)
        deletion_of_issued = page.endswith("/delete/") and answer.status_code == 403
        assert answer.status_code in {200, 302} or deletion_of_issued, page


def test_nobody_else_sees_any_page(world):
    member = make_person("mallory")
    staff = make_person("staff")
    User.objects.filter(pk=staff.pk).update(is_staff=True)
    staff.refresh_from_db()
    staff.user_permissions.set(Permission.objects.all())
    for client in (Client(), signed_in(member), signed_in(staff), signed_in(world.machine.user)):
        for page in every_page():
            for method in (client.get, client.post):
                answer = method(page)
                assert answer.status_code == 302, page
                assert answer.headers["Location"].startswith(reverse("admin:login")), page


def test_a_superuser_without_the_product_role_stays_outside(as_ada, ada):
    User.objects.filter(pk=ada.pk).update(product_role=ProductRole.MEMBER.value)
    assert as_ada.get(reverse("admin:index")).status_code == 302


def test_a_disabled_administrator_is_out_at_once(as_ada, ada):
    assert as_ada.get(reverse("admin:index")).status_code == 200
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert as_ada.get(reverse("admin:index")).status_code == 302


def test_classes_of_other_packages_are_left_out():
    """What third parties register would write rows past the services."""
    assert all(isinstance(found, GovernedAdmin) for found in admin.site._registry.values())
    labels = {model._meta.app_label for model in admin.site._registry}
    assert not labels & {"django_q", "knox", "guardian", "sessions"}


def test_unknown_objects_are_404(as_ada):
    missing = "01a20000-0000-7000-8000-000000000000"
    assert (
        as_ada.get(reverse("admin:certificates_certificate_change", args=[missing])).status_code
        == 404
    )
    assert (
        as_ada.get(reverse("admin:certificates_certificate_change", args=["x"])).status_code == 404
    )
    assert as_ada.get(reverse("admin:applications_apitoken_change", args=["x"])).status_code == 404
    assert as_ada.post(reverse("admin:policies_policy_delete", args=[missing])).status_code == 404


def test_tokens_are_addressed_without_their_digest(world, as_ada):
    listing = as_ada.get(reverse("admin:applications_apitoken_changelist")).content.decode()
    assert str(world.token.public_id) in listing
    assert world.token.digest not in listing


def test_the_principal_of_a_session_carries_address_and_trace(ada):
    request = RequestFactory().get("/admin/", REMOTE_ADDR="192.0.2.7")
    request.user = ada
    token = trace.begin()
    try:
        principal = principal_of_user(request)
        assert principal.trace_id == trace.current() != ""
    finally:
        trace.end(token)
    assert principal.actor == f"user:{ada.pk}"
    assert principal.ip == "192.0.2.7"
    assert principal.governs
    assert principal.scopes is None


def test_pages_are_never_cached_and_carry_the_strict_policy(as_ada):
    answer = as_ada.get(reverse("admin:index"))
    assert "no-store" in answer.headers["Cache-Control"]
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "script-src 'self'" in policy


def test_writing_needs_a_csrf_token(ada):
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada)
    answer = client.post(reverse("admin:applications_application_add"), {"name": "forged"})
    assert answer.status_code == 403
