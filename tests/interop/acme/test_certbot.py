"""Tests of certbot: http-01, dns-01 by hooks, EAB, ARI, renewal and revocation."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.interop.acme import clients
from tests.interop.acme.clients import Result, World, load, names_in

pytestmark = pytest.mark.program("certbot")


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Return where certbot keeps its account and certificates through all tests."""
    return tmp_path_factory.mktemp("certbot")


def certbot(acme: World, home: Path, *argv: str, status: int | None = 0, eab: str = "") -> Result:
    folders = [f"--{name}-dir={home / name}" for name in ("config", "work", "logs")]
    bound = (
        [f"--eab-kid={acme.keys[eab].kid}", f"--eab-hmac-key={acme.keys[eab].hmac_key}"]
        if eab
        else []
    )
    return acme.run(
        clients.CERTBOT, *argv, "--server", acme.directory, "-n", *folders, *bound,
        cwd=home, status=status,
    )  # fmt: skip


def certonly(acme: World, home: Path, *names: str, more: tuple[str, ...] = ()) -> Path:
    """Obtain a certificate over http-01; return its folder."""
    certbot(
        acme, home, "certonly", "--standalone", "--http-01-address", "127.0.0.1",
        "--http-01-port", str(acme.http_port), "--cert-name", names[0],
        *[f"--domain={name}" for name in names], *more,
    )  # fmt: skip
    return home / "config" / "live" / names[0]


@pytest.fixture(scope="module")
def registered(acme, home) -> Path:
    """An account, made with the EAB key."""
    certbot(acme, home, "register", "--agree-tos", "-m", "a@example.com", "--no-eff-email",
            eab="certbot")  # fmt: skip
    return home


def test_wrong_eab_key_is_refused(acme, tmp_path):
    said = certbot(
        acme, tmp_path, "register", "--agree-tos", "-m", "a@example.com", "--no-eff-email",
        "--eab-kid", acme.keys["nobody"].kid, "--eab-hmac-key", clients.WRONG_HMAC_KEY, status=1,
    ).said  # fmt: skip
    assert "kid and HMAC key do not match" in said


def test_no_eab_key_is_refused(acme, tmp_path):
    said = certbot(
        acme, tmp_path, "register", "--agree-tos", "-m", "a@example.com", "--no-eff-email", status=1
    ).said
    assert "eab" in said.lower() or "external account" in said.lower()


def test_spent_single_use_key_is_refused(acme, registered, tmp_path):
    said = certbot(
        acme, tmp_path, "register", "--agree-tos", "-m", "a@example.com", "--no-eff-email",
        eab="certbot", status=1,
    ).said  # fmt: skip
    assert "has been used" in said


def test_one_name_ecdsa(acme, registered, openssl):
    live = certonly(acme, registered, "one.example.test")
    leaf = load(live / "cert.pem")[0]
    assert names_in(leaf) == {"one.example.test"}
    assert isinstance(leaf.public_key(), ec.EllipticCurvePublicKey)
    said = openssl(
        "verify",
        "-CAfile",
        acme.server.root_pem,
        "-untrusted",
        live / "chain.pem",
        live / "cert.pem",
    )
    assert said.endswith("OK\n")


def test_ten_names_rsa(acme, registered):
    names = [f"n{number}.ten.example.test" for number in range(10)]
    live = certonly(acme, registered, *names, more=("--key-type", "rsa", "--rsa-key-size", "2048"))
    leaf = load(live / "cert.pem")[0]
    assert names_in(leaf) == set(names)
    assert isinstance(leaf.public_key(), rsa.RSAPublicKey)


def test_wildcard_over_dns_01(acme, registered, tmp_path):
    variables = {"name": "$CERTBOT_DOMAIN", "value": "$CERTBOT_VALIDATION"}
    up = acme.names.hook(tmp_path / "up", add="true", delete="false", **variables)
    down = acme.names.hook(tmp_path / "down", add="false", delete="true", **variables)
    certbot(
        acme, registered, "certonly", "--manual", "--preferred-challenges", "dns",
        "--manual-auth-hook", str(up), "--manual-cleanup-hook", str(down),
        "--cert-name", "wild", "-d", "*.wild.example.test", "-d", "wild.example.test",
    )  # fmt: skip
    leaf = load(registered / "config" / "live" / "wild" / "cert.pem")[0]
    assert names_in(leaf) == {"*.wild.example.test", "wild.example.test"}


def test_renewal_waits_for_the_suggested_window_and_hurries_after_revocation(acme, registered):
    """ARI (RFC 9773): nothing is due; once the certificate is revoked, everything is."""
    live = certonly(acme, registered, "renew.example.test")
    before = load(live / "cert.pem")[0]
    calm = certbot(acme, registered, "renew", "--cert-name", "renew.example.test").said
    assert "not yet due" in calm.lower() or "no renewals were attempted" in calm.lower(), calm

    row = acme.server.api("GET", f"certificates/?serial_number={before.serial_number:x}").json()[
        "results"
    ][0]
    revoked = acme.server.api("POST", f"certificates/{row['id']}/revoke/", {"reason": "superseded"})
    assert revoked.status == 200, revoked.body
    configuration = registered / "config" / "renewal" / "renew.example.test.conf"
    assert "ari_retry_after" in configuration.read_text(), "certbot asked renewalInfo"
    # As if the hours that Retry-After asks for had passed.
    configuration.write_text(
        "\n".join(
            line for line in configuration.read_text().splitlines() if "ari_retry_after" not in line
        )
    )
    certbot(
        acme, registered, "renew", "--cert-name", "renew.example.test", "--no-random-sleep-on-renew"
    )
    after = load(live / "cert.pem")[0]
    assert after.serial_number != before.serial_number
    assert names_in(after) == names_in(before)


def test_revoked_by_the_account(acme, registered):
    live = certonly(acme, registered, "gone.example.test")
    leaf = load(live / "cert.pem")[0]
    assert acme.state_of(leaf) == "active"
    certbot(
        acme, registered, "revoke", "--cert-path", str(live / "cert.pem"),
        "--reason", "keycompromise", "--no-delete-after-revoke",
    )  # fmt: skip
    assert acme.state_of(leaf) == "revoked"


def test_revoked_by_the_certificates_own_key(acme, registered):
    live = certonly(acme, registered, "own.example.test")
    leaf = load(live / "cert.pem")[0]
    certbot(
        acme, registered, "revoke", "--cert-path", str(live / "cert.pem"),
        "--key-path", str(live / "privkey.pem"), "--no-delete-after-revoke",
    )  # fmt: skip
    assert acme.state_of(leaf) == "revoked"


def test_caa_of_another_authority_forbids(acme, registered):
    said = certbot(
        acme, registered, "certonly", "--standalone", "--http-01-address", "127.0.0.1",
        "--http-01-port", str(acme.http_port), "-d", "forbidden.example.test", status=1,
    ).said  # fmt: skip
    assert "CAA" in said or "caa" in said
    certonly(acme, registered, "allowed.example.test")


def test_account_is_deactivated(acme, registered):
    """Last in this module: nothing can be had with it afterwards."""
    certbot(acme, registered, "unregister")
