"""Tests that the snippets work as shown, apart from ports and folders."""

import pytest

from apps.enrollment.acme.snippets import Setting, snippets
from tests.interop.acme import clients
from tests.interop.acme.clients import World, load, names_in


def text_for(acme: World, client: str, key: str) -> str:
    """Return the text of a client, filled in as the admin does."""
    eab = acme.keys[key]
    setting = Setting(
        directory_url=acme.directory,
        ca_file=str(acme.server.root_pem),
        kid=eab.kid,
        hmac_key=eab.hmac_key,
        name="snippet.example.test",
    )
    return next(found.text for found in snippets(setting) if found.client == client)


@pytest.mark.program("certbot")
def test_certbot_line(acme, tmp_path):
    folders = " ".join(f"--{name}-dir {tmp_path / name}" for name in ("config", "work", "logs"))
    here = f"--standalone --http-01-address 127.0.0.1 --http-01-port {acme.http_port} -n {folders}"
    text = text_for(acme, "certbot", "snippet-certbot").replace("--standalone", here)
    path = f"{clients.CERTBOT.parent}:/usr/bin:/bin"
    acme.run("bash", "-c", text, cwd=tmp_path, environment={"PATH": path})
    leaf = load(tmp_path / "config" / "live" / "snippet.example.test" / "cert.pem")[0]
    assert names_in(leaf) == {"snippet.example.test"}


@pytest.mark.program("lego")
def test_lego_line(acme, tmp_path):
    here = f"--path {tmp_path} --http --http.port 127.0.0.1:{acme.http_port}"
    text = text_for(acme, "lego", "snippet-lego").replace("--http", here)
    acme.run("bash", "-c", text, cwd=tmp_path)
    leaf = load(tmp_path / "certificates" / "snippet.example.test.crt")[0]
    assert names_in(leaf) == {"snippet.example.test"}


@pytest.mark.program("certbot")
def test_key_of_quickstart_lets_any_number_of_clients_in(acme, tmp_path):
    facts = acme.server.facts["acme"]
    for number in range(2):
        home = tmp_path / str(number)
        home.mkdir()
        acme.run(
            clients.CERTBOT, "register", "-n", "--agree-tos", "--register-unsafely-without-email",
            "--server", facts["directory_url"], "--eab-kid", facts["eab"]["kid"],
            "--eab-hmac-key", facts["eab"]["hmac_key"],
            *[f"--{name}-dir={home / name}" for name in ("config", "work", "logs")], cwd=home,
        )  # fmt: skip
