"""Tests of the method registry: URLs, prefixes, rules and panels follow one registration."""

import importlib
import sys
import types
from collections.abc import Iterator
from uuid import uuid4

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path, resolve, reverse

from apps import registry
from apps.applications import access
from apps.applications.models import Pairing
from apps.applications.roles import Permission, Role
from apps.certificates import issuance
from apps.certificates.enrollment import Enrollment
from apps.certificates.models import CertificateRequest, EnrollmentMethod
from apps.enrollment import urls
from apps.enrollment.acme.services import endpoints
from apps.errors import AccessDenied, NotFound
from apps.principals import Principal, ProductRole
from tests.factories.accounts import make_person
from tests.factories.applications import Team
from tests.factories.keys import make_csr

pytestmark = pytest.mark.django_db


class Fake:
    """An enrollment method with a switch."""

    def __init__(self) -> None:
        self.open = True

    def is_open(self, _pairing: Pairing) -> bool:
        return self.open

    @staticmethod
    def panel(pairing: Pairing) -> registry.EndpointPanel:
        url = f"https://ca.example/est/{pairing.profile.name}"
        return registry.EndpointPanel(
            url=url, snippets=[registry.Snippet("estclient", "sh", f"estclient {url}")]
        )


def cacerts(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("fake")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    """Register EST as a fake method, with one URL."""
    module = types.ModuleType("fake_est_urls")
    vars(module)["urlpatterns"] = [path("cacerts", cacerts)]
    management = types.ModuleType("fake_est_management_urls")
    vars(management)["urlpatterns"] = [path("est-labels/", cacerts)]
    monkeypatch.setitem(sys.modules, management.__name__, management)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(registry, "enrollment_methods", dict(registry.enrollment_methods))
    monkeypatch.setattr(registry, "governed_models", list(registry.governed_models))
    made = Fake()
    registry.register_enrollment_method(
        registry.EnrollmentMethod(
            name="est",
            label="EST",
            is_open=made.is_open,
            has_accounts=True,
            url_prefix="est/",
            urlconf=module.__name__,
            management_urlconf=management.__name__,
            panel=made.panel,
        )
    )
    importlib.reload(urls)
    yield made
    monkeypatch.undo()
    importlib.reload(urls)


def account_at(team: Team, kind: str = "est") -> Principal:
    return Principal(
        kind=kind,
        id="1",
        label="a device",
        application_id=team.application.pk,
        pairing_id=team.pairing.pk,
    )


def enrollment_of(
    team: Team, principal: Principal, method: EnrollmentMethod = EnrollmentMethod.EST
) -> Enrollment:
    csr = make_csr("device.example.com")
    return Enrollment(principal=principal, pairing=team.pairing, method=method, csr=csr)


def test_urls_and_machine_prefixes_follow_the_registration(fake):
    assert resolve("/est/cacerts", "apps.enrollment.urls").func is cacerts
    assert resolve("/api/v1/est-labels/", "apps.enrollment.urls").func is cacerts
    assert "/est/" in registry.machine_prefixes()
    assert {"/acme/", "/api/v1/"} <= set(registry.machine_prefixes())


def test_accounts_of_the_method_may_request_and_revoke_at_their_own_pair_only(fake, team):
    device = account_at(team)
    access.require(
        device, Permission.REQUEST_CERTIFICATES, team.application, pairing_id=team.pairing.pk
    )
    with pytest.raises(AccessDenied):
        access.require(device, Permission.VIEW_CERTIFICATES, team.application)
    with pytest.raises(NotFound):
        access.require(
            device, Permission.REQUEST_CERTIFICATES, team.application, pairing_id=uuid4()
        )


def test_an_open_method_issues(fake, team):
    issuance.submit(enrollment_of(team, account_at(team)))
    assert CertificateRequest.objects.get().method == "est"


def test_a_closed_method_is_refused(fake, team):
    fake.open = False
    with pytest.raises(AccessDenied, match="EST is closed"):
        issuance.submit(enrollment_of(team, account_at(team)))
    assert not CertificateRequest.objects.exists()


def test_a_method_that_nobody_registered_is_refused(team):
    operator = team.principal(Role.OPERATOR)
    with pytest.raises(AccessDenied, match="SCEP is closed"):
        issuance.submit(enrollment_of(team, operator, EnrollmentMethod.SCEP))


def test_accounts_of_a_method_that_nobody_registered_have_no_rights(team):
    with pytest.raises(NotFound):
        issuance.submit(enrollment_of(team, account_at(team, "scep")))


def test_a_name_is_registered_once():
    known = registry.enrollment_methods["acme"]
    with pytest.raises(ValueError, match="twice"):
        registry.register_enrollment_method(known)


def test_acme_is_open_while_its_endpoint_is_enabled(team):
    acme = registry.enrollment_methods["acme"]
    admin = team.principal(Role.ADMIN)
    assert not acme.is_open(team.pairing)
    assert acme.panel(team.pairing) is None

    endpoint = endpoints.enable_acme(admin, team.pairing)
    assert acme.is_open(team.pairing)
    panel = acme.panel(team.pairing)
    assert panel is not None
    assert panel.url.endswith("/directory")
    assert panel.settings == endpoint
    assert "certbot" in {snippet.client for snippet in panel.snippets}

    endpoints.update_acme(admin, endpoint, enabled=False)
    assert not acme.is_open(team.pairing)
    with pytest.raises(AccessDenied, match="ACME is closed"):
        issuance.submit(enrollment_of(team, account_at(team, "acme"), EnrollmentMethod.ACME))


def test_the_page_of_an_application_shows_the_panel_of_each_method(fake, team):
    browser = Client()
    browser.force_login(make_person("ada", role=ProductRole.ADMIN))
    page = reverse("admin:applications_application_change", args=[team.application.pk])
    text = browser.get(page).content.decode()
    assert f"estclient https://ca.example/est/{team.profile.name}" in text
    assert "/api/v1/certificate-requests/" in text
