"""Fixtures of the validation tests: a target on loopback, and servers that answer for it."""

from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import pytest

from apps.egress import Deadline
from apps.enrollment.acme.validation.targets import Target
from tests.factories import servers

TOKEN = "evaGxfADs6pSRb2LAv9IZf"
THUMBPRINT = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.fixture
def names() -> Iterator[servers.NameServer]:
    with servers.name_server() as server:
        server.host("a.test", "127.0.0.1")
        yield server


@pytest.fixture
def web() -> Iterator[servers.WebServer]:
    with servers.web_server() as server:
        yield server


@pytest.fixture
def target(names: servers.NameServer) -> Callable[..., Target]:
    def make(challenge_type: str, **changes: Any) -> Target:
        values: dict[str, Any] = {
            "challenge_id": UUID(int=1),
            "challenge_type": challenge_type,
            "token": TOKEN,
            "thumbprint": THUMBPRINT,
            "identifier_type": "dns",
            "identifier": "a.test",
            "bases": ("https://ca.test/acme/pay/tls",),
            "account_path": "acct/abc",
            "resolvers": (names.address,),
            "allowed_networks": (ip_network("127.0.0.0/8"),),
        }
        return Target(**(values | changes))

    return make


@pytest.fixture
def deadline() -> Deadline:
    return Deadline(2)
