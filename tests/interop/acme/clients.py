"""Runners of the ACME clients."""

import os
import subprocess
import threading
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from tests.interop.acme.nameserver import NameServer
from tests.interop.server import Server
from tests.programs import CERTBOT

LIBRARY_PYTHON = CERTBOT.parent / "python"
_TIMEOUT_S = 120
WRONG_HMAC_KEY = urlsafe_b64encode(b"no administrator gave this out..").rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class EabKey:
    """A key for external account binding, as an administrator hands it out."""

    kid: str
    hmac_key: str


@dataclass(frozen=True, slots=True)
class Result:
    """How a client ended, and all that it said."""

    status: int
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What every client needs to know.

    Attributes:
        server: the running product.
        names: the name server that it asks.
        directory: where accounts need an EAB key.
        open_directory: where they do not.
        approved_directory: where they do not either, and each certificate needs an approval.
        keys: single-use EAB keys, by label.
        http_port, tls_port: where validation connects to, on 127.0.0.1.
    """

    server: Server
    names: NameServer
    directory: str
    open_directory: str
    approved_directory: str
    keys: dict[str, EabKey]
    http_port: int
    tls_port: int

    def run(
        self,
        *argv: str | Path | int,
        cwd: Path,
        status: int | None = 0,
        environment: Mapping[str, str] | None = None,
    ) -> Result:
        """Run a client that trusts our root and nothing else.

        Args:
            argv: program and arguments.
            cwd: its working directory, also its home.
            status: what it must end with; ``None`` for any failure.
            environment: more variables.
        """
        root = str(self.server.root_pem)
        trust = dict.fromkeys(
            (
                "REQUESTS_CA_BUNDLE",
                "LEGO_CA_CERTIFICATES",
                "SSL_CERT_FILE",
                "CURL_CA_BUNDLE",
                "NODE_EXTRA_CA_CERTS",
            ),
            root,
        )
        done = subprocess.run(
            [str(word) for word in argv],
            cwd=cwd,
            env={"PATH": os.environ["PATH"], "HOME": str(cwd), "LANG": "C.UTF-8"}
            | trust
            | dict(environment or {}),
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_TIMEOUT_S,
        )
        assert (done.returncode == status) if status is not None else done.returncode, done.stdout
        return Result(done.returncode, done.stdout)

    def state_of(self, certificate: x509.Certificate) -> str:
        """Return what the inventory says about a certificate."""
        answer = self.server.api(
            "GET", f"certificates/?serial_number={certificate.serial_number:x}"
        )
        (row,) = answer.json()["results"]
        return str(row["state"])


def names_in(certificate: x509.Certificate) -> set[str]:
    """Return the DNS names and addresses that a certificate is for."""
    found = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    return {str(name.value) for name in found.value}


def load(path: Path) -> list[x509.Certificate]:
    """Return the certificates in a PEM file, leaf first."""
    return x509.load_pem_x509_certificates(path.read_bytes())


def flatten(options: Mapping[str, str | Path | int | bool]) -> Sequence[str]:
    """Return ``--name value`` words; ``True`` is a switch."""
    words: list[str] = []
    for name, value in options.items():
        words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return words


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@contextmanager
def web_root(folder: Path, port: int) -> Iterator[Path]:
    """Serve a folder where validation looks; yields where tokens go."""
    tokens = folder / ".well-known" / "acme-challenge"
    tokens.mkdir(parents=True)
    web = ThreadingHTTPServer(("127.0.0.1", port), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=web.serve_forever, daemon=True)
    thread.start()
    try:
        yield tokens
    finally:
        web.shutdown()
        web.server_close()
        thread.join()
