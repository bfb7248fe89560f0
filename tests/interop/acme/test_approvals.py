"""Tests of clients that give up before a person approves: the next run gets the certificate."""

from pathlib import Path

import pytest

from tests.interop.acme import clients
from tests.interop.acme.clients import Result, World, load, names_in

_APPROVE = """
from apps import principals
from apps.certificates import approvals
from apps.certificates.models import CertificateRequest

request = CertificateRequest.objects.get(
    state="pending_approval", leaf__subject_alt_names=[["dns_name", "{name}"]]
)
approvals.approve(principals.system("tests"), request)
"""


def lego(acme: World, home: Path, name: str, *, wait_s: int, status: int | None) -> Result:
    """Run lego, which makes a new key for each run."""
    return acme.run(
        "lego", "--server", acme.approved_directory, "--email", "a@example.com", "--accept-tos",
        "--path", home, "--http", "--http.port", f"127.0.0.1:{acme.http_port}",
        "--cert.timeout", wait_s, "-d", name, "run",
        cwd=home, status=status,
    )  # fmt: skip


def certbot(acme: World, home: Path, name: str, *, wait_s: int, status: int | None) -> Result:
    """Run certbot, which makes a new key for each run, too."""
    return acme.run(
        clients.CERTBOT, "certonly", "--standalone", "--http-01-address", "127.0.0.1",
        "--http-01-port", acme.http_port, "--server", acme.approved_directory, "-n",
        "--agree-tos", "-m", "a@example.com", "--no-eff-email",
        *[f"--{folder}-dir={home / folder}" for folder in ("config", "work", "logs")],
        "--issuance-timeout", wait_s, "--cert-name", name, "-d", name,
        cwd=home, status=status,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("run", "kept"),
    [
        pytest.param(lego, "certificates/{name}.crt", marks=pytest.mark.program("lego"), id="lego"),
        pytest.param(
            certbot,
            "config/live/{name}/fullchain.pem",
            marks=pytest.mark.program("certbot"),
            id="certbot",
        ),
    ],
)
def test_a_client_that_gave_up_gets_the_certificate_in_its_next_run(acme, tmp_path, run, kept):
    name = f"{run.__name__}.approved.example.test"
    for _ in range(2):
        run(acme, tmp_path, name, wait_s=2, status=None)
    acme.server.manage("shell", "-c", _APPROVE.format(name=name))

    run(acme, tmp_path, name, wait_s=30, status=0)
    leaf = load(tmp_path / kept.format(name=name))[0]
    assert names_in(leaf) == {name}
    assert acme.state_of(leaf) == "active"
