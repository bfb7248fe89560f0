"""Benchmark peers that are ACME servers: Pebble, acme2certifier, django-ca; without validation.

They are only run; nothing is imported from them. The two Python servers sign with a P-256 key and
speak plain HTTP; pebble signs with RSA-2048, speaks TLS and stores nothing. Each is one process,
started as its own documentation says.
"""

import json
import os
import shutil
import ssl
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

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


_SETTINGS = """
SECRET_KEY = "bench"
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = True
ROOT_URLCONF = "project_urls"
DATABASES = {{"default": {{"ENGINE": "django.db.backends.postgresql", "NAME": {name!r},
    "USER": {user!r}, "HOST": {host!r}, "PORT": {port}, "CONN_MAX_AGE": None}}}}
INSTALLED_APPS = ["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
    "django.contrib.sessions", "django.contrib.messages", "django.contrib.staticfiles",
    "django_object_actions", "django_ca"]
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware"]
TEMPLATES = [{{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
    "OPTIONS": {{"context_processors": ["django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages"]}}}}]
STATIC_URL = "/static/"
CACHES = {{"default": {{"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}}}
STORAGES = {{"default": {{"BACKEND": "django.core.files.storage.FileSystemStorage"}},
    "staticfiles": {{"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}},
    "django-ca": {{"BACKEND": "django.core.files.storage.FileSystemStorage",
    "OPTIONS": {{"location": {home!r} + "/keys"}}}}}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CA_DEFAULT_HOSTNAME = "localhost:{listen}"
CA_USE_CELERY = False
LOGGING = {{"version": 1, "disable_existing_loggers": True}}
"""
_URLS = """
from django.urls import include, path
urlpatterns = [path("django_ca/", include("django_ca.urls"))]
"""
_WSGI = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "project_settings"
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()
from django_ca import tasks
tasks.validate_http_01 = lambda challenge: True  # the only part that goes out to look
"""


def django_ca(database: Database, folder: Path) -> Participant:
    """Return django-ca on PostgreSQL, without a task queue: everything within the request."""
    if database.kind != "postgresql":
        raise PeerUnavailableError("measured on PostgreSQL only")
    python = shutil.which("python3.13")
    if python is None:
        raise PeerUnavailableError("it needs Python 3.13")
    bin_ = environment(
        "django-ca", "django-ca==3.2.0", "gunicorn>=23,<28", "psycopg[binary]>=3.2", python=python
    )
    home = folder / "django-ca"
    home.mkdir()
    url = database.create("bench_django_ca", folder)
    port = processes.free_port()
    parts = urlsplit(url)
    (home / "project_settings.py").write_text(
        _SETTINGS.format(
            name=parts.path.lstrip("/"), user=parts.username, host=parts.hostname,
            port=parts.port, home=str(home), listen=port,
        )
    )  # fmt: skip
    (home / "project_urls.py").write_text(_URLS)
    (home / "project_wsgi.py").write_text(_WSGI)
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "project_settings", "PYTHONPATH": str(home)}
    admin = [str(bin_ / "django-admin")]
    for command in (
        ["migrate", "--verbosity", "0"],
        ["init_ca", "--key-type=EC", "--acme-enable", "--acme-contact-optional", "--path-length=0",
         "bench", "CN=Bench django-ca CA"],
    ):  # fmt: skip
        processes.run([*admin, *command], folder=home, environment=env)
    pem = processes.run(
        [*admin, "shell", "--no-imports", "-c",
         "from django_ca.models import CertificateAuthority as C; print(C.objects.get().pub.pem)"],
        folder=home, environment=env,
    )  # fmt: skip
    der = x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
    log = folder / "django-ca.log"
    process = processes.start(
        [bin_ / "gunicorn", *_GUNICORN, "-b", f"127.0.0.1:{port}", "project_wsgi:application"],
        folder=home, environment=env, log=log,
    )  # fmt: skip
    processes.wait_until(lambda: processes.accepts(port), process, log)
    options = {"directory": f"http://localhost:{port}/django_ca/acme/directory/"}
    return Participant(
        name="django-ca-acme",
        pipe=Pipe("bench.drivers.acme_flow", json.dumps(options)),
        ops=_SLOW_OPS,
        authorities=[der],
        app_pids=(process.pid,),
        db_pids=database.pids,
        stop=lambda: processes.stop(process),
        about="django-ca 3.2.0, Python 3.13, gunicorn 1 worker x 4 threads, no task queue, "
        "P-256, plain HTTP",
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
