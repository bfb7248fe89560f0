"""Tests of rate limits (RFC 8555 section 6.6)."""

import re
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from apps import clock
from apps.applications.roles import Role
from apps.certificates.models import Certificate
from apps.enrollment.acme import limit_usage
from apps.enrollment.acme.models import AcmeAccount, AcmeChallenge, AcmeOrder
from apps.enrollment.acme.services import endpoints as services
from apps.enrollment.acme.services import limits as limit_service
from apps.errors import InvalidInput
from tests.protocol.acme.client import Acme, dns, kind
from tests.protocol.acme.conftest import url_of
from tests.protocol.acme.test_renewal_info import id_of
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
    told = re.search(
        r"Try again after (\S+Z), in (1 hour|\d+ (minute|second))", answer.json()["detail"]
    )
    assert told is not None
    waits = datetime.fromisoformat(told[1]) - clock.now()
    assert abs(waits.total_seconds() - int(answer["Retry-After"])) < 60
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


@pytest.mark.parametrize(
    ("defaults", "policy", "orders", "names"),
    [
        ({"ttl": "90d"}, None, 300, 50),
        ({"ttl": "1d"}, None, 300, 50),
        ({"ttl": "1h"}, None, 7200, 1200),
        ({"ttl": "90d"}, {"max": "1h"}, 7200, 1200),
        ({"ttl": "7h"}, None, 1200, 200),
        ({"ttl": "10m"}, {"max": "90d"}, 43200, 7200),
    ],
)
def test_a25_defaults_follow_the_lifetime(team, open_endpoint, defaults, policy, orders, names):
    profile = team.profile
    rules = profile.policy.current_version.rules | {"validity": policy or {"max": "90d"}}
    profile.policy.current_version.rules = rules
    profile.policy.current_version.pk = uuid4()  # rules are compiled once for each version
    profile.defaults = defaults
    found = limit_service.in_force({}, profile)
    assert (found["orders_per_account"], found["orders_per_names"]) == (orders, names)
    assert found["failures_per_account"] == limit_service.DEFAULTS["failures_per_account"]
    # What an administrator sets is taken as it is.
    assert limit_service.in_force({"orders_per_names": 7}, profile)["orders_per_names"] == 7
    # An hourly certificate that is renewed every 20 minutes, a hundred names.
    assert policy != {"max": "1h"} or orders >= 3 * 100


@pytest.fixture
def renewing(team, trusting_endpoint, make_trusted):
    """A client with a certificate for each of three names, at an endpoint that is at its limit."""
    client = make_trusted()
    for number in range(3):
        client.issue(f"h{number}.example.com")
    services.update_acme(
        team.principal(Role.ADMIN), trusting_endpoint, limits={"orders_per_account": 3}
    )
    assert_limited(client.order("new.example.com"))
    return client


def test_a25_orders_that_replace_a_certificate_do_not_count(renewing):
    rows = Certificate.objects.order_by("pk")
    for row in rows:
        (name,) = [value for _, value in row.subject_alt_names]
        assert renewing.order(name, replaces=id_of(row)).status_code == 201
    assert_limited(renewing.order("new.example.com"))
    AcmeOrder.objects.filter(replaces_certificate=None).update(
        created_at=clock.now() - timedelta(hours=1)
    )
    assert renewing.order("new.example.com").status_code == 201


def test_a25_renewals_by_the_same_names_do_not_count(renewing, make_trusted):
    for number in range(3):
        assert renewing.order(f"h{number}.example.com").status_code == 201
    assert_limited(renewing.order("h0.example.com", "h1.example.com"))
    # The first orders leave the window; the renewals after them are in it.
    first = AcmeOrder.objects.filter(certificate__isnull=False)
    first.update(created_at=clock.now() - timedelta(hours=1))
    for number in range(3):
        assert renewing.order(f"new{number}.example.com").status_code == 201
    assert_limited(renewing.order("new3.example.com"))
    other = make_trusted()
    for number in range(3):
        assert other.order(f"x{number}.example.com").status_code == 201
    assert_limited(other.order("h0.example.com"))  # another account's certificate


def test_a25_a_replacement_passes_the_limit_of_its_names_until_it_loops(
    team, trusted, trusting_endpoint
):
    trusted.issue("www.example.com")
    row = Certificate.objects.get()
    services.update_acme(
        team.principal(Role.ADMIN), trusting_endpoint, limits={"orders_per_names": 1}
    )
    assert_limited(trusted.order("www.example.com"))
    for _ in range(limit_service.ORDERS_PER_PREDECESSOR):
        answer = trusted.order("www.example.com", replaces=id_of(row))
        assert answer.status_code == 201
        AcmeOrder.objects.filter(replaces_certificate=row).update(status="invalid")
    assert_limited(trusted.order("www.example.com", replaces=id_of(row)))


def test_a25_use_is_shown_before_a_limit_bites(team, trusted, trusting_endpoint):
    services.update_acme(
        team.principal(Role.ADMIN), trusting_endpoint, limits={"orders_per_names": 2}
    )
    trusted.order("a.example.com", "b.example.com")
    trusted.order("b.example.com", "a.example.com")
    trusted.order("c.example.com")
    AcmeChallenge.objects.update(status="invalid", settled_at=clock.now())
    old = trusted.order("d.example.com")["Location"].rpartition("/")[2]
    AcmeOrder.objects.filter(url_id=old).update(created_at=clock.now() - timedelta(hours=1))
    found = {use.name: use for use in limit_usage.usage(trusting_endpoint)}
    account = trusted.kid.rpartition("/")[2]
    assert found["orders_per_names"] == limit_usage.LimitUse(
        "orders_per_names", 2, 2, "b.example.com, a.example.com"
    )
    assert found["orders_per_account"] == limit_usage.LimitUse(
        "orders_per_account", 300, 3, account
    )
    assert found["accounts_per_address"].used == 1
    assert found["failures_per_account"].used == 0
    assert [name for name, use in found.items() if use.close] == ["orders_per_names"]


def test_a25_failures_in_use_are_those_of_the_hour(client, open_endpoint):
    client.order("a.example.com", "b.example.com")
    rows = list(AcmeChallenge.objects.filter(type="http-01"))
    for row, age in zip(rows, (timedelta(0), timedelta(hours=2)), strict=True):
        row.status, row.settled_at = "invalid", clock.now() - age
        row.save()
    (use,) = [u for u in limit_usage.usage(open_endpoint) if u.name == "failures_per_account"]
    assert (use.used, use.by) == (1, client.kid.rpartition("/")[2])
