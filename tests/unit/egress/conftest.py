"""What do the egress tests share? A name server, a web server, and a witness of every packet."""

import socket
import sys
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest

from apps.egress import Purpose
from tests.factories import servers

LOOPBACK_OPEN = (ip_network("127.0.0.0/8"),)


_watching: list[list[tuple[str, int]]] = []


def _note(event: str, args: tuple[Any, ...]) -> None:
    """Hear of every TCP connect of this process, from the interpreter itself."""
    if event == "socket.connect" and _watching and args[0].type == socket.SOCK_STREAM:
        _watching[-1].append((args[1][0], args[1][1]))


sys.addaudithook(_note)


@pytest.fixture
def witness() -> Iterator[list[tuple[str, int]]]:
    """Where TCP connections went; what leaves loopback also fails the test (conftest.py)."""
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
def purpose(names: servers.NameServer) -> Purpose:
    """A purpose that may use loopback, with our own name server."""
    return Purpose(
        name="test",
        allowed_networks=LOOPBACK_OPEN,
        schemes=frozenset({"http", "https"}),
        resolvers=(names.address,),
        connect_timeout_s=1,
        read_timeout_s=1,
        total_s=3,
        max_redirects=5,
    )
