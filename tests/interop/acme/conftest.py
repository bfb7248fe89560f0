"""Fixtures of the interop tests: one name server and three ACME endpoints for all clients."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.interop import server as servers
from tests.interop.acme import nameserver
from tests.interop.acme.clients import EabKey, World
from tests.interop.server import Server

# One single-use key each; what a test registers with it, no other can.
KEYS = (
    "certbot",
    "lego",
    "library",
    "dehydrated",
    "node",
    "snippet-certbot",
    "snippet-lego",
    "nobody",
)


@pytest.fixture(scope="session")
def acme(running_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The running product with ACME set up, and names that resolve."""
    names = nameserver.start(tmp_path_factory.mktemp("names"))
    try:
        yield enable_acme(running_server, names)
    finally:
        names.stop()


def enable_acme(server: Server, names: nameserver.NameServer) -> World:
    """Set both endpoints up on a running product; return what clients need to know."""
    http_port, tls_port = servers.free_port(), servers.free_port()
    wanted = {
        "resolver": names.address,
        "http_port": http_port,
        "tls_port": tls_port,
        "keys": KEYS,
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.interop.acme.world", json.dumps(wanted)],
        cwd=servers.ROOT,
        env=server.environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    return World(
        server=server,
        names=names,
        directory=found["directory"],
        open_directory=found["open_directory"],
        approved_directory=found["approved_directory"],
        keys={label: EabKey(**key) for label, key in found["keys"].items()},
        http_port=http_port,
        tls_port=tls_port,
    )
