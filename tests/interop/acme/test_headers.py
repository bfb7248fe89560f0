"""Header fields of ACME answers, as a client on a raw TLS socket gets them from the front server."""

import hashlib
import json
import socket
import ssl
from dataclasses import dataclass
from typing import Any

import pytest

from tests.factories.keys import make_csr
from tests.interop.acme.clients import World, web_root
from tests.interop.server import Server
from tests.protocol.acme.client import Acme, b64, jwk_of

pytestmark = pytest.mark.program("nginx", "named")
NAME = "headers.example.test"


@dataclass(frozen=True)
class Answer:
    """One HTTP reply, with its header lines as they came."""

    status_code: int
    lines: list[tuple[str, str]]
    content: bytes

    def all(self, name: str) -> list[str]:
        """Return the value of every line with this name."""
        return [value for given, value in self.lines if given.lower() == name.lower()]

    def __contains__(self, name: str) -> bool:
        return bool(self.all(name))

    def __getitem__(self, name: str) -> str:
        (value,) = self.all(name)
        return value

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.content)


class RawClient:
    """HTTP/1.1 on a socket, one request for each connection."""

    def __init__(self, server: Server) -> None:
        self.port = int(server.environment["SEALWRIGHT_HTTPS_PORT"])
        self.context = ssl.create_default_context(cafile=str(server.root_pem))

    def get(self, path: str) -> Answer:
        return self._send("GET", path)

    def head(self, path: str) -> Answer:
        return self._send("HEAD", path)

    def post(self, path: str, data: str, *, content_type: str) -> Answer:
        return self._send("POST", path, data.encode(), f"Content-Type: {content_type}\r\n")

    def _send(self, method: str, path: str, body: bytes = b"", more: str = "") -> Answer:
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: localhost:{self.port}\r\nConnection: close\r\n"
            f"Content-Length: {len(body)}\r\n{more}\r\n"
        )
        with (
            socket.create_connection(("127.0.0.1", self.port), 60) as plain,
            self.context.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            connection.sendall(head.encode() + body)
            received = b"".join(iter(lambda: connection.recv(65536), b""))
        top, _, content = received.partition(b"\r\n\r\n")
        status, *lines = top.decode("latin-1").split("\r\n")
        pairs = [
            (name, value.strip()) for name, _, value in (line.partition(":") for line in lines)
        ]
        return Answer(int(status.split()[1]), pairs, content)


@pytest.fixture(scope="module")
def client(acme: World) -> Acme:
    made = Acme(RawClient(acme.server), acme.open_directory)  # type: ignore[arg-type]  # same methods
    assert made.register().status_code == 201
    return made


@pytest.fixture(scope="module")
def index(acme: World) -> str:
    return f'<{acme.open_directory}>;rel="index"'


def test_every_relation_has_a_line_of_its_own(acme, client, index, tmp_path):
    order = client.order(NAME)
    assert order.all("Link") == [index]
    (authorization,) = order.json()["authorizations"]
    offered = client.post(authorization).json()["challenges"]
    challenge = next(item for item in offered if item["type"] == "http-01")
    assert client.post(challenge["url"]).all("Link") == [f'<{authorization}>;rel="up"', index]
    with web_root(tmp_path, acme.http_port) as tokens:
        digest = hashlib.sha256(
            json.dumps(jwk_of(client.key), sort_keys=True, separators=(",", ":")).encode()
        ).digest()
        (tokens / challenge["token"]).write_text(f"{challenge['token']}.{b64(digest)}")
        assert client.post(challenge["url"], {}).json()["status"] == "valid"
    done = client.finalize(order.json(), make_csr(NAME)).json()
    assert done["status"] == "valid", done
    chain = client.post(done["certificate"])
    assert chain.all("Link") == [f'<{done["certificate"]}/1>;rel="alternate"', index]


def test_nonces_come_with_answers_to_post_only_and_the_directory_may_be_kept(acme, client, index):
    directory = client.get(acme.open_directory)
    assert directory.all("Replay-Nonce") == directory.all("Link") == []
    assert directory["Cache-Control"] == "public, max-age=300"
    info = client.get(f"{client.directory['renewalInfo']}/a.b")
    assert (info.status_code, info.all("Replay-Nonce"), info.all("Link")) == (400, [], [index])
    nonces = [
        client.http.head(client.directory["newNonce"].partition(f":{client.http.port}")[2]),
        client.post(client.directory["newOrder"], {}),
        client.post(client.directory["newOrder"], {}, nonce="A" * 43),
        client.post(client.kid),
    ]
    assert len({answer["Replay-Nonce"] for answer in nonces}) == len(nonces)
    assert {answer["Cache-Control"] for answer in nonces} == {"no-store"}
