"""Benchmark peers that are ACME servers: Pebble and acme2certifier, without validation.

They are only run; nothing is imported from them. acme2certifier signs with a P-256 key and speaks
plain HTTP; pebble signs with RSA-2048, speaks TLS and stores nothing. Each is one process, started
as its own documentation says.
"""

import json
import os
import shutil
import ssl
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from bench import processes
from bench.database import Database
from bench.participant import Participant, Pipe
from bench.peers.base import PeerUnavailableError
from bench.peers.environments import environment

_GUNICORN = ("-w", "1", "--threads", "4", "-k", "gthread", "--keep-alive", "60")
_OPS, _SLOW_OPS = 240, 30
_DAYS = timedelta(days=400)


def pebble(_database: Database, folder: Path) -> Participant:
    """Return Let's Encrypt's small test server, Debian's package."""
    program = shutil.which("pebble")
    if program is None:
        raise PeerUnavailableError("Debian's package pebble is not installed")
    home = folder / "pebble"
    home.mkdir()
    certificate, key = _self_signed(home, "localhost")
    port, management = processes.free_port(), processes.free_port()
    configuration = {
        "listenAddress": f"127.0.0.1:{port}",
        "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": str(certificate),
        "privateKey": str(key),
        "httpPort": 5002,
        "tlsPort": 5001,
    }
    (home / "config.json").write_text(json.dumps({"pebble": configuration}))
    log = folder / "pebble.log"
    process = processes.start(
        [program, "-config", home / "config.json"],
        folder=home,
        environment=os.environ
        | {
            "PEBBLE_VA_NOSLEEP": "1",
            "PEBBLE_VA_ALWAYS_VALID": "1",
            "PEBBLE_WFE_NONCEREJECT": "0",
            "PEBBLE_AUTHZREUSE": "0",
        },
        log=log,
    )
    processes.wait_until(lambda: processes.accepts(port), process, log)
    context = ssl.create_default_context(cafile=str(certificate))
    authorities = []
    for kind in ("intermediates", "roots"):
        url = f"https://localhost:{management}/{kind}/0"
        with urllib.request.urlopen(url, context=context) as answer:
            found = x509.load_pem_x509_certificate(answer.read())
        authorities.append(found.public_bytes(Encoding.DER))
    options = {"directory": f"https://localhost:{port}/dir", "ca_file": str(certificate)}
    return Participant(
        name="pebble",
        pipe=Pipe("bench.drivers.acme_flow", json.dumps(options)),
        ops=_OPS,
        authorities=authorities,
        app_pids=(process.pid,),
        stop=lambda: processes.stop(process),
        about="pebble (Debian), in memory, TLS, RSA-2048 issuer",
    )


def acme2certifier(_database: Database, folder: Path) -> Participant:
    """Return acme2certifier with its OpenSSL CA handler and SQLite."""
    bin_ = environment("acme2certifier", "acme2certifier==0.46.3", "gunicorn>=23,<28")
    home = folder / "acme2certifier"
    (home / "certs").mkdir(parents=True)
    certificate, key = _self_signed(home, "Bench acme2certifier CA", authority=True)
    crl = home / "crl.pem"
    crl.write_bytes(_empty_crl(certificate, key))
    (home / "acme_srv.cfg").write_text(
        "[DEFAULT]\ndebug: False\n"
        "[CAhandler]\nhandler_module: acme2certifier.cahandlers.openssl_ca_handler\n"
        f"issuing_ca_key: {key}\nissuing_ca_cert: {certificate}\nissuing_ca_crl: {crl}\n"
        f'cert_save_path: {home}/certs\nca_cert_chain_list: ["{certificate}"]\n'
        "cert_validity_days: 90\n"
        f"[DBhandler]\nhandler: wsgi\ndbfile: {home}/acme.db\n"
        "[Challenge]\nchallenge_validation_disable: True\n"
        "[Order]\ntnauthlist_support: False\n"
    )
    port = processes.free_port()
    log = folder / "acme2certifier.log"
    process = processes.start(
        [bin_ / "gunicorn", *_GUNICORN, "-b", f"127.0.0.1:{port}",
         "acme2certifier.share.acme2certifier_wsgi:application"],
        folder=home,
        environment=os.environ
        | {
            "ACME_SRV_CONFIGFILE": str(home / "acme_srv.cfg"),
            "ACME2CERTIFIER_I_KNOW_THE_RISK": "1",
        },
        log=log,
    )  # fmt: skip
    processes.wait_until(lambda: processes.accepts(port), process, log)
    der = x509.load_pem_x509_certificate(certificate.read_bytes()).public_bytes(Encoding.DER)
    options = {"directory": f"http://127.0.0.1:{port}/directory"}
    return Participant(
        name="acme2certifier",
        pipe=Pipe("bench.drivers.acme_flow", json.dumps(options)),
        ops=_SLOW_OPS,
        authorities=[der],
        app_pids=(process.pid,),
        stop=lambda: processes.stop(process),
        about="acme2certifier 0.46.3, gunicorn 1 worker x 4 threads, SQLite, P-256, plain HTTP",
    )


def _self_signed(folder: Path, name: str, *, authority: bool = False) -> tuple[Path, Path]:
    """Write a P-256 certificate and its key; return both paths."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC).replace(microsecond=0)
    ski = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 1, now, now + _DAYS)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(ski, critical=False)
    )
    if not authority:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False
        )
    certificate_file, key_file = folder / "certificate.pem", folder / "key.pem"
    certificate_file.write_bytes(builder.sign(key, SHA256()).public_bytes(Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    )
    return certificate_file, key_file


def _empty_crl(certificate: Path, key: Path) -> bytes:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    issuer = x509.load_pem_x509_certificate(certificate.read_bytes())
    now = datetime.now(UTC).replace(microsecond=0)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(now)
        .next_update(now + _DAYS)
    )
    signer = load_pem_private_key(key.read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    return builder.sign(signer, SHA256()).public_bytes(Encoding.PEM)
