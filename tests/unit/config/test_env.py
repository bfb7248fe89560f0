import pytest
from django.core.exceptions import ImproperlyConfigured

from config.env import Environment, host_of
from config.listen import address
from config.settings import base


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://pki.example:8443", "pki.example"),
        ("https://192.0.2.1", "192.0.2.1"),
        ("https://[2001:db8::1]:8443", "[2001:db8::1]"),
    ],
)
def test_host_of_an_origin_is_what_allowed_hosts_wants(origin, host):
    assert host_of(origin) == host


def test_choice_is_one_of_the_offered(monkeypatch):
    monkeypatch.setenv("SEALWRIGHT_TLS_CLIENT_CERTIFICATES", "Optional")
    assert Environment().choice("TLS_CLIENT_CERTIFICATES", "off", ("off", "optional")) == "optional"


def test_every_unusable_value_is_reported_at_once(monkeypatch):
    monkeypatch.setenv("SEALWRIGHT_TLS_CLIENT_CERTIFICATES", "perhaps")
    monkeypatch.setenv("SEALWRIGHT_HTTPS_PORT", "99999")
    env = Environment()
    assert env.choice("TLS_CLIENT_CERTIFICATES", "off", ("off", "optional")) == "off"
    assert env.port("HTTPS_PORT", 8443) == 8443
    with pytest.raises(ImproperlyConfigured, match=r"(?s)perhaps.*99999"):
        env.finish()


def test_origins_are_a_list_and_each_is_judged(monkeypatch):
    env = Environment()
    assert env.origins("FORMER_PUBLIC_URLS") == ()
    listed = "https://a.example/, https://b.example:8443 ,https://c.example/path"
    monkeypatch.setenv("SEALWRIGHT_FORMER_PUBLIC_URLS", listed)
    assert env.origins("FORMER_PUBLIC_URLS") == ("https://a.example", "https://b.example:8443")
    with pytest.raises(ImproperlyConfigured, match=r"c\.example/path.* is not an origin"):
        env.finish()


def test_public_host_is_always_answered():
    assert host_of(base.SEALWRIGHT["PUBLIC_URL"]) in base.ALLOWED_HOSTS


@pytest.mark.parametrize(
    ("bind", "expected"),
    [
        ("127.0.0.1", "127.0.0.1:1"),
        ("::", "[::]:1"),
        ("[::1]", "[::1]:1"),
        ("0.0.0.0", "0.0.0.0:1"),
    ],
)
def test_listening_address_brackets_ipv6(monkeypatch, bind, expected):
    monkeypatch.setitem(base.SEALWRIGHT, "BIND", bind)
    assert address(1) == expected
