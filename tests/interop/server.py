"""The whole product for a test: the processes of ``make run``, on ports of their own."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tests.commands import inherited_environment

ROOT = Path(__file__).resolve().parents[2]
_START_S = 90
_STOP_S = 30
# Sessions that run at the same time begin at different places.
_PORTS = range(20000 + os.getpid() * 13 % 11000, 32000)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP reply."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


@dataclass
class Server:
    """A running Sealwright.

    Attributes:
        home: its data directory (``SEALWRIGHT_HOME``).
        environment: what its processes see; ``manage`` uses the same.
        console: what it printed for the person who started it (holds the demo token).
        log: what it logged.
    """

    home: Path
    environment: dict[str, str]
    console: Path
    log: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Return what quickstart wrote down for whoever started it."""
        return json.loads((self.home / "quickstart.json").read_text())

    @property
    def root_pem(self) -> Path:
        """Return the file that holds the certificate all trust starts from."""
        return Path(self.facts["ca_file"])

    def manage(self, *argv: str, **options: Any) -> str:
        """Run one management command beside the server."""
        return manage(self.environment, *argv, **options)

    def api(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Answer:
        """Call the API with the quickstart's token; any status is an answer."""
        return call(
            method,
            f"{self.facts['https_url']}/api/v1/{path}",
            body,
            token=self.facts["token"] if token is None else token,
            ca_file=self.root_pem,
        )

    def get(self, url: str) -> Answer:
        """Fetch a public resource, over plain HTTP as relying parties do."""
        return call("GET", url, ca_file=self.root_pem)

    def obtain(self, profile: str, csr_pem: str, **requested: Any) -> dict[str, Any]:
        """Return the certificate that the API issues for a CSR under the demo application."""
        answer = self.api(
            "POST",
            "certificate-requests/",
            {"application": self.facts["application"], "profile": profile, "csr": csr_pem}
            | requested,
        )
        assert answer.status == 201, answer.body.decode()
        return answer.json()["certificate"]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it as a terminal or an init system would; return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise


def environment_for(home: Path, **settings: str) -> dict[str, str]:
    """Return what a server on ``home`` sees: free ports, the database under test, ``settings``."""
    wanted = {
        "HOME": str(home),
        "HTTPS_PORT": str(free_port()),
        "HTTP_PORT": str(free_port()),
        "DATABASE_URL": os.environ.get("SEALWRIGHT_DATABASE_URL", ""),
        "STATIC_ROOT": str(home / "static"),
    } | settings
    return inherited_environment() | {f"SEALWRIGHT_{name}": value for name, value in wanted.items()}


def start(home: Path, environment: dict[str, str]) -> Server:
    """Run what ``make run`` runs, on a new or a used data directory; wait until it is ready."""
    console, log = home.parent / f"{home.name}.console", home.parent / f"{home.name}.log"
    with console.open("wb") as printed, log.open("ab") as logged:
        process = subprocess.Popen(
            [sys.executable, "-u", "manage.py", "up"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=logged,
            start_new_session=True,
        )
    server = Server(home, environment, console, log, process)
    deadline = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < deadline:
        if _ready(server):
            return server
        time.sleep(0.1)
    server.stop(signal.SIGKILL)
    raise RuntimeError(f"not ready:\n{console.read_text()}\n{log.read_text()[-4000:]}")


def _ready(server: Server) -> bool:
    """Tell whether ``/readyz`` says yes, over the certificate that quickstart told us to trust."""
    facts = server.home / "quickstart.json"
    if not facts.exists() or "https_url" not in facts.read_text():
        return False
    server.__dict__.pop("facts", None)  # still being completed
    try:
        url = f"{server.facts['https_url']}/readyz"
        return call("GET", url, ca_file=server.root_pem).status == HTTPStatus.OK
    except OSError:
        return False


def manage(environment: dict[str, str], *argv: str, **options: Any) -> str:
    """Run one management command; a failure shows what it wrote."""
    done = subprocess.run(
        [sys.executable, "manage.py", *argv],
        cwd=ROOT,
        env=environment,
        check=False,
        timeout=_START_S,
        capture_output=True,
        text=True,
        **options,
    )
    assert done.returncode == 0, f"manage.py {argv}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def call(
    method: str,
    url: str,
    body: Any = None,
    *,
    token: str = "",
    ca_file: Path | None = None,
    content_type: str = "application/json",
) -> Answer:
    """Send one HTTP request; JSON goes out for objects, bytes go out as they are."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    if data is not None:
        request.add_header("Content-Type", content_type)
    context = ssl.create_default_context(cafile=str(ca_file)) if ca_file else None
    try:
        with urllib.request.urlopen(request, timeout=30, context=context) as reply:
            return Answer(reply.status, dict(reply.headers), reply.read())
    except urllib.error.HTTPError as refusal:
        with refusal:
            return Answer(refusal.code, dict(refusal.headers), refusal.read())


def free_port() -> int:
    """Return a free loopback port below 32768, where no outgoing connection can take it."""
    for port in _PORTS:
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise RuntimeError("no free port")


_given: set[int] = set()
