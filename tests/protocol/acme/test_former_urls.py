"""Accounts and their objects after the installation's public URL has changed."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from apps.applications.roles import Role
from apps.enrollment.acme.services import endpoints as services
from tests.factories.keys import make_csr
from tests.protocol.acme.client import Acme, jwk_of, jws, kind
from tests.protocol.acme.conftest import ANYTHING, make_eab, url_of
from tests.served import Client

pytestmark = pytest.mark.django_db
OLD, NEW = "https://localhost:8443", "https://ca.example"


@pytest.fixture
def moved(team, trusted, trusting_endpoint, settings):
    """A client from before, once the directory is at another origin."""
    order = trusted.issue("www.example.com").json()
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"PUBLIC_URL": NEW, "FORMER_PUBLIC_URLS": (OLD,)}
    # As a restart does: what an endpoint's URLs begin with is kept with its settings.
    services.update_acme(team.principal(Role.ADMIN), trusting_endpoint)
    trusted.directory = trusted.get(trusted.directory_url).json()
    assert trusted.kid.startswith(OLD)
    assert trusted.directory["newOrder"].startswith(NEW)
    return trusted, order


def test_an_account_from_before_goes_on(moved):
    client, before = moved
    order = client.issue("www.example.com").json()
    assert order["certificate"].startswith(f"{NEW}/")
    assert client.post(order["certificate"]).status_code == 200
    for url in (client.kid, *before["authorizations"], before["certificate"]):
        assert client.post(url).status_code == 200, url
        assert client.post(url.replace(OLD, NEW)).status_code == 200, url
    assert client.post(client.kid, {"contact": ["mailto:a@example.com"]}).status_code == 200


def test_an_account_from_before_changes_its_key(moved):
    client, _ = moved
    for account in (client.kid, client.kid.replace(OLD, NEW)):
        url, new = client.directory["keyChange"], ec.generate_private_key(ec.SECP256R1())
        header = {"alg": "ES256", "jwk": jwk_of(new), "url": url}
        inner = jws(new, header, {"account": account, "oldKey": jwk_of(client.key)})
        assert client.post(url, inner).status_code == 200
        client.key = new


def test_a_client_that_still_uses_the_old_directory_can_register(team, trusting_endpoint, moved):
    eab = make_eab(team, trusting_endpoint, restrict_to=ANYTHING)
    client = Acme(Client(), url_of(trusting_endpoint), eab=eab)
    client.directory = {name: str(url).replace(NEW, OLD) for name, url in client.directory.items()}
    answer = client.register()
    assert answer.status_code == 201
    assert answer["Location"].startswith(NEW)
    order = client.order("www.example.com").json()
    assert client.finalize(order, make_csr("www.example.com")).json()["status"] == "valid"


@pytest.mark.parametrize(
    "foreign", ["https://localhost:8444", "https://localhost:84433", "http://localhost:8443", ""]
)
def test_other_origins_stay_foreign_and_the_setting_is_named(moved, foreign):
    client, _ = moved
    answer = client.post(client.directory["newOrder"], {}, url=f"{foreign}/new-order")
    assert kind(answer) == "unauthorized"
    assert "SEALWRIGHT_FORMER_PUBLIC_URLS" in answer.json()["detail"]
    answer = client.post(client.directory["newOrder"], {}, kid=client.kid.replace(OLD, foreign))
    assert kind(answer) in {"accountDoesNotExist", "malformed"}
    assert foreign == "" or "SEALWRIGHT_FORMER_PUBLIC_URLS" in answer.json()["detail"]


@pytest.mark.parametrize("origin", [OLD, NEW])
def test_a_url_of_another_resource_is_refused_at_any_origin(moved, origin):
    client, _ = moved
    url = f"{origin}/acme/payments/payments-tls/new-authz"
    assert kind(client.post(client.directory["newOrder"], {}, url=url)) == "unauthorized"
