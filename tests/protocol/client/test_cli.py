"""Tests of the command line against a real server on loopback."""

import base64
import json
import stat

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12
from typer.testing import CliRunner

from apps.applications.models import Pairing
from apps.applications.services import create_token
from apps.principals import ProductRole, Scope
from sealwright.cli import app
from tests.factories.accounts import make_person, principal_for
from tests.factories.applications import make_machine, make_token
from tests.factories.field_requests import KINDS
from tests.factories.keys import make_csr
from tests.factories.raw_requests import pem
from tests.factories.spellings import spellings_of

pytestmark = pytest.mark.django_db(transaction=True)


def test_login_is_stored_for_its_owner_only(run, tmp_path):
    stored = tmp_path / "config" / "login.json"
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    run("logout")
    assert not stored.exists()
    run("list", status=1)


def test_a_wrong_token_is_not_stored(live_server, team, tmp_path, monkeypatch):
    monkeypatch.setenv("SEALWRIGHT_CLI_CONFIG", str(tmp_path / "login.json"))
    result = CliRunner().invoke(app, ["login", "--url", live_server.url, "--token", "swt_wrong"])
    assert result.exit_code == 4
    assert not (tmp_path / "login.json").exists()


def test_a_key_made_here_never_leaves_and_fits_the_certificate(run, names, tmp_path):
    key_file, cert_file = tmp_path / "key.pem", tmp_path / "cert.pem"
    run(
        "request",
        *names,
        "--dns",
        "www.example.com",
        "--key-out",
        key_file,
        "--cert-out",
        cert_file,
    )

    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    key = load_pem_private_key(key_file.read_bytes(), None)
    chain = x509.load_pem_x509_certificates(cert_file.read_bytes())
    assert chain[0].public_key() == key.public_key()
    chain[0].verify_directly_issued_by(chain[1])


def test_a_refused_request_leaves_no_key_behind(run, names, tmp_path):
    result = run(
        "request", *names, "--dns", "a_b.example.com", "--key-out", tmp_path / "key.pem", status=3
    )
    assert "a_b.example.com" in result.output or "subject_alt_names" in result.output
    assert not (tmp_path / "key.pem").exists()


def test_an_existing_key_is_never_overwritten(run, names, tmp_path):
    key_file = tmp_path / "key.pem"
    key_file.write_text("precious")
    run("request", *names, "--dns", "www.example.com", "--key-out", key_file, status=1)
    assert key_file.read_text() == "precious"


def test_the_server_can_make_the_key_and_export_it(run, names, tmp_path):
    made = run("request", *names, "--dns", "www.example.com", "--server-key", "--json").stdout
    certificate = json.loads(made)["certificate"]["id"]
    secret = tmp_path / "password"
    secret.write_text("a good password\n")
    bundle = tmp_path / "bundle.p12"
    run("export", certificate, "--out", bundle, "--password-file", secret)
    key, found, _ = pkcs12.load_key_and_certificates(bundle.read_bytes(), b"a good password")
    assert found.public_key() == key.public_key()
    secret.write_text("schl\u00fcssel\n")
    old = tmp_path / "old.p12"
    told = run("export", certificate, "--out", old, "--password-file", secret, "--legacy")
    assert "Note: Java" in told.stderr
    assert pkcs12.load_pkcs12(old.read_bytes(), "schl\u00fcssel".encode()).key is not None


def test_evaluate_lists_the_rules_and_fails_when_one_is_broken(run, names):
    assert "Would be issued" in run("evaluate", *names, "--dns", "www.example.com").output
    refused = run("evaluate", *names, "--dns", "www.example.com", "--ttl", "900d", status=3)
    assert "Would be refused" in refused.output


def test_list_show_download_revoke_release_renew(run, names, tmp_path):
    run("request", *names, "--dns", "www.example.com", "--server-key", "--json")
    (row,) = json.loads(run("list", "--json", "--state", "active").stdout)
    assert "www.example.com" in run("show", row["id"]).output
    assert "BEGIN CERTIFICATE" in run("download", row["id"], "-f", "fullchain").stdout
    renewed = json.loads(run("renew", row["id"], "--json").stdout)
    assert renewed["certificate"]["replaces"] == row["id"]
    run("revoke", row["id"], "--reason", "certificateHold", "--yes")
    run("release", row["id"])
    run("revoke", row["id"], "--reason", "superseded", text="y\n")
    run("revoke", row["id"], "--yes", status=6)
    run("revoke", row["id"], "--yes", "--allow-expired", status=6)
    assert json.loads(run("show", row["id"], "--json").stdout)["state"] == "revoked"


def test_a_serial_number_in_any_spelling_revokes_with_that_scope_alone(
    run, names, team, live_server
):
    run("request", *names, "--dns", "www.example.com", "--server-key", "--json")
    (row,) = json.loads(run("list", "--json").stdout)
    narrow = make_token(make_machine(team.application, "revoker"), Scope.REVOKE)
    wide = make_token(make_machine(team.application, "operator"))
    for text in spellings_of(row["serial_number"])[1:6]:
        for token, more, answer in ((narrow, ["--yes"], None), (wide, [], "y\n")):
            environment = {"SEALWRIGHT_CLI_URL": live_server.url, "SEALWRIGHT_CLI_TOKEN": token}
            held = ["revoke", text, "--reason", "certificateHold", *more]
            result = CliRunner().invoke(app, held, env=environment, input=answer)
            assert result.exit_code == 0, (text, result.output)
            assert "www.example.com: held" in result.output
            run("release", row["id"])
    run("revoke", row["serial_number"], "--authority", "nobody", "--yes", status=5)
    run("revoke", row["serial_number"], "--authority", team.authority.name, "--yes")


def test_notes_are_told_and_a_csr_may_be_der_or_have_text_around_it(run, names, tmp_path):
    kind = KINDS["S/MIME capabilities"]
    for name, data in (("der", kind.data), ("text", b"M\xfcller\n" + pem(kind.data))):
        file = tmp_path / f"{name}.csr"
        file.write_bytes(data)
        result = run("request", *names, "--csr", file)
        assert "sMIMECapabilities (1.2.840.113549.1.9.15)" in result.stderr.replace("\n", " ")
        assert "sMIMECapabilities" in run("evaluate", *names, "--csr", file).stderr


def test_a_pending_request_says_so_and_can_be_watched(run, names, team):
    Pairing.objects.filter(pk=team.pairing.pk).update(requires_approval=True)
    pending = run("request", *names, "--dns", "www.example.com", "--server-key", "--json", status=8)
    request_id = json.loads(pending.stdout)["id"]
    run("watch", request_id, "--timeout", "0", status=1)


def test_unknown_objects_and_unreachable_servers_have_their_own_codes(run, monkeypatch):
    run("show", "00000000-0000-7000-8000-000000000000", status=5)
    run("show", "not-a-uuid", status=1)
    monkeypatch.setenv("SEALWRIGHT_CLI_URL", "http://127.0.0.1:1")
    run("list", status=7)


def test_applications_are_listed(run, team):
    assert team.application.name in run("applications").output


def test_text_from_the_server_cannot_steer_the_terminal(run, names):
    result = run("request", *names, "--dns", "\x1b[31mx.example.com", "--server-key", status=3)
    assert "\x1b[31mx" not in result.output


def test_many_requests_by_one_call_are_answered_file_by_file(run, names, tmp_path):
    files = []
    for number, name in enumerate(["one.example.com", "two.example.com", "a_b.example.com"]):
        path = tmp_path / f"{number}.csr"
        der = base64.encodebytes(make_csr(name, number=number)).decode()
        path.write_text(
            f"-----BEGIN CERTIFICATE REQUEST-----\n{der}-----END CERTIFICATE REQUEST-----\n"
        )
        files.append(path)

    shown = run("request-many", *names, *files, status=3).output

    for number in (0, 1):
        chain = x509.load_pem_x509_certificates((tmp_path / f"{number}.crt.pem").read_bytes())
        chain[0].verify_directly_issued_by(chain[1])
    assert "2.csr: refused" in shown
    assert not (tmp_path / "2.crt.pem").exists()
    again = run("request-many", *names, *files, status=1).output
    assert "overwritten" in again
    listed = json.loads(run("request-many", *names, files[2], "--json", status=3).stdout)
    assert listed["refused"] == 1


def test_an_administrator_revokes_an_authority_and_reads_what_to_do(run, live_server, team):
    boss = make_person("boss", role=ProductRole.ADMIN)
    _, token = create_token(
        principal_for(boss), boss, name="cli", scopes=list(Scope), lifetime_days=1
    )
    run("login", "--url", live_server.url, "--token", token)
    name = team.authority.name
    assert name in run("authorities").stdout
    run("revoke-authority", name, "--reason", "cACompromise", text="n\n", status=1)
    run("revoke-authority", name, "--reason", "certificateHold", "--yes", status=2)
    # A shell's empty variable must not widen it to the whole authority.
    run(
        *("revoke-authority", name, "--reason", "superseded", "--serial-number", "", "--yes"),
        status=3,
    )
    told = run("revoke-authority", name, "--reason", "cACompromise", "--yes").stdout
    assert "Certificates in force below: 0" in told
    assert "1. Create a new authority" in told
    run("revoke-authority", name, "--reason", "cACompromise", "--yes", status=6)
