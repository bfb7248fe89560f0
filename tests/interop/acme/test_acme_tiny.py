"""Test of acme-tiny, a client without EAB."""

from pathlib import Path

import pytest

from tests.interop.acme import clients
from tests.interop.acme.clients import World, names_in, web_root

pytestmark = pytest.mark.program("acme-tiny")


def acme_tiny(acme: World, home: Path, request: Path, tokens: Path, *, directory: str, **how):
    """Run it once, with one account key for a home."""
    key = home / "account.pem"
    if not key.exists():
        acme.run(
            "openssl", "genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048",
            "-out", key, cwd=home,
        )  # fmt: skip
    return acme.run(
        "acme-tiny", "--directory-url", directory, "--account-key", key, "--csr", request,
        "--acme-dir", tokens, "--disable-check", "--quiet", "--contact", "mailto:a@example.com",
        cwd=home, **how,
    )  # fmt: skip


def test_names_from_an_rsa_and_an_ecdsa_csr(acme, openssl, tmp_path):
    with web_root(tmp_path / "web", acme.http_port) as tokens:
        for algorithm in ("rsa:2048", "ec:P-256"):
            names = {f"{algorithm[:2]}.tiny.example.test", "tiny.example.test"}
            request = openssl.make_csr(tmp_path / algorithm[:2], algorithm, *sorted(names))
            said = acme_tiny(acme, tmp_path, request, tokens, directory=acme.open_directory).said
            chain = tmp_path / "chain.pem"
            chain.write_text(said)
            leaf, issuing = clients.load(chain)
            assert names_in(leaf) == names
            leaf.verify_directly_issued_by(issuing)


def test_where_a_binding_is_needed_it_is_told_so(acme, openssl, tmp_path):
    request = openssl.make_csr(tmp_path / "csr", "ec:P-256", "tiny.example.test")
    said = acme_tiny(acme, tmp_path, request, tmp_path, directory=acme.directory, status=None).said
    assert "externalAccountRequired" in said
