"""Tests of the client snippets."""

import base64
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from apps.enrollment.acme.snippets import Setting, Snippet, snippets
from apps.enrollment.acme.states import new_url_id

ROOT = Path(__file__).resolve().parents[3]
SETTING = Setting(
    directory_url="https://ca.example/acme/shop/web/directory",
    ca_file="/etc/our root.pem",
    kid="kid-1",
    hmac_key="c2VjcmV0",
    name="shop.example",
    ca_pem="-----BEGIN CERTIFICATE-----\n",
)


def texts(setting: Setting) -> dict[str, Snippet]:
    return {snippet.client: snippet for snippet in snippets(setting)}


def test_every_client_has_a_text():
    assert list(texts(SETTING)) == [
        "certbot",
        "lego",
        "acme.sh",
        "Caddy",
        "Traefik",
        "cert-manager",
    ]


@pytest.mark.parametrize("client", texts(SETTING))
def test_text_has_the_directory_and_the_eab_key_where_one_is_needed(client):
    text = texts(SETTING)[client].text
    assert SETTING.directory_url in text
    assert SETTING.kid in text
    assert SETTING.hmac_key in text
    without = texts(replace(SETTING, eab=False))[client].text
    assert SETTING.directory_url in without
    assert SETTING.kid not in without
    assert "eab" not in without.lower()


@pytest.mark.parametrize("client", ["certbot", "lego", "acme.sh"])
def test_command_lines_survive_the_shell(client):
    words = shlex.split(texts(SETTING)[client].text.replace("\\\n", ""))
    assert any("/etc/our root.pem" in word for word in words)
    assert "shop.example" in words


def test_cert_manager_gets_an_issuer_and_its_secret():
    secret, issuer = yaml.safe_load_all(texts(SETTING)["cert-manager"].text)
    assert secret["kind"] == "Secret"
    assert secret["stringData"] == {"hmac-key": SETTING.hmac_key}
    assert issuer["kind"] == "ClusterIssuer"
    acme = issuer["spec"]["acme"]
    assert acme["server"] == SETTING.directory_url
    assert base64.b64decode(acme["caBundle"]).decode() == SETTING.ca_pem
    assert acme["externalAccountBinding"] == {
        "keyID": SETTING.kid,
        "keySecretRef": {"name": secret["metadata"]["name"], "key": "hmac-key"},
    }
    (alone,) = yaml.safe_load_all(texts(replace(SETTING, eab=False))["cert-manager"].text)
    assert "externalAccountBinding" not in alone["spec"]["acme"]


def test_traefik_gets_a_resolver():
    document = yaml.safe_load(texts(SETTING)["Traefik"].text)
    acme = document["certificatesResolvers"]["sealwright"]["acme"]
    assert acme["caServer"] == SETTING.directory_url
    assert acme["eab"] == {"kid": SETTING.kid, "hmacEncoded": SETTING.hmac_key}
    assert acme["httpChallenge"]["entryPoint"] in document["entryPoints"]


def test_page_shows_the_same_texts():
    page = (ROOT / "docs" / "acme.md").read_text()
    example = Setting(directory_url="https://sealwright.example/acme/shop/web/directory")
    for snippet in snippets(example):
        assert f"### {snippet.client}\n\n```{snippet.language}\n{snippet.text}\n```" in page


def test_identifiers_never_look_like_options(monkeypatch):
    """``--eab-kid -x`` would be read as an option without a value."""
    drawn = iter(["-AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAA"])
    monkeypatch.setattr("apps.enrollment.acme.states.secrets.token_urlsafe", lambda _: next(drawn))
    assert new_url_id() == "AAAAAAAAAAAAAAAAAAAAAA"
