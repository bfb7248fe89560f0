"""OpenSSL's own OCSP responder as a peer, which signs every answer.

It listens on all addresses and serves one connection at a time, so it runs with its one client in a
network namespace of its own, which only root can make.
"""

import json
import os
import shutil
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bench import processes, verify
from bench.database import Database
from bench.participant import Participant, Pipe
from bench.peers.base import PeerUnavailableError

_PORT = "2560"
_OPS = 5000
_SERIALS = 1000
_START_S = 20


def responder(_base: Database, folder: Path) -> Participant:
    """Start ``openssl ocsp`` with an index of a thousand certificates.

    Raises:
        PeerUnavailableError: there is no OpenSSL, or no namespace can be made.
    """
    missing = [name for name in ("openssl", "unshare", "nsenter", "ip") if not shutil.which(name)]
    if missing or os.geteuid():
        raise PeerUnavailableError(f"needs root and {', '.join(missing) or 'a network namespace'}")
    place = folder / "openssl"
    place.mkdir()
    issuer, serials = _files(place)
    # One process: "exec" after the loopback interface of the namespace is up.
    line = (
        f"ip link set lo up && exec openssl ocsp -index index.txt -port {_PORT} -CA ca.pem "
        "-rsigner responder.pem -rkey responder.key -nmin 60"
    )
    process = processes.start(
        ["unshare", "--net", "sh", "-c", line],
        folder=place,
        environment=os.environ,
        log=folder / "openssl.log",
    )
    inside = ["nsenter", "--net", "--target", str(process.pid)]
    _wait(inside, process)
    options = {
        "url": f"http://127.0.0.1:{_PORT}",
        "path": "",
        "nonce": False,
        "clients": 1,
        "get": True,
        "closes": True,
        "issuer": issuer.hex(),
        "serials": serials,
    }
    version = processes.run(["openssl", "version"], folder=place, environment=os.environ)
    return Participant(
        name="openssl-ocsp",
        pipe=Pipe("bench.drivers.ocsp", json.dumps(options), before=inside),
        ops=_OPS,
        authorities=[issuer],
        app_pids=(process.pid,),
        about=f"{version.strip()}, signs every answer, one client",
        stop=lambda: processes.stop(process),
        check=verify.ocsp_answers,
    )


def _wait(inside: list[str], process: "subprocess.Popen[bytes]") -> None:
    probe = [*inside, "sh", "-c", f"ss -ltn | grep -q :{_PORT}"]
    until = time.monotonic() + _START_S
    while subprocess.run(probe, check=False, capture_output=True).returncode:
        if time.monotonic() > until or process.poll() is not None:
            processes.stop(process)
            raise PeerUnavailableError("its responder did not start")
        time.sleep(0.2)


def _files(place: Path) -> tuple[bytes, list[tuple[str, str]]]:
    """Write CA, responder and index; return the CA's DER, serial numbers and their statuses."""
    now = datetime.now(UTC).replace(microsecond=0)
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Bench OCSP CA")])
    day = timedelta(days=1)
    ca = x509.CertificateBuilder(name, name, ca_key.public_key(), 1, now - day, now + 30 * day)
    ca_certificate = ca.add_extension(
        x509.BasicConstraints(ca=True, path_length=None), critical=True
    ).sign(ca_key, SHA256())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Bench OCSP responder")])
    delegate = x509.CertificateBuilder(name, subject, key.public_key(), 2, now - day, now + 9 * day)
    certificate = delegate.add_extension(
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), critical=False
    ).sign(ca_key, SHA256())
    (place / "ca.pem").write_bytes(ca_certificate.public_bytes(Encoding.PEM))
    (place / "responder.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    pkcs8 = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (place / "responder.key").write_bytes(pkcs8)
    end, revoked = f"{now + 9 * day:%y%m%d%H%M%SZ}", f"{now - day:%y%m%d%H%M%SZ},keyCompromise"
    serials, lines = [], []
    for number in range(_SERIALS):
        serial = f"{(1 << 150) + number * 7:X}".zfill(38)
        serial = serial if len(serial) % 2 == 0 else f"0{serial}"
        kind = number % 100
        status = "unknown" if kind == 99 else "revoked" if kind >= 90 else "good"
        serials.append((serial, status))
        if status != "unknown":
            flag, since = ("R", revoked) if status == "revoked" else ("V", "")
            lines.append(f"{flag}\t{end}\t{since}\t{serial}\tunknown\t/CN={number}\n")
    (place / "index.txt").write_text("".join(lines))
    return ca_certificate.public_bytes(Encoding.DER), serials
