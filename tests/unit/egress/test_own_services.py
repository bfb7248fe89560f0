"""Tests that own listeners and databases are never a destination."""

from ipaddress import ip_address
from types import SimpleNamespace

import pytest

from apps.egress import EgressRefused, connect, own_services


@pytest.fixture(autouse=True)
def fresh():
    own_services.database_addresses.cache_clear()
    yield
    own_services.database_addresses.cache_clear()


@pytest.fixture
def house(settings):
    settings.SEALWRIGHT = settings.SEALWRIGHT | {
        "BIND": "0.0.0.0",
        "HTTPS_PORT": 8443,
        "HTTP_PORT": 8080,
    }
    return settings


@pytest.fixture
def databases(house, monkeypatch):
    """Describe a database; the real setting cannot be overridden inside a test."""

    def describe(**database):
        described = {"ENGINE": "django.db.backends.postgresql"} | database
        stand_in = SimpleNamespace(SEALWRIGHT=house.SEALWRIGHT, DATABASES={"default": described})
        monkeypatch.setattr(own_services, "settings", stand_in)

    return describe


@pytest.mark.parametrize("port", [8443, 8080])
def test_eg3_own_listeners_are_never_a_destination(house, rules, witness, port):
    with pytest.raises(EgressRefused, match="our own"):
        connect(rules, "127.0.0.1", port)
    assert witness == []


def test_same_port_elsewhere_is_not_ours(house):
    assert not own_services.is_own(ip_address("192.0.2.77"), 8443)
    assert not own_services.is_own(ip_address("127.0.0.1"), 8444)


def test_listener_bound_to_one_address_closes_only_that(house):
    house.SEALWRIGHT = house.SEALWRIGHT | {"BIND": "127.0.0.5"}
    assert own_services.is_own(ip_address("127.0.0.5"), 8443)
    assert own_services.is_own(ip_address("::ffff:127.0.0.5"), 8443)
    assert not own_services.is_own(ip_address("127.0.0.1"), 8443)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_eg3_database_is_never_a_destination(databases, rules, witness, host):
    databases(HOST=host, PORT="15432")
    with pytest.raises(EgressRefused, match="our own"):
        connect(rules, "127.0.0.1", 15432)
    assert witness == []


@pytest.mark.parametrize("host", ["/run/postgresql", ""])
def test_database_on_a_socket_file_closes_no_remote_address(databases, host):
    databases(HOST=host)
    assert not own_services.is_own(ip_address("192.0.2.77"), 5432)
