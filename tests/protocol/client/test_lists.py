"""Tests of lists and of certificates named by serial number."""

import json
import os
import pty
import subprocess
import sys
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from apps import ids
from apps.applications.models import ApiToken, Application
from apps.applications.services import create_token
from apps.certificates.models import Certificate
from apps.clock import now
from apps.principals import ProductRole, Scope
from sealwright.cli import app
from tests.factories.accounts import make_person, principal_for

pytestmark = pytest.mark.django_db(transaction=True)
MORE_THAN_A_PAGE = 450


@pytest.fixture
def certificate(run, names) -> dict[str, object]:
    made = run("request", *names, "--dns", "www.example.com", "--server-key", "--json").stdout
    return json.loads(made)["certificate"]


def in_a_terminal(*arguments: str, columns: int) -> str:
    """Return what a command prints on a terminal of some width."""
    outer, inner = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "sealwright", *arguments],
        stdin=inner,
        stdout=inner,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"COLUMNS": str(columns), "TERM": "xterm"},
    )
    os.close(inner)
    said = b""
    try:
        while chunk := os.read(outer, 65536):
            said += chunk
    except OSError:  # Linux: the other end of the terminal has been closed
        pass
    os.close(outer)
    assert process.wait(60) == 0
    return said.decode().replace("\r\n", "\n")


def copies(certificate: dict[str, object], count: int) -> None:
    """Store rows like one certificate, with numbers of their own."""
    (row,) = Certificate.objects.filter(pk=certificate["id"]).values()
    Certificate.objects.bulk_create(
        Certificate(
            **row
            | {
                "id": (own := ids.uuid7()),
                "lineage_id": own,
                "request_id": None,
                "serial_number": f"{number:x}",
                "fingerprint_sha256": f"{number:064x}",
            }
        )
        for number in range(1, count + 1)
    )


def test_every_page_of_a_list_is_printed(run, certificate):
    copies(certificate, MORE_THAN_A_PAGE)
    expected = {str(pk) for pk in Certificate.objects.values_list("pk", flat=True)}
    assert len(expected) == MORE_THAN_A_PAGE + 1
    printed = run("list", "--quiet").stdout.split()
    assert len(printed) == len(expected)
    assert set(printed) == expected
    assert {row["id"] for row in json.loads(run("list", "--json").stdout)} == expected
    assert len(run("list").stdout.splitlines()) == 1 + len(expected)
    assert len(run("list", "-q", "--limit", 201).stdout.split()) == 201


def test_a_pipe_gets_tab_separated_fields(run, certificate, names):
    header, line = run("list").stdout.splitlines()
    row = dict(zip(header.split("\t"), line.split("\t"), strict=True))
    assert row["id"] == certificate["id"]
    assert row["serial_number"] == certificate["serial_number"]
    assert row["not_after"] == certificate["not_after"]
    assert row["name"] == "www.example.com"


def test_a_narrow_terminal_cuts_nothing(run, certificate):
    said = in_a_terminal("list", columns=20)
    for value in ("id", "serial_number", "name"):
        assert str(certificate[value]) in said
    assert "\t" not in said
    assert str(certificate["fingerprint_sha256"]) in in_a_terminal(
        "show", str(certificate["id"]), columns=20
    )


def test_every_list_has_the_same_forms(run, certificate, names, live_server):
    boss = make_person("boss", role=ProductRole.ADMIN)
    _, token = create_token(
        principal_for(boss), boss, name="cli", scopes=list(Scope), lifetime_days=1
    )
    Application.objects.bulk_create(
        Application(name=f"app-{number}") for number in range(MORE_THAN_A_PAGE)
    )
    assert len(run("requests", "-q").stdout.split()) == 1
    assert json.loads(run("requests", "--json").stdout)[0]["state"] == "issued"
    assert run("requests", "--state", "pending-approval").stdout.splitlines()[0].startswith("id\t")
    run("login", "--url", live_server.url, "--token", token)
    assert len(run("applications", "-q").stdout.split()) == MORE_THAN_A_PAGE + 1
    for command in ("applications", "authorities"):
        ids_of = [row["id"] for row in json.loads(run(command, "--json").stdout)]
        assert run(command, "--quiet").stdout.split() == ids_of
        assert [line.split("\t")[0] for line in run(command).stdout.splitlines()[1:]] == ids_of


def test_names_cannot_forge_rows(run, certificate):
    Application.objects.update(description="two\nrows\tand a tab \x1b[31m")
    header, line = run("applications").stdout.splitlines()
    assert len(line.split("\t")) == len(header.split("\t"))
    assert "\x1b" not in line


def spellings(serial_number: str) -> list[str]:
    pairs = serial_number.zfill(len(serial_number) + len(serial_number) % 2).upper()
    colons = ":".join(pairs[at : at + 2] for at in range(0, len(pairs), 2))
    return [
        serial_number,
        serial_number.upper(),
        f"0x{serial_number}",
        f"0X00{serial_number}",
        f"000{serial_number}",
        colons,
        colons.lower().replace(":", " "),
    ]


def test_a_certificate_is_named_by_its_serial_number_in_any_spelling(run, certificate, tmp_path):
    for number, spelled in enumerate(spellings(str(certificate["serial_number"]))):
        assert json.loads(run("show", spelled, "--json").stdout)["id"] == certificate["id"]
        assert run("list", "-q", "--serial-number", spelled).stdout.split() == [certificate["id"]]
        run("download", spelled, "--out", tmp_path / f"{number}.pem")
    colons = spellings(str(certificate["serial_number"]))[5]
    run("revoke", colons, "--reason", "certificate_hold", "--yes")
    run("release", colons)
    assert json.loads(run("renew", colons, "--json").stdout)["certificate"]["replaces"]
    run("revoke", colons, "--yes")
    assert json.loads(run("show", colons, "--json").stdout)["state"] == "revoked"


def test_unknown_serial_numbers_are_told(run, certificate):
    assert (
        "There is no certificate with serial number 4F:3A" in run("show", "4F:3A", status=5).output
    )
    assert "neither an id nor a serial number" in run("show", "www.example.com", status=1).output
    run("show", "f" * 100, status=5)


def test_a_serial_number_of_several_authorities_is_not_guessed(run, certificate):
    copies(certificate, 2)
    other = Certificate.objects.exclude(pk=certificate["id"]).order_by("serial_number")
    # Imported certificates belong to no authority here, so their numbers may meet.
    other.update(authority=None, serial_number="abc123")
    told = run("download", "AB:C1:23", status=1).output
    assert "Several certificates have this serial number" in told
    for row in other:
        assert str(row.pk) in told
    assert "Several authorities" in run("revoke", "AB:C1:23", "--yes", status=3).output
    assert not Certificate.objects.filter(state="revoked").exists()


def test_quiet_requests_print_the_id_only(run, names, tmp_path):
    request = ("request", *names, "--dns", "www.example.com", "--server-key", "--quiet")
    assert "say where the certificate goes" in run(*request, status=1).output
    printed = run(*request, "--cert-out", tmp_path / "c.pem").stdout
    assert Certificate.objects.get().pk.hex in printed.replace("-", "")
    assert len(printed.split()) == 1
    renewed = run("renew", printed.strip(), "-q", "--cert-out", tmp_path / "d.pem").stdout.split()
    assert renewed != printed.split()


def test_a_certificate_without_common_name_is_shown_by_its_first_name(run, names):
    told = run("request", *names, "--dns", "b.example.com", "--server-key").stderr
    assert told.startswith("b.example.com: id ")
    identifier = run("list", "-q").stdout.strip()
    assert "b.example.com" in run("list").stdout.splitlines()[1].split("\t")
    assert "b.example.com: revoked" in run("revoke", identifier, "--yes").stderr


def test_an_expired_token_says_so_and_what_to_do(run, certificate):
    ApiToken.objects.update(expiry=now() - timedelta(days=1))
    told = run("list", status=4).output
    assert "expired" in told
    assert "Log in with a valid token: sealwright login." in told


def test_an_unknown_token_says_what_to_do(live_server, team, tmp_path, monkeypatch):
    monkeypatch.setenv("SEALWRIGHT_CLI_CONFIG", str(tmp_path / "login.json"))
    told = CliRunner().invoke(app, ["login", "--url", live_server.url, "--token", "swt_wrong"])
    assert "sealwright login" in told.output
