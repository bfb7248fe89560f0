"""Tests of lego: http-01, tls-alpn-01 and dns-01 (RFC 2136), renewal and revocation."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.interop.acme import clients
from tests.interop.acme.clients import Result, World, load, names_in

pytestmark = pytest.mark.program("lego")


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Return where lego keeps its account and certificates through all tests."""
    return tmp_path_factory.mktemp("lego")


def lego(
    acme: World,
    home: Path,
    *argv: str,
    eab: str = "lego",
    key: str = "",
    proof: str = "http",
    status: int | None = 0,
) -> Result:
    """Run lego; it registers with the EAB key on first use."""
    proofs = {
        "http": ["--http", "--http.port", f"127.0.0.1:{acme.http_port}"],
        "tls": ["--tls", "--tls.port", f"127.0.0.1:{acme.tls_port}"],
        "dns": ["--dns", "rfc2136", "--dns.resolvers", acme.names.address, "--dns.disable-cp"],
    }
    return acme.run(
        "lego", "--server", acme.directory, "--email", "a@example.com", "--accept-tos",
        "--path", home, "--eab", "--kid", acme.keys[eab].kid,
        "--hmac", key or acme.keys[eab].hmac_key, *proofs[proof], *argv,
        cwd=home, status=status, environment=acme.names.lego_environment(),
    )  # fmt: skip


def kept(home: Path, name: str) -> Path:
    """Return the file that lego keeps a certificate in."""
    return home / "certificates" / f"{name}.crt"


def test_wrong_eab_key_is_refused(acme, tmp_path):
    said = lego(
        acme,
        tmp_path,
        "-d",
        "x.example.test",
        "run",
        eab="nobody",
        key=clients.WRONG_HMAC_KEY,
        status=1,
    )
    assert "kid and HMAC key do not match" in said.said


def test_one_name_ecdsa_over_http_01(acme, home):
    lego(acme, home, "-d", "lego.example.test", "run")
    chain = load(kept(home, "lego.example.test"))
    assert names_in(chain[0]) == {"lego.example.test"}
    assert isinstance(chain[0].public_key(), ec.EllipticCurvePublicKey)
    chain[0].verify_directly_issued_by(chain[1])


def test_ten_names_rsa_over_http_01(acme, home):
    names = [f"l{number}.lego.example.test" for number in range(10)]
    lego(acme, home, *[f"--domains={n}" for n in names], "--key-type", "rsa2048", "run")
    leaf = load(kept(home, names[0]))[0]
    assert names_in(leaf) == set(names)
    assert isinstance(leaf.public_key(), rsa.RSAPublicKey)


def test_tls_alpn_01(acme, home):
    lego(acme, home, "-d", "alpn.example.test", "-d", "alpn2.example.test", "run", proof="tls")
    assert names_in(load(kept(home, "alpn.example.test"))[0]) == {
        "alpn.example.test",
        "alpn2.example.test",
    }


def test_wildcard_over_dns_01(acme, home):
    lego(acme, home, "-d", "*.lw.example.test", "-d", "lw.example.test", "run", proof="dns")
    leaf = load(kept(home, "_.lw.example.test"))[0]
    assert names_in(leaf) == {"*.lw.example.test", "lw.example.test"}


def test_wildcard_cannot_be_had_over_http_01(acme, home):
    said = lego(acme, home, "-d", "*.nope.example.test", "run", status=1).said
    assert "http-01" in said or "could not determine solvers" in said


def test_renewed_with_the_same_names(acme, home):
    path = kept(home, "lego.example.test")
    before = load(path)[0]
    lego(acme, home, "-d", "lego.example.test", "renew", "--days", "3000", "--no-random-sleep")
    after = load(path)[0]
    assert after.serial_number != before.serial_number
    assert names_in(after) == names_in(before)


def test_nobody_answers_the_challenge(acme, home):
    """A name that leads elsewhere: the client is told what we found there."""
    said = acme.run(
        "lego", "--server", acme.directory, "--email", "a@example.com", "--accept-tos",
        "--path", home, "--eab", "--kid", "known", "--hmac", "already",
        "--http", "--http.webroot", home, "-d", "elsewhere.example.test", "run",
        cwd=home, status=1,
    )  # fmt: skip
    assert "elsewhere.example.test" in said.said
    assert "urn:ietf:params:acme:error:connection" in said.said


def test_revoked(acme, home):
    leaf = load(kept(home, "alpn.example.test"))[0]
    lego(acme, home, "-d", "alpn.example.test", "revoke", "--keep")
    assert acme.state_of(leaf) == "revoked"
