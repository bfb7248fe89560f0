"""Load generator with four clients of an issuing API, a process controlled over its pipes.

``python -m bench.drivers.issue DIALECT OPTIONS_JSON`` reads lines: ``{"ops": 400}`` makes the
requests and prints ``ready``; the line ``go`` sends them and prints one JSON line with times
and the certificates in hexadecimal. It uses only the HTTP interface of a product.
"""

import base64
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bench.drivers import clients, material
from bench.drivers.http import Client
from bench.drivers.material import Request

CLIENTS = 4
BATCH = 100
# Takes a client and some requests; returns their certificates (PEM), in order.
Dialect = Callable[[Client, dict[str, Any], Sequence[Request]], list[str]]


def sealwright(client: Client, options: dict[str, Any], requests: Sequence[Request]) -> list[str]:
    """One certificate by one call."""
    (request,) = requests
    body = {
        "application": options["application"],
        "profile": options["profile"],
        "csr": request.pem,
    }
    status, answer = client.post("/api/v1/certificate-requests/", json.dumps(body).encode())
    _require(status == 201, status, answer)
    return [json.loads(answer)["certificate"]["pem"]]


def sealwright_bulk(
    client: Client, options: dict[str, Any], requests: Sequence[Request]
) -> list[str]:
    """A hundred certificates by one call."""
    body = {
        "application": options["application"],
        "profile": options["profile"],
        "requests": [{"csr": request.pem} for request in requests],
    }
    status, answer = client.post("/api/v1/certificate-requests/bulk/", json.dumps(body).encode())
    _require(status == 200, status, answer)
    results = json.loads(answer)["results"]
    _require(all(item["status"] == 201 for item in results), status, answer)
    return [item["request"]["certificate"]["pem"] for item in results]


def django_ca(client: Client, options: dict[str, Any], requests: Sequence[Request]) -> list[str]:
    """Order, then fetch order and certificate: its API answers with an order only."""
    (request,) = requests
    base = f"/django_ca/api/ca/{options['serial']}"
    names = {
        "type": "subject_alternative_name",
        "critical": False,
        "value": [{"type": "DNS", "value": request.name}],
    }
    body = {
        "csr": request.pem,
        "subject": [{"oid": "2.5.4.3", "value": request.name}],
        "extensions": [names],
    }
    status, answer = client.post(f"{base}/sign/", json.dumps(body).encode())
    _require(status == 200, status, answer)
    order = json.loads(answer)
    status, answer = client.get(f"{base}/orders/{order['slug']}/")
    _require(status == 200, status, answer)
    serial = json.loads(answer)["serial"]
    status, answer = client.get(f"{base}/certs/{serial}/")
    _require(status == 200, status, answer)
    return [json.loads(answer)["certificate"]["pem"]]


DIALECTS: dict[str, tuple[Dialect, int]] = {
    "sealwright": (sealwright, 1),
    "sealwright-bulk": (sealwright_bulk, BATCH),
    "django-ca": (django_ca, 1),
}


def _require(holds: bool, status: int, answer: bytes) -> None:
    if not holds:
        raise RuntimeError(f"HTTP {status}: {answer[:2000]!r}")


class Load:
    """Four clients with persistent connections."""

    def __init__(self, dialect: str, options: dict[str, Any]) -> None:
        self._ask, self._per_call = DIALECTS[dialect]
        self._options = options
        self._clients = [
            Client(options["url"], options.get("ca_file", ""), options["headers"])
            for _ in range(CLIENTS)
        ]

    def run(self, requests: Sequence[Request]) -> dict[str, Any]:
        """Send every request once, shared out among the clients."""
        size = self._per_call
        calls = [requests[i : i + size] for i in range(0, len(requests), size)]
        answers: list[list[str]] = [[] for _ in calls]

        def ask(client: Client, index: int) -> None:
            answers[index] = self._ask(client, self._options, calls[index])

        return clients.share_out(len(calls), self._clients, ask) | {
            "names": [request.name for request in requests],
            "spkis": [request.spki_der.hex() for request in requests],
            "certificates": [_der(pem).hex() for answer in answers for pem in answer],
        }

    def close(self) -> None:
        """Close connections before the server closes them as idle."""
        for client in self._clients:
            client.close()


def _der(pem: str) -> bytes:
    return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)


def main() -> None:
    """Obey the runner until it closes the pipe."""
    dialect, options = sys.argv[1], json.loads(sys.argv[2])
    if "basic" in options:
        token = base64.b64encode(options["basic"].encode()).decode()
        options["headers"]["Authorization"] = f"Basic {token}"
    load = Load(dialect, options)
    for line in sys.stdin:
        requests = material.make(json.loads(line)["ops"])
        print("ready", flush=True)
        if sys.stdin.readline().strip() != "go":
            return
        print(json.dumps(load.run(requests)), flush=True)
        load.close()


if __name__ == "__main__":
    main()
