"""Tests of the directory (RFC 8555 section 7.1.1)."""

import pytest

from apps.applications.roles import Role
from apps.enrollment.acme.services import endpoints as services
from tests.protocol.acme.client import Acme, kind
from tests.protocol.acme.conftest import url_of
from tests.served import Client

pytestmark = pytest.mark.django_db


def test_a26_it_lists_what_is_there(endpoint):
    answer = Client().get(url_of(endpoint))
    assert answer.status_code == 200
    found = answer.json()
    base = "https://localhost:8443/acme/payments/payments-tls"
    assert found["newNonce"] == f"{base}/new-nonce"
    assert {name for name in found if name != "meta"} == {
        "newNonce",
        "newAccount",
        "newOrder",
        "newAuthz",
        "revokeCert",
        "keyChange",
        "renewalInfo",
    }
    assert 'rel="index"' not in answer.headers.get("Link", "")  # on all but the directory


def test_a26_new_authz_is_absent_where_authorizations_serve_one_order(team):
    endpoint = services.enable_acme(
        team.principal(Role.ADMIN), team.pairing, require_eab=False, authz_lifetime_h=0
    )
    client = Acme(Client(), url_of(endpoint))
    client.register()
    assert "newAuthz" not in client.directory
    url = client.directory["newOrder"].replace("new-order", "new-authz")
    assert client.post(url, {}).status_code == 404


def test_a07_it_is_read_by_post_as_get_as_well(client):
    url = f"https://localhost:8443{client.directory_url}"
    assert client.post(url).json() == client.directory
    assert kind(client.post(url, {})) == "malformed"
    assert kind(client.post(url, by_jwk=True)) == "malformed"


def test_meta_says_what_is_demanded(team):
    endpoint = services.enable_acme(
        team.principal(Role.ADMIN),
        team.pairing,
        terms_of_service="https://example.com/terms",
        website="https://example.com/",
        caa_identities=["ca.example.com"],
    )
    assert Client().get(url_of(endpoint)).json()["meta"] == {
        "externalAccountRequired": True,
        "termsOfService": "https://example.com/terms",
        "website": "https://example.com/",
        "caaIdentities": ["ca.example.com"],
        "profiles": {"payments-tls": "payments-tls"},
    }


def test_a33_meta_lists_the_profile(endpoint):
    assert list(Client().get(url_of(endpoint)).json()["meta"]["profiles"]) == ["payments-tls"]


def test_the_sum_of_no_pair_is_not_found(endpoint):
    for url in (
        "/acme/payments/other/directory",
        "/acme/other/payments-tls/directory",
        "/acme/payments/payments-tls/nothing",
        "/acme/payments/payments-tls/",
    ):
        answer = Client().get(url)
        assert answer.status_code == 404, url
        assert kind(answer) == "malformed"


def test_pv08_a_disabled_endpoint_answers_nothing_to_anybody(client, open_endpoint, team):
    order = client.order("www.example.com").json()
    services.update_acme(team.principal(Role.ADMIN), open_endpoint, enabled=False)

    assert client.get(client.directory_url).status_code == 404
    assert client.register().status_code == 404
    for url in (client.kid, client.directory["newOrder"], order["finalize"]):
        answer = client.post(url)
        assert answer.status_code == 404
        assert kind(answer) == "malformed"


def test_no_session_and_no_cookie(client):
    answer = client.order("www.example.com")
    assert not answer.cookies
    assert "Vary" not in answer or "Cookie" not in answer["Vary"]
