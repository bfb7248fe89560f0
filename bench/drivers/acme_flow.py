"""Load generator with four ACME clients, a process controlled over its pipes.

``python -m bench.drivers.acme_flow OPTIONS_JSON`` speaks as ``bench.drivers.issue`` does. One
operation is everything from registration to download: newAccount with a fresh P-256 key, newOrder for one name,
authorization, challenge, poll, finalize with a P-256 CSR, poll, download (RFC 8555). Polls
begin after 20 ms and double. It knows only the directory URL of a server.
"""

import base64
import http.client
import json
import ssl
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from bench.drivers import clients, material
from bench.drivers.material import Request

CLIENTS = 4
_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.020, 1.0
_GIVE_UP_S = 60
_TIMEOUT_S = 60
_ES256 = ec.ECDSA(SHA256())


def b64(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Answer:
    """One reply, header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


class Connection:
    """One kept connection to the server of a directory."""

    def __init__(self, url: str, ca_file: str) -> None:
        self._parts, self._ca_file = urlsplit(url), ca_file
        self._http: http.client.HTTPConnection | None = None
        self.requests = 0

    def ask(self, method: str, url: str, body: bytes | None = None) -> Answer:
        """Send one request; the connection is opened anew when the server has closed it."""
        self.requests += 1
        path = urlsplit(url).path
        headers = {"Content-Type": "application/jose+json"} if body is not None else {}
        for again in (True, False):
            http_ = self._http = self._http or self._open()
            try:
                http_.request(method, path, body, headers)
                found = http_.getresponse()
                content = found.read()
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                self.close()
                if not again:
                    raise
                continue
            return Answer(found.status, {k.lower(): v for k, v in found.getheaders()}, content)
        raise AssertionError("the second attempt returns or raises")

    def close(self) -> None:
        """Close the connection."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def _open(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            context = ssl.create_default_context(cafile=self._ca_file)
            return http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_S, context=context)
        return http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)


class Account:
    """An ACME client for one certificate."""

    def __init__(
        self, connection: Connection, directory: dict[str, Any], nonces: list[str], key: Any
    ) -> None:
        self._connection, self._directory, self._nonces = connection, directory, nonces
        self._key = key
        numbers = self._key.public_key().public_numbers()
        x, y = (b64(value.to_bytes(32, "big")) for value in (numbers.x, numbers.y))
        self._jwk = {"crv": "P-256", "kty": "EC", "x": x, "y": y}
        self._kid = ""

    def obtain(self, request: Request) -> str:
        """Run the whole flow; return the certificate, PEM."""
        registration = {"termsOfServiceAgreed": True, "contact": ["mailto:bench@example.com"]}
        made = self._post(self._directory["newAccount"], registration, 201)
        self._kid = made.headers["location"]
        wanted = {"identifiers": [{"type": "dns", "value": request.name}]}
        order = self._post(self._directory["newOrder"], wanted, 201)
        url, fields = order.headers["location"], order.json()
        self._prove(fields["authorizations"][0])
        der = x509.load_pem_x509_csr(request.pem.encode()).public_bytes(Encoding.DER)
        final = self._post(fields["finalize"], {"csr": b64(der)}, 200).json()
        final = final if final["status"] == "valid" else self._poll(url, "valid")
        chain = self._post(final["certificate"], None, 200).body.decode()
        return chain[: chain.index("-----END CERTIFICATE-----") + 26]

    def _prove(self, url: str) -> None:
        authorization = self._post(url, None, 200).json()
        (challenge,) = [c for c in authorization["challenges"] if c["type"] == "http-01"]
        self._post(challenge["url"], {}, 200)
        self._poll(url, "valid")

    def _poll(self, url: str, wanted: str) -> Any:
        pause, began = _FIRST_PAUSE_S, time.perf_counter()
        while True:
            found = self._post(url, None, 200).json()
            if found["status"] == wanted:
                return found
            if found["status"] == "invalid" or time.perf_counter() - began > _GIVE_UP_S:
                raise RuntimeError(f"{url} is {found}")
            time.sleep(pause)
            pause = min(pause * 2, _LAST_PAUSE_S)

    def _post(self, url: str, payload: Any, status: int) -> Answer:
        if not self._nonces:
            found = self._connection.ask("HEAD", self._directory["newNonce"])
            self._nonces.append(found.headers["replay-nonce"])
        header: dict[str, Any] = {"alg": "ES256", "nonce": self._nonces.pop(), "url": url}
        header |= {"kid": self._kid} if self._kid else {"jwk": self._jwk}
        protected = b64(json.dumps(header).encode())
        content = "" if payload is None else b64(json.dumps(payload).encode())
        r, s = decode_dss_signature(self._key.sign(f"{protected}.{content}".encode(), _ES256))
        signature = b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
        body = {"protected": protected, "payload": content, "signature": signature}
        answer = self._connection.ask("POST", url, json.dumps(body).encode())
        if "replay-nonce" in answer.headers:
            self._nonces.append(answer.headers["replay-nonce"])
        if answer.status != status:
            raise RuntimeError(f"{url}: HTTP {answer.status}: {answer.body[:1000]!r}")
        return answer


class Load:
    """Four clients with persistent connections."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._url = options["directory"]
        self._connections = [
            Connection(self._url, options.get("ca_file", "")) for _ in range(CLIENTS)
        ]
        self._directory = self._connections[0].ask("GET", self._url).json()

    def run(self, requests: Sequence[Request], keys: Sequence[Any]) -> dict[str, Any]:
        """Obtain a certificate for every request, shared out among the clients."""
        answers = [""] * len(requests)
        before = sum(connection.requests for connection in self._connections)
        # Each client keeps the nonces that its answers bring.
        kept: list[tuple[Connection, list[str]]] = [(one, []) for one in self._connections]

        def ask(client: tuple[Connection, list[str]], index: int) -> None:
            account = Account(client[0], self._directory, client[1], keys[index])
            answers[index] = account.obtain(requests[index])

        times = clients.share_out(len(requests), kept, ask)
        asked = sum(connection.requests for connection in self._connections) - before
        return times | {
            "requests_per_op": asked / max(len(requests), 1),
            "names": [request.name for request in requests],
            "spkis": [request.spki_der.hex() for request in requests],
            "certificates": [_der(pem).hex() for pem in answers if pem],
        }

    def close(self) -> None:
        """Close connections before the server closes them as idle."""
        for connection in self._connections:
            connection.close()


def _der(pem: str) -> bytes:
    return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)


def main() -> None:
    """Obey the runner until it closes the pipe."""
    load = Load(json.loads(sys.argv[1]))
    for line in sys.stdin:
        requests = material.make(json.loads(line)["ops"])
        keys = [ec.generate_private_key(ec.SECP256R1()) for _ in requests]
        print("ready", flush=True)
        if sys.stdin.readline().strip() != "go":
            return
        print(json.dumps(load.run(requests, keys)), flush=True)
        load.close()


if __name__ == "__main__":
    main()
