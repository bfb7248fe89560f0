"""Test of certbot's acme library through an account's life."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.interop.acme import clients
from tests.interop.acme.clients import World

pytestmark = pytest.mark.program("acme library")


@pytest.fixture(scope="module")
def seen(acme: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what the library saw on one walk."""
    given = {
        "directory": acme.directory,
        "root": str(acme.server.root_pem),
        "kid": acme.keys["library"].kid,
        "hmac_key": acme.keys["library"].hmac_key,
        "wrong_hmac_key": clients.WRONG_HMAC_KEY,
        "http_port": acme.http_port,
    }
    script = Path(__file__).with_name("library_client.py")
    said = acme.run(
        clients.LIBRARY_PYTHON, "-W", "ignore", script, json.dumps(given),
        cwd=tmp_path_factory.mktemp("library"),
    ).said  # fmt: skip
    return json.loads(said.splitlines()[-1])


def test_account_needs_a_binding_that_fits(seen):
    assert seen["external_account_required"] is True
    assert seen["eab_missing"] == "externalAccountRequired"
    assert seen["eab_wrong"] == "unauthorized"
    assert seen["account_status"] == "valid"
    assert seen["contact"] == ["mailto:b@example.com"]


def test_existing_account_is_found_without_a_binding(seen):
    assert seen["account_unknown"] == "accountDoesNotExist"
    assert seen["account_found"] is True


def test_ten_names_and_an_address(seen):
    assert seen["names"] == [f"{letter}.lib.example.test" for letter in "abcdefghij"]
    assert seen["address"] == ["127.0.0.1"]


def test_renewal_is_suggested_in_the_last_third(seen):
    assert 0.66 < seen["renewal_at"] < 0.76
    assert 5 < seen["ask_again_in_h"] < 7


def test_client_learns_why_its_challenge_failed(seen):
    assert seen["failed_challenge"] == "urn:ietf:params:acme:error:connection"


def test_csr_with_other_names_leaves_the_order_ready(seen):
    assert seen["other_names_in_csr"] == "badCSR"
    assert seen["finalized_after_bad_csr"] is True


def test_key_change_moves_the_account(seen):
    assert seen["account_after_key_change"] is True
    assert seen["old_key"] == "accountDoesNotExist"
    assert seen["names_after_key_change"] == ["k.lib.example.test"]


def test_revoked_once(acme, seen):
    assert seen["revoked_again"] == "alreadyRevoked"
    rows = acme.server.api("GET", f"certificates/?serial_number={seen['revoked_serial']}").json()
    assert [row["revocation_reason"] for row in rows["results"]] == ["superseded"]


def test_authorization_is_given_up(seen):
    assert seen["given_up"] == "deactivated"


def test_nonce_is_good_once(seen):
    assert seen["first_use_of_nonce"] == ""
    assert seen["second_use_of_nonce"] == "badNonce"


def test_deactivated_account_can_do_nothing(seen):
    assert seen["account_ended"] == "deactivated"
    assert seen["order_after_end"] == "unauthorized"
