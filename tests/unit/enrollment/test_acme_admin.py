"""Tests of the admin pages of ACME."""

import pytest
from django.test import Client
from django.urls import reverse

from apps import principals
from apps.accounts.models import User
from apps.applications import services as applications
from apps.applications.roles import Role
from apps.audit.events import Event
from apps.audit.models import AuditEvent
from apps.enrollment.acme import jws
from apps.enrollment.acme.models import AcmeAccount, AcmeEndpoint, EabKey
from apps.enrollment.acme.services import eab, endpoints
from apps.enrollment.acme.snippets import Setting, snippets
from apps.errors import AccessDenied
from apps.principals import ProductRole
from apps.site.display import admin_url
from tests.factories.accounts import make_person, principal_for
from tests.factories.acme import Acme, make_acme
from tests.factories.applications import Team

pytestmark = pytest.mark.django_db

FORM = {
    "enabled": "on",
    "require_eab": "on",
    "challenge_types": ["http-01", "dns-01"],
    "http_port": "80",
    "tls_port": "443",
    "order_lifetime_h": "24",
    "authz_lifetime_h": "168",
}


@pytest.fixture
def browser(db: None) -> Client:
    """The browser of a product administrator who is a member of nothing."""
    client = Client()
    client.force_login(make_person("ada", role=ProductRole.ADMIN))
    return client


@pytest.fixture
def acme(team: Team) -> Acme:
    return make_acme(team.pairing)


@pytest.fixture
def insider(browser: Client, team: Team) -> Client:
    """The same, who has become an administrator of the application."""
    ada = User.objects.get(username="ada")
    applications.add_member(principals.system("test"), team.application, role=Role.ADMIN, user=ada)
    return browser


def text_of(browser: Client, page: str) -> str:
    answer = browser.get(page)
    assert answer.status_code == 200, page
    return answer.content.decode()


def test_an_endpoint_is_enabled_by_form(team, browser):
    page = reverse("admin:enrollment_acmeendpoint_add")
    assert str(team.pairing) in text_of(browser, page)
    form = FORM | {
        "pairing": str(team.pairing.pk),
        "resolvers": "192.0.2.53\n192.0.2.54:5353",
        "orders_per_account": "7",
    }
    answer = browser.post(page, form)
    assert answer.status_code == 302, answer.content.decode()
    endpoint = AcmeEndpoint.objects.get()
    assert endpoint.resolvers == ["192.0.2.53", "192.0.2.54:5353"]
    assert endpoint.limits == {"orders_per_account": 7}
    assert endpoint.challenge_types == ["http-01", "dns-01"]
    browser.get("/admin/")  # reads the message that names it
    assert str(team.pairing) not in text_of(browser, page), "it has its endpoint"


def test_what_the_service_refuses_stands_at_its_field(acme, browser):
    page = admin_url(acme.endpoint)
    wrong = FORM | {"require_eab": "", "skip_validation": "on", "resolvers": "ns.example"}
    text = browser.post(page, wrong).content.decode()
    assert "would admit everyone" in text
    assert "resolvers[0]" in text
    assert browser.post(page, FORM | {"check_caa": "on"}).status_code == 302
    acme.endpoint.refresh_from_db()
    assert acme.endpoint.check_caa
    assert not acme.endpoint.skip_validation


def test_endpoint_page_shows_the_snippets_the_keys_and_who_fails(acme, browser):
    text = text_of(browser, admin_url(acme.endpoint))
    directory = "https://localhost:8443/acme/payments/payments-tls/directory"
    (certbot, *_) = snippets(Setting(directory_url=directory))
    assert certbot.text in text.replace("&#x27;", "'")
    for client in ("lego", "acme.sh", "Caddy", "Traefik", "cert-manager"):
        assert f"<summary>{client}</summary>" in text
    assert "cluster" in text
    assert "mailto:ops@example.com" in text
    assert "It answered with status 404." in text


def test_a_new_key_is_shown_once_with_filled_in_snippets(acme, insider):
    browser = insider
    page = admin_url(acme.endpoint, "create-eab-key")
    answer = browser.post(page, {"name": "edge", "reusable": "on", "restrict_to": "**.example.com"})
    key = EabKey.objects.get(name="edge")
    secret = jws.encode(eab.hmac_key_of(key))
    text = answer.content.decode()
    assert f"--eab-kid {key.kid} --eab-hmac-key {secret}" in text
    assert key.identifiers == ["**.example.com"]
    for later in (admin_url(key), admin_url(acme.endpoint)):
        assert secret not in text_of(browser, later)
    assert browser.post(admin_url(key, "reveal")).status_code == 302, "no second time"


def test_who_is_no_member_gets_nothing_that_certificates_are_obtained_with(acme, browser):
    before = bytes(EabKey.objects.get(pk=acme.key.pk).sealed_hmac_key)
    told = "You lack the permission request_certificates in the application"
    for obj, name, label in (
        (acme.endpoint, "create-eab-key", "Create EAB key"),
        (acme.key, "rotate", "New secret"),
    ):
        text = text_of(browser, admin_url(obj))
        assert told in text
        assert admin_url(obj, name) not in text, label
        assert browser.get(admin_url(obj, name)).status_code == 302
        refused = browser.post(admin_url(obj, name), {"name": "mine"})
        assert "lacks the permission" in refused.content.decode()
    assert bytes(EabKey.objects.get(pk=acme.key.pk).sealed_hmac_key) == before
    assert not EabKey.objects.filter(name="mine").exists()
    assert AuditEvent.objects.filter(event=Event.ACCESS_DENIED).exists()
    ada = principal_for(User.objects.get(username="ada"))
    with pytest.raises(AccessDenied):
        endpoints.update_acme(ada, acme.endpoint, require_eab=False)
    endpoints.update_acme(ada, acme.endpoint, enabled=False)  # settings are governed


def test_a_key_gets_another_secret_and_is_revoked_with_its_accounts(acme, insider):
    browser = insider
    before = eab.hmac_key_of(acme.key)
    text = browser.post(admin_url(acme.key, "rotate")).content.decode()
    after = eab.hmac_key_of(EabKey.objects.get(pk=acme.key.pk))
    assert after != before
    assert jws.encode(after) in text
    browser.post(admin_url(acme.key, "revoke"), {"accounts": "on"})
    assert EabKey.objects.get(pk=acme.key.pk).revoked_at is not None
    assert AcmeAccount.objects.get().status == "revoked"


def test_an_account_is_revoked(acme, browser):
    assert browser.post(admin_url(acme.account, "revoke")).status_code == 302
    acme.account.refresh_from_db()
    assert acme.account.status == "revoked"


@pytest.mark.parametrize("shown", ["order", "authorization", "challenge"])
def test_each_attempt_is_shown_exactly_and_escaped(acme, browser, shown):
    text = text_of(browser, admin_url(getattr(acme, shown)))
    assert "http://a.example.com/.well-known/ at 192.0.2.7: 404" in text
    assert "&lt;b&gt;404&lt;/b&gt;" in text
    assert "<b>404</b>" not in text
    assert "It answered with status 404." in text


def test_failing_clients_are_found_in_the_list(acme, browser):
    page = reverse("admin:enrollment_acmeaccount_changelist")
    assert "mailto:ops@example.com" in text_of(browser, f"{page}?failing=yes")
    acme.authorization.challenges.update(settled_at="2020-01-01T00:00:00Z")
    assert "mailto:ops@example.com" not in text_of(browser, f"{page}?failing=yes")


@pytest.mark.parametrize("word", ["a.example", "nobody"])
def test_lists_can_be_searched(acme, browser, word):
    for model in ("acmeorder", "acmeauthorization", "acmechallenge"):
        page = reverse(f"admin:enrollment_{model}_changelist")
        assert (">a.example.com</a>" in text_of(browser, f"{page}?q={word}")) is (
            word == "a.example"
        )


def test_no_snippet_asks_for_a_key_where_none_is_needed(team, browser):
    system = principals.system("tests")
    acme = make_acme(team.pairing)
    from apps.enrollment.acme.services import endpoints as services

    services.update_acme(system, acme.endpoint, require_eab=False)
    assert "--eab-kid" not in text_of(browser, admin_url(acme.endpoint))
    applications.update_pairing(system, team.pairing, requires_approval=True)
    assert "required" in text_of(browser, admin_url(acme.endpoint))


def test_limits_are_shown_with_their_highest_use(acme, browser):
    system = principals.system("tests")
    from apps.enrollment.acme.services import endpoints as services

    services.update_acme(system, acme.endpoint, limits={"orders_per_names": 1})
    text = text_of(browser, admin_url(acme.endpoint))
    assert "Orders per names" in text
    assert "a.example.com" in text
    assert "Most in the last hour" in text
