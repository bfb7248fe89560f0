"""Fixtures of the egress tests: a name server, a web server and a record of TCP connections."""

import socket
import sys
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest

from apps.egress import EgressRules
from tests.factories import servers

LOOPBACK_OPEN = (ip_network("127.0.0.0/8"),)


_watching: list[list[tuple[str, int]]] = []


def _note(event: str, args: tuple[Any, ...]) -> None:
    """Record each TCP connect of this process, reported by the interpreter's audit hook."""
    if event == "socket.connect" and _watching and args[0].type == socket.SOCK_STREAM:
        _watching[-1].append((args[1][0], args[1][1]))


sys.addaudithook(_note)


@pytest.fixture
def witness() -> Iterator[list[tuple[str, int]]]:
    """Destinations of TCP connections; tests/conftest.py fails those that leave loopback."""
    _watching.append([])
    yield _watching[-1]
    _watching.pop()


@pytest.fixture
def names() -> Iterator[servers.NameServer]:
    with servers.name_server() as server:
        yield server


@pytest.fixture
def web() -> Iterator[servers.WebServer]:
    with servers.web_server() as server:
        yield server


@pytest.fixture
def rules(names: servers.NameServer) -> EgressRules:
    """Rules that open loopback, with the test's own name server."""
    return EgressRules(
        name="test",
        allowed_networks=LOOPBACK_OPEN,
        schemes=frozenset({"http", "https"}),
        resolvers=(names.address,),
        connect_timeout_s=1,
        read_timeout_s=1,
        total_s=3,
        max_redirects=5,
    )
