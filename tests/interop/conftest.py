"""One running server for all interop tests, and a chain of every algorithm behind it."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki.algorithms import KeyAlgorithm
from tests.interop import server as servers
from tests.interop.judges import OpenSSL
from tests.interop.server import Server

_FIRST_CRL_S = 30


@pytest.fixture(scope="session")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The product as ``make run`` starts it, stopped by pid at the end."""
    home = tmp_path_factory.mktemp("product") / "home"
    server = servers.start(home, servers.environment_for(home))
    try:
        yield server
    finally:
        server.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A root, an issuing authority and a profile on it, with their published files.

    Attributes:
        profile: name of the profile attached to the demo application.
        root, issuing: PEM files of the two authorities.
        root_crl, issuing_crl: URLs of their CRLs.
        ocsp: URL of the issuing authority's responder.
    """

    profile: str
    root: Path
    issuing: Path
    root_crl: str
    issuing_crl: str
    ocsp: str


@pytest.fixture(scope="session")
def chains(running_server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Chain]:
    """One chain per algorithm, made through the services beside the running server."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.interop.world", *[a.value for a in KeyAlgorithm]],
        cwd=servers.ROOT,
        env=running_server.environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path_factory.mktemp("chains")
    base = running_server.facts["http_url"]
    found: dict[str, dict[str, str]] = json.loads(done.stdout.splitlines()[-1])
    return {
        algorithm: Chain(
            profile=names["profile"],
            root=_authority_pem(running_server, names["root"], folder),
            issuing=_authority_pem(running_server, names["issuing"], folder),
            root_crl=f"{base}/pki/{names['root']}/crl",
            issuing_crl=f"{base}/pki/{names['issuing']}/crl",
            ocsp=f"{base}/ocsp/{names['issuing']}",
        )
        for algorithm, names in found.items()
    }


def _authority_pem(server: Server, name: str, folder: Path) -> Path:
    answer = server.get(f"{server.facts['http_url']}/pki/{name}/ca.cer")
    assert answer.status == 200, name
    path = folder / f"{name}.pem"
    path.write_bytes(x509.load_der_x509_certificate(answer.body).public_bytes(Encoding.PEM))
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Obtained:
    """A certificate that the API issued, as files."""

    api: dict[str, Any]
    leaf: Path
    chain: Path
    folder: Path

    @property
    def der(self) -> bytes:
        """Return the certificate, DER."""
        return x509.load_pem_x509_certificate(self.leaf.read_bytes()).public_bytes(Encoding.DER)


def obtain(server: Server, profile: str, request: Path, **requested: Any) -> Obtained:
    """Send a CSR file through the API; keep what comes back beside it."""
    api = server.obtain(profile, request.read_text(), **requested)
    leaf, chain = request.parent / "leaf.pem", request.parent / "chain.pem"
    leaf.write_text(api["pem"])
    chain.write_text(api["chain_pem"])
    return Obtained(api=api, leaf=leaf, chain=chain, folder=request.parent)


def fetch_crl(server: Server, url: str) -> bytes:
    """Return a CRL (DER); a new authority's first one may take a moment."""
    deadline = time.monotonic() + _FIRST_CRL_S
    while (answer := server.get(url)).status != HTTPStatus.OK:
        assert time.monotonic() < deadline, f"{url}: {answer.status} {answer.body!r}"
        time.sleep(0.2)
    return answer.body


def save_crl(server: Server, url: str, path: Path) -> Path:
    """Fetch a CRL (DER) and keep it as a file."""
    path.write_bytes(fetch_crl(server, url))
    return path


@pytest.fixture(scope="session")
def openssl() -> OpenSSL:
    """Debian 12's own OpenSSL."""
    return OpenSSL()
