"""Link header fields: one line for each relation, on every resource (RFC 8555 section 7.1)."""

import pytest

from apps.applications.roles import Role
from apps.enrollment.acme.models import AcmeChallenge
from apps.enrollment.acme.services import accounts, endpoints
from tests.protocol.acme.client import Acme
from tests.protocol.acme.conftest import url_of
from tests.served import Client

pytestmark = pytest.mark.django_db
BASE = "https://localhost:8443/acme/payments/payments-tls"
INDEX = f'<{BASE}/directory>;rel="index"'


def test_a09_every_resource_but_the_directory_links_to_the_index(trusted):
    order = trusted.issue("www.example.com").json()
    (authorization,) = order["authorizations"]
    directory = trusted.directory
    answers = [
        trusted.get(directory["newNonce"]),
        trusted.get(f"{directory['renewalInfo']}/a.b"),
        trusted.get(directory["newOrder"]),
        trusted.register(),
        trusted.post(trusted.kid),
        trusted.post(directory["newAuthz"], {"identifier": {"type": "dns", "value": "a.example"}}),
        trusted.order("www.example.com"),
        trusted.post(order["finalize"], {}),
        trusted.post(authorization),
        trusted.post(directory["newOrder"].replace("new-order", "nothing")),
    ]
    for answer in answers:
        assert answer.links == [INDEX]
    assert trusted.get(trusted.directory_url).links == []


def test_a09_a_challenge_links_to_its_authorization(client):
    order = client.order("www.example.com").json()
    (authorization,) = order["authorizations"]
    challenge = client.post(authorization).json()["challenges"][0]["url"]
    assert client.post(challenge).links == [f'<{authorization}>;rel="up"', INDEX]


def test_a22_each_alternate_chain_has_a_line(trusted):
    url = trusted.issue("www.example.com").json()["certificate"]
    links = trusted.post(url).links
    assert links[-1] == INDEX
    assert links[:-1] == [f'<{url}/1>;rel="alternate"']


def test_a10_the_next_page_of_orders_has_a_line(client, monkeypatch):
    monkeypatch.setattr(accounts, "ORDERS_PER_PAGE", 1)
    client.order("a.example.com")
    client.order("b.example.com")
    url = client.post(client.kid).json()["orders"]
    following, index = client.post(url).links
    assert following.startswith(f"<{url}?cursor=")
    assert following.endswith('>;rel="next"')
    assert index == INDEX


def test_a11_terms_have_a_line_whatever_their_url_holds(team):
    terms = "https://example.com/terms?of=a,b;c"
    endpoint = endpoints.enable_acme(
        team.principal(Role.ADMIN), team.pairing, require_eab=False, terms_of_service=terms
    )
    client = Acme(Client(), url_of(endpoint))
    assert client.register().links == [f'<{terms}>;rel="terms-of-service"', INDEX]


def test_a25_limits_have_a_line(client):
    order = client.order("a.example.com").json()
    challenge = client.post(order["authorizations"][0]).json()["challenges"][0]["url"]
    AcmeChallenge.objects.update(status="invalid", settled_at="2000-01-01T00:00:00Z")
    assert client.post(challenge, {}).links[-1] == INDEX
    endpoints.update_acme(_system(), _endpoint(), limits={"orders_per_account": 1})
    assert client.order("b.example.com").links == [INDEX, f'<{BASE}/limits>;rel="help"']


def _system():
    from apps import principals

    return principals.system("tests")


def _endpoint():
    from apps.enrollment.acme.models import AcmeEndpoint

    return AcmeEndpoint.objects.get()
