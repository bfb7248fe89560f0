"""Tests of clients whose accounts are older than the public URL of the installation."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.interop import server as servers
from tests.interop.acme import nameserver
from tests.interop.acme.clients import World, load
from tests.interop.acme.conftest import enable_acme
from tests.programs import CERTBOT

pytestmark = pytest.mark.program("certbot", "lego", "named")
CERTBOT_NAME, LEGO_NAME = "certbot.moved.example.test", "lego.moved.example.test"


def certbot(acme: World, home: Path, *argv: str) -> str:
    folders = [f"--{name}-dir={home / name}" for name in ("config", "work", "logs")]
    port = str(acme.http_port)
    proof = ("--standalone", "--http-01-address", "127.0.0.1", "--http-01-port", port)
    return acme.run(CERTBOT, *argv, "-n", *folders, *proof, cwd=home).said


def lego(acme: World, home: Path, *argv: str) -> str:
    key = acme.keys["lego"]
    return acme.run(
        "lego", "--server", acme.directory, "--email", "a@example.com", "--accept-tos",
        "--path", home, "--eab", "--kid", key.kid, "--hmac", key.hmac_key,
        "--http", "--http.port", f"127.0.0.1:{acme.http_port}", "-d", LEGO_NAME, *argv,
        cwd=home,
    ).said  # fmt: skip


@pytest.fixture
def moved(tmp_path: Path) -> Iterator[World]:
    """Clients with accounts and certificates, once the product has another public URL."""
    folders = [tmp_path / name for name in ("names", "product")]
    for folder in folders:
        folder.mkdir()
    names, home = nameserver.start(folders[0]), folders[1] / "home"
    environment = servers.environment_for(home, DATABASE_URL="")
    server = servers.start(home, environment)
    try:
        acme = enable_acme(server, names)
        key = acme.keys["certbot"]
        certbot(
            acme, tmp_path, "certonly", "--server", acme.directory, "--agree-tos",
            "-m", "a@example.com", "--no-eff-email", f"--eab-kid={key.kid}",
            f"--eab-hmac-key={key.hmac_key}", "-d", CERTBOT_NAME,
        )  # fmt: skip
        lego(acme, tmp_path, "run")
        server.stop()
        old = f"https://localhost:{environment['SEALWRIGHT_HTTPS_PORT']}"
        environment |= {
            "SEALWRIGHT_PUBLIC_URL": old.replace("localhost", "127.0.0.1"),
            "SEALWRIGHT_FORMER_PUBLIC_URLS": old,
        }
        server = servers.start(home, environment)
        yield replace(acme, server=server)
    finally:
        server.stop()
        names.stop()


def test_certbot_and_lego_renew_with_their_accounts_from_before(moved, tmp_path):
    live = tmp_path / "config" / "live" / CERTBOT_NAME / "cert.pem"
    kept = tmp_path / "certificates" / f"{LEGO_NAME}.crt"
    before = {path: load(path)[0].serial_number for path in (live, kept)}
    directory = moved.server.get(moved.directory).json()
    assert directory["newOrder"].startswith("https://127.0.0.1:")
    certbot(moved, tmp_path, "renew", "--force-renewal", "--no-random-sleep-on-renew")
    lego(moved, tmp_path, "renew", "--days", "3000", "--no-random-sleep")
    for path, serial in before.items():
        assert load(path)[0].serial_number != serial
