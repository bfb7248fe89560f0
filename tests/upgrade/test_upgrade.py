"""Upgrade of data directories and databases that commit 8c158dd wrote.

The old files are unpacked, migrated, and then used as their old clients would (``journey``).
What stood in a table before the migrations must stand there afterwards, column by column;
``DROPPED`` names what a migration removes on purpose.
"""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.upgrade.archives import ROOT, Installation, Row, installation

pytestmark = pytest.mark.xdist_group("upgrade")

# Tables that Django or a library keeps by itself, which every migration may change.
HOUSEKEEPING = {
    "auth_permission",
    "django_content_type",
    "django_migrations",
    "django_q_schedule",
    "sealwright_cache",
}
# Tables, and columns as "table.column", that a migration removes on purpose, with the reason.
DROPPED: dict[str, str] = {
    "certificates_ledgermark": "the reconciler compares serial numbers with requests no more",
    "authorities_crl.der": "moved into authorities_crlpart; the journey reads every CRL",
}


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What an installation held before and after, and what its clients saw."""

    manifest: dict[str, Any]
    before: dict[str, list[Row]]
    migrated: dict[str, list[Row]]
    seen: dict[str, Any]
    after: dict[str, list[Row]]

    def certificate(self, what: str, tables: dict[str, list[Row]]) -> Row:
        """Return the row of a certificate that the manifest names."""
        return by_id(tables["certificates_certificate"], self.manifest["certificates"][what])


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def upgraded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Upgraded]:
    folder = tmp_path_factory.mktemp(f"upgrade-{request.param}")
    with installation(request.param, folder) as old:
        before = old.tables()
        journey(old, "prepare")
        migrated = old.tables()
        seen = journey(old, "walk")
        yield Upgraded(old.manifest, before, migrated, seen, old.tables())


def journey(old: Installation, step: str) -> dict[str, Any]:
    """Run one part of the journey in a process of its own; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.upgrade.journey", step,
         str(old.home.parent / "manifest.json")],
        cwd=ROOT, env=old.environment, capture_output=True, text=True, check=False, timeout=180,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def by_id(rows: list[Row], identifier: str) -> Row:
    """Return the row with a UUID; SQLite keeps those without hyphens."""
    wanted = identifier.replace("-", "")
    return next(row for row in rows if str(row["id"]).replace("-", "") == wanted)


def key_of(row: Row, columns: list[str]) -> str:
    return repr([row[column] for column in columns])


def test_migrations_keep_every_row_of_every_table(upgraded):
    lost = []
    for table, rows in upgraded.before.items():
        if table in HOUSEKEEPING or table in DROPPED or not rows:
            continue
        columns = [name for name in rows[0] if f"{table}.{name}" not in DROPPED]
        kept = upgraded.migrated.get(table, [])
        missing = [name for name in columns if kept and name not in kept[0]]
        if not kept or missing:
            lost.append(f"{table}: {missing or 'the whole table'}")
            continue
        have = {key_of(row, columns) for row in kept}
        lost += [f"{table}: {row}" for row in rows if key_of(row, columns) not in have]
    assert not lost


def test_audit_events_stay_as_they_were_while_work_goes_on(upgraded):
    events = [repr(row) for row in upgraded.before["audit_auditevent"]]
    assert len(events) > 100
    now = {repr(row) for row in upgraded.after["audit_auditevent"]}
    assert not set(events) - now
    assert len(now) > len(events)


def test_certificates_are_served_byte_for_byte(upgraded):
    expected = {
        what: hashlib.sha256(bytes(upgraded.certificate(what, upgraded.before)["der"])).hexdigest()
        for what in upgraded.manifest["certificates"]
    }
    assert upgraded.seen["downloads"] == expected


def test_ocsp_knows_every_revocation_and_hold(upgraded):
    status = upgraded.seen["status"]
    revoked = {what for what, found in status.items() if found == "REVOKED"}
    assert revoked == {"revoked", "held", "rsa-revoked", "reserved"}
    assert set(status.values()) == {"GOOD", "REVOKED"}


def test_crl_numbers_rise_and_entries_stay(upgraded):
    for first, second in upgraded.seen["revocation_lists"].values():
        assert second["number"] > first["number"]
        assert set(first["serials"]) <= set(second["serials"])
    listed = upgraded.seen["revocation_lists"]["by-quickstart"][0]["serials"]
    for what in ("revoked", "held"):
        assert upgraded.certificate(what, upgraded.before)["serial_number"] in listed


def test_tokens_still_open_and_still_refuse(upgraded):
    assert upgraded.seen["tokens"] == {
        "active": 200,
        "approver": 200,
        "revoked": 401,
        "expired": 401,
    }
    assert upgraded.seen["quickstart_again"] == {"token": 200}


def test_quickstart_finds_everything_as_it_was(upgraded):
    for table in ("authorities_authority", "applications_application", "accounts_user"):
        assert len(upgraded.after[table]) == len(upgraded.before[table])


def test_people_sign_in_with_their_old_passwords(upgraded):
    seen = upgraded.seen["sign_in"]
    assert seen["old-governor right"] == [302, 200]
    assert seen["admin right"] == [302, 200]
    assert seen["old-governor wrong"][1] == 302


def test_keys_that_were_made_here_are_exported(upgraded):
    assert set(upgraded.seen["exports"].values()) == {True}


def test_every_authority_still_signs(upgraded):
    assert set(upgraded.seen["new_certificates"].values()) == {201}


def test_an_idempotent_call_is_answered_as_before(upgraded):
    assert upgraded.seen["idempotent_call"] == {
        "status": 201,
        "replayed": "true",
        "id": upgraded.manifest["idempotent"]["answer"]["id"],
    }


def test_renewal_keeps_the_lineage(upgraded):
    assert upgraded.seen["renewals"]["once more"] == 409
    status, identifier = upgraded.seen["renewals"]["server-key"]
    assert status == 201
    successor = by_id(upgraded.after["certificates_certificate"], identifier)
    old = upgraded.certificate("server-key", upgraded.before)
    assert successor["lineage_id"] == old["lineage_id"]
    assert successor["replaces_id"] == old["id"]


def test_pending_requests_can_be_approved_and_ended_ones_cannot(upgraded):
    assert upgraded.seen["approvals"] == {
        "pending": [403, 201, "issued"],
        "pending-key": [403, 201, "issued"],
        "denied": [403, 409, "rejected"],
        "cancelled": [403, 409, "cancelled"],
    }


def test_a_request_left_signing_is_finished_or_ended(upgraded):
    status, state, serial = upgraded.seen["reconcile"]["signing"]
    assert (status, state, serial) == (200, "issued", upgraded.manifest["signing"]["serial"])
    assert upgraded.seen["status"]["signing"] == "GOOD"


def test_a_serial_number_without_a_request_yields_no_certificate(upgraded):
    """Its process died before commit 2: nobody saw a signature, and nobody ever may."""
    _status, _state, serial = upgraded.seen["reconcile"]["reserved"]
    assert serial is None
    assert upgraded.seen["status"]["reserved"] == "REVOKED"


def test_acme_accounts_carry_on(upgraded):
    seen, known = upgraded.seen["acme"], upgraded.manifest["acme"]
    old = next(
        row
        for row in upgraded.before["certificates_certificate"]
        if row["common_name"] == "acme.example.com"
    )
    assert seen == {
        "account": "valid",
        "known key": known["kid"],
        "valid": "valid",
        "certificate": old["fingerprint_sha256"],
        "ready": ["ready", "valid"],
        "new order": "valid",
        "foreign order": 404,
        "new account": 201,
    }


def test_the_audit_log_is_readable_by_api(upgraded):
    assert upgraded.seen["audit_log"] == 200
