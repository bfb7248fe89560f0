"""The running product while its database is away, read-only, locked or full, and afterwards."""

import base64
import os
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from tests.factories.keys import make_csr
from tests.interop import server as servers
from tests.interop.postgres import Postgres, cluster
from tests.interop.server import Answer, Server

pytestmark = pytest.mark.program
_HEALED_S = 30
_PROBLEM, _PAGE, _TEXT = "application/problem+json", "text/html", "text/plain"


@pytest.fixture(scope="module")
def small_disk() -> Iterator[Path]:
    """A folder on a disk that a test can fill."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    # Not below pytest's folders, which PostgreSQL's user cannot enter.
    folder = Path(tempfile.mkdtemp(prefix="sealwright-small-disk-"))
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256m,mode=755", "small", folder], check=True
    )
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        folder.rmdir()


@contextmanager
def _filled(folder: Path) -> Iterator[None]:
    filler = folder / "filler"
    try:
        with pytest.raises(OSError, match="No space left"), filler.open("wb", 0) as file:  # noqa: PT012
            while True:
                file.write(bytes(4096))
        yield
    finally:
        filler.unlink()


@dataclass
class Faulty:
    """A server with the database that a test breaks."""

    server: Server
    database: Postgres

    @property
    def facts(self):
        return self.server.facts

    def issue(self, name: str = "a.example.com") -> Answer:
        return _issue(self.server, name)


def _issue(server: Server, name: str = "a.example.com") -> Answer:
    csr = base64.b64encode(make_csr(name)).decode()
    facts = server.facts
    body = {"application": facts["application"], "profile": "tls-server", "csr": csr}
    return server.api("POST", "certificate-requests/", body)


def _healed(server: Server) -> None:
    """Wait until the server issues and is ready again, without a restart."""
    deadline = time.monotonic() + _HEALED_S
    while True:
        ready = server.get(f"{server.facts['https_url']}/readyz")
        if ready.status == 200 and _issue(server).status == 201:
            return
        assert time.monotonic() < deadline, ready.body
        time.sleep(0.5)


def _unready(server: Server) -> Answer:
    """Wait until readiness has noticed: a good outcome may be some seconds old."""
    deadline = time.monotonic() + _HEALED_S
    while (ready := server.get(f"{server.facts['https_url']}/readyz")).status == 200:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    return ready


def _status_request(server: Server, certificate: dict[str, Any]) -> Callable[[], Answer]:
    """Return an OCSP request about a certificate of ours."""
    url = f"{server.facts['http_url']}/ocsp/quickstart-issuing"
    ca_url = f"{server.facts['http_url']}/pki/quickstart-issuing/ca.cer"
    issuer = x509.load_der_x509_certificate(server.get(ca_url).body)
    leaf = x509.load_pem_x509_certificate(certificate["pem"].encode())
    asked = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, hashes.SHA1()).build()
    body = asked.public_bytes(Encoding.DER)
    return lambda: servers.call("POST", url, body, content_type="application/ocsp-request")


def _requests(server: Server) -> dict[str, Callable[[], Answer]]:
    """Return requests that need the database, by what their refusal looks like."""
    facts = server.facts
    acme = facts["acme"]["directory_url"]
    name = server.api("GET", "authorities/").json()["results"][0]["name"]
    der = server.get(f"{facts['http_url']}/pki/{name}/ca.cer").body
    issuer = x509.load_der_x509_certificate(der)
    asked = ocsp.OCSPRequestBuilder().add_certificate(issuer, issuer, hashes.SHA1()).build()
    return {
        f"{_PROBLEM} API": lambda: server.api("GET", "certificates/"),
        f"{_PROBLEM} issue": lambda: _issue(server),
        f"{_PROBLEM} ACME": lambda: server.get(acme),
        f"{_TEXT} CRL": lambda: server.get(f"{facts['http_url']}/pki/{name}/crl?{time.time()}"),
        f"{_TEXT} OCSP": lambda: servers.call(
            "POST",
            f"{facts['http_url']}/ocsp/{name}",
            asked.public_bytes(Encoding.DER),
            content_type="application/ocsp-request",
        ),
    }


@pytest.fixture(scope="module")
def faulty(small_disk: Path) -> Iterator[Faulty]:
    """The product on a PostgreSQL of its own, both on the small disk."""
    folder = small_disk / "postgres"
    folder.mkdir()
    with cluster(folder) as database:
        home = small_disk / "home"
        settings = {"DATABASE_URL": database.url, "SIGNING_TIMEOUT_S": "5"}
        server = servers.start(home, servers.environment_for(home, **settings))
        try:
            yield Faulty(server, database)
        finally:
            server.stop()


def _log_of(server: Server, what: Callable[[], None]) -> str:
    before = server.log.stat().st_size
    what()
    return server.log.read_bytes()[before:].decode()


def _require_unavailable(server: Server, requests: dict[str, Callable[[], Answer]]) -> None:
    """Every request is refused in its own form, one line of the log each; the process lives."""

    def ask() -> None:
        for what, request in requests.items():
            answer = request()
            assert (answer.status, answer.headers.get("Retry-After")) == (503, "5"), what
            assert answer.headers["Content-Type"].startswith(what.partition(" ")[0]), what

    lines = _log_of(server, ask).splitlines()
    told = [number for number, line in enumerate(lines) if "Service Unavailable: " in line]
    assert len(told) == len(requests)
    # django-q's own processes may die of it, with a traceback, and are started again.
    assert not any(
        "Traceback" in line for number in told for line in lines[number + 1 : number + 2]
    )
    assert server.get(f"{server.facts['https_url']}/livez").status == 200
    assert _unready(server).status == 503


def test_a_database_that_is_away(faulty):
    requests = _requests(faulty.server)
    faulty.database.stop()
    try:
        _require_unavailable(faulty.server, requests)
    finally:
        faulty.database.start()
    _healed(faulty.server)


def test_a_database_that_hangs_holds_no_probe(faulty):
    server = faulty.server
    _healed(server)
    with ThreadPoolExecutor(20) as pool:
        with faulty.database.paused():
            asked = [pool.submit(server.api, "GET", "certificates/") for _ in range(20)]
            time.sleep(2)  # by now they hold every place
            alive = [server.get(f"{server.facts['https_url']}/livez").status for _ in range(5)]
        statuses = Counter(one.result().status for one in asked)
    assert alive == [200] * 5
    assert set(statuses) <= {200, 503}
    _healed(server)


def test_a_read_only_database_is_read(faulty):
    server, facts = faulty.server, faulty.facts
    certificate = faulty.issue().json()["certificate"]
    requests = _requests(server)
    faulty.database.execute("ALTER DATABASE faults SET default_transaction_read_only = on")
    faulty.database.end_connections()
    try:
        write = {f"{_PROBLEM} issue": requests.pop(f"{_PROBLEM} issue")}
        for what, request in requests.items():
            assert request().status == 200, what
        download = f"certificates/{certificate['id']}/download/?format=fullchain"
        assert server.api("GET", download).status == 200
        assert server.api("GET", "certificates/", token="swt_" + "0" * 64).status == 401
        nonce = facts["acme"]["directory_url"].replace("directory", "new-nonce")
        assert server.get(nonce).status == 204
        _require_unavailable(server, write)
        ready = server.get(f"{facts['https_url']}/readyz").json()
        assert ready["checks"]["database"] == "the database is read-only"
    finally:
        faulty.database.execute("ALTER DATABASE faults RESET default_transaction_read_only")
        faulty.database.end_connections()
    _healed(server)


def test_no_certificate_is_lost_when_connections_end_at_any_moment(faulty):
    until = time.monotonic() + 8
    answers: list[Answer] = []

    def issue_on(_number: int) -> None:
        while time.monotonic() < until:
            answers.append(faulty.issue())

    def disturb() -> None:
        while time.monotonic() < until:
            faulty.database.end_connections()
            time.sleep(0.05)

    disturber = threading.Thread(target=disturb)
    disturber.start()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(issue_on, range(6)))
    disturber.join()
    statuses = Counter(answer.status for answer in answers)
    assert set(statuses) <= {201, 503}
    assert statuses[201]
    _healed(faulty.server)
    for answer in answers:
        if answer.status == 201:
            known = answer.json()["certificate"]["id"]
            assert faulty.server.api("GET", f"certificates/{known}/").status == 200
    time.sleep(6)  # what was interrupted counts as left behind then
    faulty.server.manage(
        "shell", "-c", "from apps.certificates.sweeps import reconcile; reconcile()"
    )
    # Every number that may have been signed is a certificate, or is revoked.
    lost = faulty.database.execute(
        "SELECT issued.serial_number FROM authorities_issuedserial issued "
        "JOIN certificates_certificaterequest request ON request.id = issued.request_id "
        "WHERE NOT EXISTS (SELECT 1 FROM certificates_certificate one "
        "                  WHERE one.request_id = request.id) "
        "AND NOT EXISTS (SELECT 1 FROM authorities_revokedserial revoked "
        "                WHERE revoked.serial_number = issued.serial_number)"
    )
    assert lost == []


@pytest.mark.parametrize(
    ("broken", "mended", "told"),
    [
        (
            "ALTER TABLE applications_apitoken DISABLE TRIGGER ALL",
            "ALTER TABLE applications_apitoken ENABLE TRIGGER ALL",  # all but always: see migrate
            "not always enabled on applications_apitoken",
        ),
        (
            "ALTER TABLE certificates_certificate DISABLE TRIGGER ALL",
            "ALTER TABLE certificates_certificate ENABLE TRIGGER ALL",
            "foreign keys are not enforced on certificates_certificate",
        ),
        (
            "ALTER DATABASE faults SET session_replication_role = replica",
            "ALTER DATABASE faults RESET session_replication_role",
            "session_replication_role is replica",
        ),
    ],
)
def test_triggers_that_do_not_fire_are_told(faulty, broken, mended, told):
    faulty.database.execute(broken)
    faulty.database.end_connections()
    try:
        ready = faulty.server.get(f"{faulty.facts['https_url']}/readyz")
        assert ready.status == 503
        assert told in ready.json()["checks"]["governance"]
    finally:
        faulty.database.execute(mended)
        faulty.database.end_connections()
        faulty.server.manage("migrate", "--verbosity", "0")
    _healed(faulty.server)


def test_a_full_disk_of_postgresql(faulty, small_disk):
    with _filled(small_disk):
        statuses = Counter(faulty.issue().status for _ in range(200))
        assert set(statuses) <= {201, 503}
        assert statuses[503]
        assert faulty.server.get(f"{faulty.facts['https_url']}/livez").status == 200
        _unready(faulty.server)
    try:
        faulty.database.execute("SELECT 1")
    except psycopg.OperationalError:  # it gives up when its log cannot grow
        faulty.database.start()
    _healed(faulty.server)


@pytest.fixture(scope="module")
def on_sqlite(small_disk: Path) -> Iterator[Server]:
    """The product on SQLite, on the small disk."""
    home = small_disk / "on-sqlite"
    server = servers.start(home, servers.environment_for(home, DATABASE_URL=""))
    try:
        yield server
    finally:
        server.stop()


def test_a_locked_sqlite_is_read(on_sqlite):
    requests = _requests(on_sqlite)
    first, fresh = (_issue(on_sqlite).json()["certificate"] for _ in range(2))
    _status_request(on_sqlite, first)()  # the first of all makes the responder's key
    # Nobody has asked about the other one: its answer would be kept, but is served without that.
    requests[f"{_TEXT} OCSP of a new certificate"] = _status_request(on_sqlite, fresh)
    holder = sqlite3.connect(on_sqlite.home / "sealwright.sqlite3", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        write = {f"{_PROBLEM} issue": requests.pop(f"{_PROBLEM} issue")}
        began = time.monotonic()
        for what, request in requests.items():
            assert request().status == 200, what
        assert time.monotonic() - began < 5, "a read has waited for the lock"
        _require_unavailable(on_sqlite, write)
        assert "locked" in _unready(on_sqlite).json()["checks"]["writes"]
    finally:
        holder.close()
    _healed(on_sqlite)


def test_a_full_disk_of_sqlite(on_sqlite, small_disk):
    with _filled(small_disk):
        statuses = Counter(_issue(on_sqlite).status for _ in range(20))
        assert set(statuses) <= {201, 503}
        assert statuses[503]
        assert on_sqlite.api("GET", "certificates/").status == 200
        ready = _unready(on_sqlite)
        assert "free" in ready.json()["checks"]["writes"]
    _healed(on_sqlite)
