"""Tests of npm's acme-client: issuance, revocation and key change."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.interop.acme.clients import WRONG_HMAC_KEY, names_in, web_root
from tests.programs import NODE_MODULES

pytestmark = pytest.mark.program("node", "acme-client")
_NAMES = [f"js{number}.example.test" for number in range(10)]


@pytest.fixture(scope="module")
def seen(acme, tmp_path_factory) -> dict[str, Any]:
    """Return what the client saw."""
    home = tmp_path_factory.mktemp("node")
    key = acme.keys["node"]
    with web_root(home / "web", acme.http_port) as tokens:
        given = {
            "directory": acme.directory,
            "kid": key.kid,
            "hmacKey": key.hmac_key,
            "wrongKey": WRONG_HMAC_KEY,
            "webRoot": str(tokens),
            "names": _NAMES,
        }
        said = acme.run(
            "node", Path(__file__).with_name("client.js"), json.dumps(given),
            cwd=home, environment={"NODE_PATH": str(NODE_MODULES)},
        ).said  # fmt: skip
    return json.loads(said.splitlines()[-1])


def test_wrong_eab_key_is_refused(seen):
    assert "kid and HMAC key do not match" in seen["wrongKey"]


def test_ten_names_rsa_and_one_ecdsa(seen):
    leaf = x509.load_pem_x509_certificates(seen["rsa"].encode())[0]
    assert names_in(leaf) == set(_NAMES)
    assert isinstance(leaf.public_key(), rsa.RSAPublicKey)
    leaf = x509.load_pem_x509_certificates(seen["ecdsa"].encode())[0]
    assert names_in(leaf) == {_NAMES[0]}
    assert isinstance(leaf.public_key(), ec.EllipticCurvePublicKey)


def test_account_goes_on_with_its_new_key(seen):
    assert seen["account"] == "valid"


def test_revoked_with_its_reason(acme, seen):
    leaf = x509.load_pem_x509_certificates(seen["ecdsa"].encode())[0]
    assert acme.state_of(leaf) == "revoked"


def test_deactivated_account_can_order_nothing(seen):
    assert "deactivated" in seen["afterwards"]
