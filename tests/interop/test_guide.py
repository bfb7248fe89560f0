"""The commands of the user guide work as they are written."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509

from tests.interop.test_docs import ROOT, shell_blocks


def followed(page: str, server, folder: Path) -> str:
    """Run every shell block of a page from a folder that looks like the project's."""
    (folder / "var").symlink_to(server.home)
    (folder / ".venv").symlink_to(Path(sys.executable).parents[1])
    (folder / "manage.py").symlink_to(ROOT / "manage.py")
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail"],
        input=shell_blocks(ROOT / "docs" / page),
        cwd=folder,
        env=server.environment
        | {"TMPDIR": str(folder), "HOME": str(folder), "PATH": os.environ["PATH"]},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_every_command_of_the_api_page(running_server, tmp_path):
    said = followed("api.md", running_server, tmp_path)

    assert '"name": "quickstart-issuing"' in said
    assert "name.host_characters" in said, "the refusal lists what is wrong"
    assert "policy.validity_too_long" in said
    assert "one certificate, answered twice" in said
    assert "csr.extension_ignored The extension tlsFeature (1.3.6.1.5.5.7.1.24)" in said


def test_every_command_of_the_command_line_page(running_server, tmp_path):
    said = followed("cli.md", running_server, tmp_path)

    assert "Would be issued" in said
    (folder,) = {path.parent for path in tmp_path.rglob("kept.json")}
    for name in ("www.key", "www.pem", "own.pem", "kept.pem", "kept.p12", "next.key", "next.pem"):
        assert (folder / name).stat().st_size, name
    made = json.loads((folder / "kept.json").read_text())
    assert f"id\t{made['certificate']['id']}" in said
    assert said.count(made["certificate"]["name"]) >= 3
    assert f"{made['certificate']['name']}: revoked" in said
    own = (folder / "own.pem").read_bytes()
    serial_number = f"{x509.load_pem_x509_certificate(own).serial_number:x}"
    assert f"serial_number\t{serial_number}" in said
    requests = json.loads((folder / "requests.json").read_text())
    assert {row["state"] for row in requests} == {"issued"}


def test_every_command_of_the_security_page(running_server, tmp_path):
    said = followed("security.md", running_server, tmp_path)

    assert "drill: revoked" in said
    assert "1. Create a new authority" in said
    assert "Response verify OK" in said
    assert "drill.pem: revoked" in said
    assert "Reason: cACompromise" in said


def test_every_command_of_the_roles_page(running_server, tmp_path):
    said = followed("roles.md", running_server, tmp_path)

    assert "payments" in said
    assert "build.example.com: id " in said
    assert "request_certificates" in said.split()
    assert "revoke_certificates" not in said.split()
    assert "exit code 4: the token lacks the scope revoke" in said


def test_every_command_of_the_policies_page(running_server, tmp_path):
    said = followed("policies.md", running_server, tmp_path)

    assert "Would be issued." in said
    refused = said.partition("Would be issued.")[2].partition("Would be refused.")[0]
    for wrong in ("secret.example.com", "www.example.org", "120 days", "90 days"):
        assert wrong in refused
    assert "exit code 3" in said
    assert "profile web " in said, "its default lifetime is now too long"
    assert '"version": 2' in said


def test_every_command_of_the_profiles_page(running_server, tmp_path):
    said = followed("profiles.md", running_server, tmp_path)

    assert "policy.validity_too_long" in said
    assert " refused" in said
    assert "O = Example Ltd" in said or "O=Example Ltd" in said
    assert "DNS:wiki.intranet.example" in said
    assert "revision 2" in said


def test_every_command_of_the_operations_page(running_server, tmp_path):
    said = followed("operations.md", running_server, tmp_path)

    assert '"database"' in said
    assert "no issues" in said
    assert '"event"' in said


@pytest.mark.parametrize("page", ["concepts.md", "roles.md", "api.md", "cli.md"])
def test_pages_are_linked_from_the_index(page):
    assert f"]({page})" in (ROOT / "docs" / "index.md").read_text()
