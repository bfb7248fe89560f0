"""Tests of rate limits (RFC 8555 section 6.6)."""

from datetime import timedelta

import pytest

from apps import clock
from apps.applications.roles import Role
from apps.enrollment.acme.models import AcmeAccount, AcmeChallenge, AcmeOrder
from apps.enrollment.acme.services import endpoints as services
from apps.errors import InvalidInput
from tests.protocol.acme.client import Acme, dns, kind
from tests.protocol.acme.conftest import url_of
from tests.served import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def limited(team, open_endpoint):
    """Set one limit and return a client with an account."""

    def limit(**limits):
        services.update_acme(team.principal(Role.ADMIN), open_endpoint, limits=limits)
        client = Acme(Client(), url_of(open_endpoint))
        client.register()
        return client

    return limit


def assert_limited(answer):
    assert kind(answer) == "rateLimited"
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 3600
    link = next(link for link in answer["Link"].split(", ") if 'rel="help"' in link)
    page = Client().get(link.partition(">")[0].removeprefix("<https://localhost:8443"))
    assert "orders per account: " in page.content.decode()
    return int(answer["Retry-After"])


def test_a25_orders_of_an_account(limited, frozen_clock):
    client = limited(orders_per_account=3)
    for n in range(3):
        assert client.order(f"h{n}.example.com").status_code == 201
        frozen_clock.shift(60)
    wait = assert_limited(client.order("h3.example.com"))
    assert AcmeOrder.objects.count() == 3
    frozen_clock.shift(wait)
    client.nonces.clear()
    assert client.order("h3.example.com").status_code == 201


def test_a25_orders_for_the_same_names_whatever_account_and_order(limited, open_endpoint):
    client = limited(orders_per_names=2)
    assert client.order("a.example.com", "b.example.com").status_code == 201
    assert client.order("b.example.com", "a.example.com").status_code == 201
    second = Acme(Client(), url_of(open_endpoint))
    second.register()
    assert_limited(second.order("a.example.com", "b.example.com"))
    assert second.order("a.example.com").status_code == 201


def test_a25_accounts_of_an_address(team, open_endpoint):
    services.update_acme(
        team.principal(Role.ADMIN), open_endpoint, limits={"accounts_per_address": 2}
    )
    for _ in range(2):
        assert Acme(Client(), url_of(open_endpoint)).register().status_code == 201
    third = Acme(Client(), url_of(open_endpoint))
    assert_limited(third.register())
    third.http = Client(REMOTE_ADDR="192.0.2.7")
    assert third.register().status_code == 201
    assert AcmeAccount.objects.count() == 3


def test_a25_failed_validations(limited):
    client = limited(failures_per_account=2)
    order = client.order("a.example.com", "b.example.com", "c.example.com").json()
    challenge = client.post(order["authorizations"][2]).json()["challenges"][0]["url"]
    failed = AcmeChallenge.objects.filter(type="http-01").order_by("pk").values("pk")[:2]
    AcmeChallenge.objects.filter(pk__in=list(failed.values_list("pk", flat=True))).update(
        status="invalid", settled_at=clock.now()
    )
    assert_limited(client.post(challenge, {}))
    assert_limited(client.post(client.directory["newAuthz"], {"identifier": dns("x.example.com")}))
    AcmeChallenge.objects.filter(status="invalid").update(
        settled_at=clock.now() - timedelta(hours=1)
    )
    assert client.post(challenge, {}).status_code == 200


def test_a25_zero_lifts_a_limit(limited):
    client = limited(orders_per_account=0, orders_per_names=0)
    for _ in range(60):
        answer = client.order("www.example.com")
    assert answer.status_code == 201


def test_a25_by_default_there_are_limits(client):
    from apps.enrollment.acme.services import limits

    assert all(limits.DEFAULTS.values())
    for _ in range(limits.DEFAULTS["orders_per_names"]):
        answer = client.order("www.example.com")
    assert answer.status_code == 201
    assert_limited(client.order("www.example.com"))


@pytest.mark.parametrize(
    "limits",
    [
        {"x": 1},
        {"orders_per_account": -1},
        {"orders_per_account": "7"},
        {"orders_per_account": True},
    ],
)
def test_a25_unknown_or_absurd_limits_are_refused(team, open_endpoint, limits):
    with pytest.raises(InvalidInput):
        services.update_acme(team.principal(Role.ADMIN), open_endpoint, limits=limits)
