"""Sealwright as a participant: this checkout, set up afresh and served as in production.

``manage.py migrate`` and ``quickstart`` on a data directory of its own, then front server and
application by the command lines that ``manage.py serve --print`` shows: nginx in front of
gunicorn, two workers of four threads. The CPU of both counts. The workload enqueues no jobs, so no
job worker runs; rate limits are off.
"""

import json
import os
import shlex
import ssl
import sys
import urllib.request
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bench import processes, verify
from bench.database import Database
from bench.participant import Participant, Pipe

_ROOT = Path(__file__).resolve().parents[1]
ACME = "acme"
OCSP, OCSP_NONCE = "ocsp", "ocsp-nonce"
_ISSUING = "quickstart-issuing"
_ASKED_ABOUT = 1000
# One ACME order, from the account's registration to the download.
_ACME_ROWS = {
    "enrollment_acmeaccount": 1,
    "enrollment_acmeorder": 1,
    "enrollment_acmeauthorization": 1,
    "enrollment_acmechallenge": 3,
    "certificates_certificaterequest": 1,
    "certificates_certificate": 1,
    "authorities_issuedserial": 1,
    "audit_auditevent": 4,
}
# One certificate: the request, its reserved serial number, the certificate, two events.
_ROWS = {
    "certificates_certificaterequest": 1,
    "certificates_certificate": 1,
    "authorities_issuedserial": 1,
    "audit_auditevent": 2,
}


def start(database: Database, folder: Path, *, acme: bool = False) -> "Product":
    """Set up and serve a Sealwright.

    Args:
        database: where its database is made.
        folder: for its data directory.
        acme: with an ACME endpoint that accepts every challenge without validation.
    """
    home = folder / "sealwright"
    url = database.create("bench_sealwright", folder)
    port = processes.free_port()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("SEALWRIGHT_")
    } | {
        "SEALWRIGHT_HOME": str(home),
        "SEALWRIGHT_STATIC_ROOT": str(home / "static"),
        "SEALWRIGHT_DATABASE_URL": url,
        "SEALWRIGHT_HTTPS_PORT": str(port),
        "SEALWRIGHT_HTTP_PORT": str(processes.free_port()),
        "SEALWRIGHT_API_RATE_PER_MINUTE": "0",
        "SEALWRIGHT_REQUESTS_PER_SECOND": "0",
        "SEALWRIGHT_LOG_LEVEL": "WARNING",
    }
    for command in (["migrate", "--verbosity", "0"], ["quickstart"]):
        processes.run(
            [sys.executable, "manage.py", *command], folder=_ROOT, environment=environment
        )
    directory = ""
    if acme:
        directory = processes.run(
            [sys.executable, "-m", "bench.stubs.acme_endpoint"],
            folder=_ROOT,
            environment=environment,
        ).strip()
    log = folder / "sealwright.log"
    commands = _commands(environment)
    if acme:
        commands["application"][-1] = "python:bench.stubs.gunicorn_proven"
    parts = [
        processes.start(commands[name], folder=_ROOT, environment=environment, log=log)
        for name in ("application", "front")
    ]
    processes.wait_until(lambda: _answers(port), parts[0], log)
    facts = json.loads((home / "quickstart.json").read_text())
    server = facts["https_url"]
    options = {
        "url": server,
        "ca_file": facts["ca_file"],
        "application": facts["application"],
        "profile": "tls-server",
        "directory": directory,
        "http_url": facts["http_url"],
        "headers": {
            "Authorization": f"Bearer {facts['token']}",
            "Content-Type": "application/json",
        },
    }
    authorities = _authorities(server, facts["ca_file"])
    return Product(parts, options, url, database, authorities, environment)


def _commands(environment: dict[str, str]) -> dict[str, list[str]]:
    """Return the command lines of the running product's parts, by name."""
    printed = processes.run(
        [sys.executable, "manage.py", "serve", "--print"], folder=_ROOT, environment=environment
    )
    lines = [line.partition(": ") for line in printed.splitlines()]
    return {name: shlex.split(command) for name, _, command in lines}


def _answers(port: int) -> bool:
    """Tell whether front server and application are both up."""
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    try:
        with urllib.request.urlopen(f"https://127.0.0.1:{port}/livez", context=unverified):
            return True
    except OSError:
        return False


class Product:
    """A running Sealwright, from which workloads make participants."""

    def __init__(
        self,
        parts: "list[processes.subprocess.Popen[bytes]]",
        options: dict[str, object],
        url: str,
        database: Database,
        authorities: list[bytes],
        environment: dict[str, str],
    ) -> None:
        self._parts, self._options, self._url = parts, options, url
        self._environment = environment
        self._database, self._authorities = database, authorities

    def participant(self, name: str, dialect: str, ops: int) -> Participant:
        """Return a participant that asks this server in one of the drivers' dialects."""
        return Participant(
            name=name,
            pipe=self._pipe(dialect),
            ops=ops,
            authorities=self._authorities,
            app_pids=tuple(part.pid for part in self._parts),
            db_pids=self._database.pids,
            tables=_ACME_ROWS if dialect == ACME else _ROWS,
            database_url=self._url,
            about="TLS, nginx, gunicorn 2 workers x 4 threads",
        )

    def ocsp_participant(self, name: str, ops: int, *, nonce: bool) -> Participant:
        """Return a participant that asks the plain listener for the status of certificates."""
        command = [sys.executable, "-m", "bench.stubs.status_ledger", str(_ASKED_ABOUT)]
        ledger = json.loads(
            processes.run(command, folder=_ROOT, environment=self._environment).splitlines()[-1]
        )
        options = {
            "url": self._options["http_url"],
            "path": f"/ocsp/{_ISSUING}",
            "nonce": nonce,
            "clients": 4,
            "get": True,
        }
        return Participant(
            name=name,
            pipe=Pipe("bench.drivers.ocsp", json.dumps(options | ledger)),
            ops=ops,
            authorities=self._authorities,
            app_pids=tuple(part.pid for part in self._parts),
            db_pids=self._database.pids,
            about="plain HTTP, nginx, gunicorn 2 workers x 4 threads; POST and GET",
            check=verify.ocsp_answers,
            # Each certificate is asked about once before the samples: what is kept is measured.
            warm_ops=2 * _ASKED_ABOUT,
        )

    def _pipe(self, dialect: str) -> Pipe:
        options = json.dumps(self._options)
        if dialect == ACME:
            return Pipe("bench.drivers.acme_flow", options)
        return Pipe("bench.drivers.issue", dialect, options)

    def stop(self) -> None:
        """End the servers."""
        for part in reversed(self._parts):
            processes.stop(part)


def _authorities(server: str, ca_file: str) -> list[bytes]:
    """Return issuing authority and root, DER."""
    context = ssl.create_default_context(cafile=ca_file)
    with urllib.request.urlopen(f"{server}/pki/{_ISSUING}/ca.cer", context=context) as answer:
        issuing = answer.read()
    root = x509.load_pem_x509_certificate(Path(ca_file).read_bytes())
    return [issuing, root.public_bytes(Encoding.DER)]
