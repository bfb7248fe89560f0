"""Load generator with four OCSP clients, a process controlled over its pipes.

``python -m bench.drivers.ocsp OPTIONS_JSON`` obeys the same lines as ``bench.drivers.issue``. Every
second request is a GET (RFC 6960 appendix A.1), unless the options say otherwise. Options: ``url``,
``path``, ``issuer`` (DER in hexadecimal), ``serials`` (pairs of serial number and status), ``nonce``,
``clients``, ``get`` (whether the responder takes GET), ``slash`` (whether its path for POST ends with
one) and ``hash`` (of the issuer, ``sha1`` unless given).
"""

import base64
import hashlib
import json
import secrets
import sys
from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp

from bench.drivers import clients
from bench.drivers.http import Client

_NONCE_OCTETS = 32


class Load:
    """Clients with persistent connections."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        headers = {"Content-Type": "application/ocsp-request"}
        self._clients = [Client(options["url"], headers=headers) for _ in range(options["clients"])]
        issuer = x509.load_der_x509_certificate(bytes.fromhex(options["issuer"]))
        key = issuer.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        algorithm = options.get("hash", "sha1")
        self._name, self._key = (
            hashlib.new(algorithm, data, usedforsecurity=False).digest()
            for data in (issuer.subject.public_bytes(), key)
        )
        self._hash = SHA256() if algorithm == "sha256" else SHA1()
        self._sent: list[tuple[bytes, str]] = []

    def prepare(self, ops: int) -> None:
        """Make the requests."""
        serials = self._options["serials"]
        self._sent = [
            (self._request(int(serial, 16)), status)
            for serial, status in (serials[n % len(serials)] for n in range(ops))
        ]

    def _request(self, serial: int) -> bytes:
        builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
            self._name, self._key, serial, self._hash
        )
        if self._options["nonce"]:
            nonce = x509.OCSPNonce(secrets.token_bytes(_NONCE_OCTETS))
            builder = builder.add_extension(nonce, critical=False)
        return builder.build().public_bytes(Encoding.DER)

    def run(self) -> dict[str, Any]:
        """Send every request once, shared out among the clients."""
        answers: list[bytes] = [b""] * len(self._sent)

        def ask(client: Client, index: int) -> None:
            answers[index] = self._ask(client, index)

        return clients.share_out(len(self._sent), self._clients, ask) | {
            "requests": [request.hex() for request, _ in self._sent],
            "statuses": [status for _, status in self._sent],
            "answers": [answer.hex() for answer in answers],
        }

    def _ask(self, client: Client, index: int) -> bytes:
        request, path = self._sent[index][0], self._options["path"]
        # Each of the certificates is asked about in both ways.
        by_get = self._options["get"] and (index // len(self._options["serials"])) % 2
        if by_get:
            encoded = quote(base64.b64encode(request).decode(), safe="")
            status, answer = client.get(f"{path}/{encoded}")
        else:
            status, answer = client.post(
                f"{path}/" if self._options.get("slash") else path, request
            )
        if status != 200:
            raise RuntimeError(f"HTTP {status}: {answer[:2000]!r}")
        if self._options.get("closes"):
            client.close()
        return answer

    def close(self) -> None:
        """Close connections before the server closes them as idle."""
        for client in self._clients:
            client.close()


def main() -> None:
    """Obey the runner until it closes the pipe."""
    load = Load(json.loads(sys.argv[1]))
    for line in sys.stdin:
        load.prepare(json.loads(line)["ops"])
        print("ready", flush=True)
        if sys.stdin.readline().strip() != "go":
            return
        print(json.dumps(load.run()), flush=True)
        load.close()


if __name__ == "__main__":
    main()
