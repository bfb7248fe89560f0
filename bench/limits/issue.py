"""Lower bound of the cost of issuing in this Python, as a process that only does that.

``python -m bench.limits.issue MODE OPTIONS_JSON``, controlled over pipes like the drivers:
parse the CSR, check its proof of possession, build and sign a P-256 certificate with the
extensions of a Sealwright certificate. MODE says how it is stored:

* ``crypto``: not at all;
* ``insert``: one INSERT and one commit each;
* ``batch``: the INSERTs of a hundred and one commit.

No HTTP, no authentication, no policy, no second commit, no audit, no verification.
"""

import hashlib
import json
import secrets
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from bench.drivers import material
from bench.drivers.material import Request

BATCH = 100
_LIFETIME = timedelta(days=90)
_TABLE = """
CREATE TABLE issued (
  id {key} PRIMARY KEY, serial varchar(40) UNIQUE, fingerprint varchar(64) UNIQUE,
  subject text, not_after {time}, created_at {time}, der {bytes}
)"""
_COLUMNS = "(serial, fingerprint, subject, not_after, created_at, der)"
Row = tuple[str, str, str, datetime, datetime, bytes]
Store = Callable[[Sequence[Row]], None]


class Authority:
    """A P-256 CA with everything prepared that is the same in all certificates."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Bench limit CA")])
        now = datetime.now(UTC).replace(microsecond=0)
        ski = x509.SubjectKeyIdentifier.from_public_key(self.key.public_key())
        self.certificate = (
            x509.CertificateBuilder(
                self.name, self.name, self.key.public_key(), 1, now, now + _LIFETIME * 20
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(ski, critical=False)
            .sign(self.key, SHA256())
        )
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=False,
            crl_sign=False,
            encipher_only=False,
            decipher_only=False,
        )
        crl, ocsp, issuer = (
            x509.UniformResourceIdentifier(f"http://127.0.0.1:8080/{path}")
            for path in ("pki/bench/crl", "ocsp/bench", "pki/bench/ca.cer")
        )
        access = [
            x509.AccessDescription(AuthorityInformationAccessOID.OCSP, ocsp),
            x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, issuer),
        ]
        point = x509.DistributionPoint([crl], None, None, None)
        self.extensions = [
            _wrap(x509.AuthorityKeyIdentifier(ski.digest, None, None)),
            _wrap(usage, critical=True),
            _wrap(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])),
            _wrap(x509.CRLDistributionPoints([point])),
            _wrap(x509.AuthorityInformationAccess(access)),
        ]

    def issue(self, pem: bytes) -> tuple[x509.Certificate, bytes]:
        """Return the certificate for a CSR, as an object and as DER."""
        csr = x509.load_pem_x509_csr(pem)
        if not csr.is_signature_valid:
            raise ValueError("no proof of possession")
        now = datetime.now(UTC).replace(microsecond=0)
        key = csr.public_key()
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        certificate = x509.CertificateBuilder(
            self.name,
            csr.subject,
            key,  # type: ignore[arg-type]
            int.from_bytes(secrets.token_bytes(19), "big"),
            now,
            now + _LIFETIME,
            [_wrap(x509.SubjectKeyIdentifier.from_public_key(key)), names, *self.extensions],  # type: ignore[arg-type]
        ).sign(self.key, SHA256())
        return certificate, certificate.public_bytes(Encoding.DER)


def _wrap(value: x509.ExtensionType, *, critical: bool = False) -> Any:
    return x509.Extension(value.oid, critical, value)


def row_of(certificate: x509.Certificate, der: bytes, name: str) -> Row:
    """Return the minimum that an inventory stores of a certificate."""
    return (
        f"{certificate.serial_number:x}",
        hashlib.sha256(der).hexdigest(),
        f"CN={name}",
        certificate.not_valid_after_utc,
        datetime.now(UTC),
        der,
    )


def store_for(mode: str, url: str) -> Store:
    """Return a function that stores rows durably: one call, one commit."""
    if mode == "crypto":
        return lambda _rows: None
    if url.startswith("sqlite"):
        return _sqlite(url.removeprefix("sqlite:///"))
    connection = psycopg.connect(url)
    connection.execute(
        _TABLE.format(key="bigserial", time="timestamptz", bytes="bytea")  # type: ignore[arg-type]
    )
    connection.commit()
    cursor = connection.cursor()
    insert = f"INSERT INTO issued {_COLUMNS} VALUES (%s, %s, %s, %s, %s, %s)"

    def store(rows: Sequence[Row]) -> None:
        if len(rows) == 1:
            cursor.execute(insert, rows[0])  # type: ignore[arg-type]
        else:
            cursor.executemany(insert, rows)  # type: ignore[arg-type]
        connection.commit()

    return store


def _sqlite(path: str) -> Store:
    """Return the same for SQLite, with the settings that the product uses."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=20)
    connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")
    connection.execute(_TABLE.format(key="integer", time="text", bytes="blob"))
    insert = f"INSERT INTO issued {_COLUMNS} VALUES (?, ?, ?, ?, ?, ?)"

    def store(rows: Sequence[Row]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        plain = [(*row[:3], row[3].isoformat(), row[4].isoformat(), row[5]) for row in rows]
        connection.executemany(insert, plain)
        connection.execute("COMMIT")

    return store


def run(
    authority: Authority, store: Store, requests: Sequence[Request], size: int
) -> dict[str, Any]:
    """Issue for every request and store the certificates in batches of ``size``."""
    pems = [request.pem.encode() for request in requests]
    issued: list[bytes] = []
    latencies: list[float] = []
    cpu, began = time.process_time(), time.perf_counter()
    for start in range(0, len(pems), size):
        at = time.perf_counter()
        rows = []
        for index in range(start, min(start + size, len(pems))):
            certificate, der = authority.issue(pems[index])
            rows.append(row_of(certificate, der, requests[index].name))
            issued.append(der)
        store(rows)
        latencies.append(time.perf_counter() - at)
    return {
        "driver_cpu_s": time.process_time() - cpu,
        "wall_s": time.perf_counter() - began,
        "latencies_s": latencies,
        "failures": [],
        "names": [request.name for request in requests],
        "spkis": [request.spki_der.hex() for request in requests],
        "certificates": [der.hex() for der in issued],
    }


def main() -> None:
    """Obey the runner until it closes the pipe."""
    mode, options = sys.argv[1], json.loads(sys.argv[2])
    authority, store = Authority(), store_for(mode, options["url"])
    der = authority.certificate.public_bytes(Encoding.DER)
    print(json.dumps({"authorities": [der.hex()]}), flush=True)
    for line in sys.stdin:
        requests = material.make(json.loads(line)["ops"])
        print("ready", flush=True)
        if sys.stdin.readline().strip() != "go":
            return
        size = BATCH if mode == "batch" else 1
        print(json.dumps(run(authority, store, requests, size)), flush=True)


if __name__ == "__main__":
    main()
