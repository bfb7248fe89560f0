"""Tests of dehydrated: http-01 and dns-01 by hook."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.interop.acme import clients
from tests.interop.acme.clients import Result, World, load, names_in, web_root

pytestmark = pytest.mark.program("dehydrated", "hexdump")


def dehydrated(
    acme: World, home: Path, *argv: str | Path, status: int | None = 0, hmac_key: str = ""
) -> Result:
    """Run dehydrated with a configuration file of its own."""
    key = acme.keys["dehydrated"]
    configuration = home / "config"
    configuration.write_text(
        f"CA={acme.directory}\n"
        f"BASEDIR={home}\n"
        f"WELLKNOWN={home}/web/.well-known/acme-challenge\n"
        f'CURL_OPTS="--cacert {acme.server.root_pem}"\n'
        f"EAB_KID={key.kid}\n"
        f"EAB_HMAC_KEY={hmac_key or key.hmac_key}\n"
        "CONTACT_EMAIL=a@example.com\n"
    )
    return acme.run("dehydrated", "-f", configuration, *argv, cwd=home, status=status)


@pytest.fixture(scope="module")
def home(acme, tmp_path_factory) -> Path:
    """Return where dehydrated keeps an account made with the EAB key."""
    folder = tmp_path_factory.mktemp("dehydrated")
    dehydrated(acme, folder, "--register", "--accept-terms")
    return folder


def test_wrong_eab_key_is_refused(acme, tmp_path):
    said = dehydrated(
        acme, tmp_path, "--register", "--accept-terms", hmac_key=clients.WRONG_HMAC_KEY, status=None
    ).said
    assert "kid and HMAC key do not match" in said


def test_names_over_http_01(acme, home):
    with web_root(home / "web", acme.http_port):
        dehydrated(acme, home, "-c", "-d", "dh.example.test www.dh.example.test")
        dehydrated(acme, home, "-c", "-d", "rsa.dh.example.test", "--algo", "rsa")
    leaf = load(home / "certs" / "dh.example.test" / "cert.pem")[0]
    assert names_in(leaf) == {"dh.example.test", "www.dh.example.test"}
    assert isinstance(leaf.public_key(), ec.EllipticCurvePublicKey | rsa.RSAPublicKey)
    leaf = load(home / "certs" / "rsa.dh.example.test" / "cert.pem")[0]
    assert isinstance(leaf.public_key(), rsa.RSAPublicKey)


def test_wildcard_over_dns_01_and_revocation(acme, home, tmp_path):
    hook = acme.names.hook(
        tmp_path / "hook",
        add='[ "$1" = deploy_challenge ]',
        delete='[ "$1" = clean_challenge ]',
        name="$2",
        value="$4",
    )
    dehydrated(
        acme, home, "-c", "-d", "*.dhw.example.test", "--alias", "dhw", "-t", "dns-01", "-k", hook
    )
    path = home / "certs" / "dhw" / "cert.pem"
    leaf = load(path)[0]
    assert names_in(leaf) == {"*.dhw.example.test"}
    dehydrated(acme, home, "--revoke", path.resolve())
    assert acme.state_of(leaf) == "revoked"


def test_account_is_deactivated(acme, home):
    """Last in this module: nothing can be had with it afterwards."""
    dehydrated(acme, home, "--deactivate")
    with web_root(home / "late", acme.http_port):
        dehydrated(acme, home, "-c", "-d", "late.dh.example.test", status=None)
