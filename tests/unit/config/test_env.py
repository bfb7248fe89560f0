import base64
import ipaddress
import json

import pytest
from django.core.exceptions import ImproperlyConfigured

from apps import keyring
from apps.origins import host_of
from config.env import Environment
from config.settings import base
from tests.commands import run_on_own_home


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
    with pytest.raises(ImproperlyConfigured, match=r"c\.example/path.* no path"):
        env.finish()


def test_public_host_is_always_answered():
    assert host_of(base.SEALWRIGHT["PUBLIC_URL"]) in base.ALLOWED_HOSTS


def test_proxies_are_addresses_and_networks(monkeypatch):
    env = Environment()
    assert env.networks("TRUSTED_PROXIES") == ()
    monkeypatch.setenv("SEALWRIGHT_TRUSTED_PROXIES", "10.0.0.0/8, 2001:db8::1")
    assert env.networks("TRUSTED_PROXIES") == (
        ipaddress.ip_network("10.0.0.0/8"),
        ipaddress.ip_network("2001:db8::1/128"),
    )
    monkeypatch.setenv("SEALWRIGHT_TRUSTED_PROXIES", "10.0.0.1/8,proxy.example")
    assert env.networks("TRUSTED_PROXIES") == ()
    with pytest.raises(ImproperlyConfigured, match=r"(?s)10\.0\.0\.1/8.*proxy\.example"):
        env.finish()


@pytest.mark.parametrize("value", ["", "127.0.0.1:9000", "[::1]:9000", "0.0.0.0:1"])
def test_endpoint_is_an_address_with_a_port(monkeypatch, value):
    monkeypatch.setenv("SEALWRIGHT_PROXY_BIND", value)
    env = Environment()
    assert env.endpoint("PROXY_BIND") == value
    env.finish()


@pytest.mark.parametrize(
    "value", ["9000", "localhost:9000", "127.0.0.1:0", "127.0.0.1:70000", "::1:9000", "[1.2.3.4]:1"]
)
def test_unusable_endpoint_is_reported(monkeypatch, value):
    monkeypatch.setenv("SEALWRIGHT_PROXY_BIND", value)
    env = Environment()
    assert env.endpoint("PROXY_BIND") == ""
    with pytest.raises(ImproperlyConfigured, match="SEALWRIGHT_PROXY_BIND"):
        env.finish()


@pytest.mark.parametrize("value", ["short", "x" * 31, "x" * 40 + '"', "x" * 40 + "; }"])
def test_unusable_secret_is_reported_without_being_shown(monkeypatch, value):
    monkeypatch.setenv("SEALWRIGHT_PROXY_SECRET", value)
    env = Environment()
    assert env.secret("PROXY_SECRET") == ""
    with pytest.raises(ImproperlyConfigured, match="SEALWRIGHT_PROXY_SECRET") as refused:
        env.finish()
    assert value not in str(refused.value)


def test_mistakes_are_a_list_without_a_traceback(tmp_path):
    done = run_on_own_home(
        tmp_path,
        "manage.py",
        "check",
        HTTPS_PORT="99999",
        SECRET_KEY_FILE=str(tmp_path / "none"),
        LOG_LEVEL="loud",
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for mistake in (
        "SEALWRIGHT_HTTPS_PORT=99999",
        "SEALWRIGHT_SECRET_KEY_FILE cannot be read: No such file",
        "SEALWRIGHT_LOG_LEVEL='loud'",
    ):
        assert f"  - {mistake}" in done.stderr
    assert not (tmp_path / "home").exists()


def test_listeners_cannot_share_a_port(tmp_path):
    done = run_on_own_home(tmp_path, "manage.py", "check", HTTPS_PORT="28443", HTTP_PORT="28443")
    assert done.returncode == 1
    assert "  - SEALWRIGHT_HTTPS_PORT and SEALWRIGHT_HTTP_PORT are the same" in done.stderr


def test_keyring_path_is_no_file_with_a_key(tmp_path):
    """``SEALWRIGHT_KEK_FILE`` names the keyring, which may not be there before the first start."""
    path = tmp_path / "kek.json"
    done = run_on_own_home(tmp_path, "manage.py", "check", KEK_FILE=str(path))
    assert done.returncode == 0, done.stderr
    key = bytes(32)
    key_id = keyring.key_id_for(key)
    path.write_text(
        json.dumps({"current": key_id, "keys": {key_id: base64.b64encode(key).decode()}})
    )
    path.chmod(0o600)
    done = run_on_own_home(tmp_path, "manage.py", "check", KEK_FILE=str(path))
    assert done.returncode == 0, done.stderr
    path.write_text("{}")
    done = run_on_own_home(tmp_path, "manage.py", "check", KEK_FILE=str(path))
    assert f"The keyring {path} is damaged" in done.stderr
