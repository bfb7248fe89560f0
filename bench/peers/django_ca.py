"""django-ca as benchmark peer: by ACME, by its REST API, and as responder with kept OCSP answers.

It is only run; nothing is imported from it. Each peer is one gunicorn process on PostgreSQL without
a task queue, so everything happens within the request; it signs with a P-256 key and speaks plain HTTP.
"""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bench import processes, verify
from bench.database import Database
from bench.participant import Participant, Pipe
from bench.peers.base import PeerUnavailableError
from bench.peers.environments import environment

_GUNICORN = ("-w", "1", "--threads", "4", "-k", "gthread", "--keep-alive", "60")
_SLOW_OPS = 30
_OCSP_OPS = 2000
_ASKED_ABOUT = 100
_ABOUT = (
    "django-ca 3.2.0, Python 3.13, gunicorn 1 worker x 4 threads, no task queue, P-256, plain HTTP"
)
_USER, _PASSWORD = "bench", "bench"
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
CA_ENABLE_REST_API = True
{further}
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


_SHOW_CA = (
    "from django_ca.models import CertificateAuthority as C; import json; ca = C.objects.get(); "
    "print(json.dumps([ca.serial, ca.pub.pem]))"
)
_ADD_USER = (
    "from django.contrib.auth import get_user_model as user; "
    f"user().objects.create_superuser({_USER!r}, password={_PASSWORD!r})"
)
# Every tenth of the certificates is revoked.
_ISSUE = f"""
import json
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from django_ca.models import Certificate, CertificateAuthority
ca = CertificateAuthority.objects.get()
found = []
for number in range({_ASKED_ABOUT}):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"h{{number}}.example.com")])
    csr = x509.CertificateSigningRequestBuilder(name).sign(key, hashes.SHA256())
    one = Certificate.objects.create_cert(ca, ca.key_backend.get_use_private_key_options(ca, {{}}), csr, subject=name)
    if number % 10 == 9:
        one.revoke()
    found.append([one.serial, "revoked" if number % 10 == 9 else "good"])
print(json.dumps(found))
"""


@dataclass(frozen=True, slots=True)
class _Server:
    """A django-ca that serves.

    Attributes:
        process: gunicorn.
        url: without a slash at the end.
        serial: of its CA, as its URLs have it.
        ca: the CA's certificate (DER).
        printed: what the set-up command printed last, from JSON.
    """

    process: "subprocess.Popen[bytes]"
    url: str
    serial: str
    ca: bytes
    printed: object = None


def acme(database: Database, folder: Path) -> Participant:
    """Return the ACME server, whose validation always succeeds."""
    server = _serve(database, folder, "django_ca_acme")
    options = {"directory": f"{server.url}/django_ca/acme/directory/"}
    return Participant(
        name="django-ca-acme",
        pipe=Pipe("bench.drivers.acme_flow", json.dumps(options)),
        ops=_SLOW_OPS,
        authorities=[server.ca],
        app_pids=(server.process.pid,),
        db_pids=database.pids,
        stop=lambda: processes.stop(server.process),
        about=_ABOUT,
    )


def api(database: Database, folder: Path) -> Participant:
    """Return the REST API as it is: it hashes the password anew for every call (PBKDF2)."""
    return _api(database, folder, "django-ca", "", "")


def api_cheap_password(database: Database, folder: Path) -> Participant:
    """Return the REST API with a hash that costs nothing, to show what the rest costs."""
    hashers = 'PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]'
    return _api(database, folder, "django-ca-md5", hashers, ", MD5 password hash")


def responder(database: Database, folder: Path) -> Participant:
    """Return the OCSP responder with answers that were signed before."""
    # Its own command that makes a root fails while answers are kept.
    kept = 'import sys\nif "init_ca" not in sys.argv:\n    CA_OCSP_RESPONSE_CACHE_EXPIRES = "P7D"'
    server = _serve(database, folder, "django_ca_ocsp", further=kept, script=_ISSUE)
    options = {
        "url": server.url,
        "path": f"/django_ca/ocsp/{server.serial}/cert",
        "slash": True,
        "hash": "sha256",  # of what it keeps
        "nonce": False,
        "clients": 4,
        "get": True,
        "issuer": server.ca.hex(),
        "serials": server.printed,
    }
    return Participant(
        name="django-ca-ocsp",
        pipe=Pipe("bench.drivers.ocsp", json.dumps(options)),
        ops=_OCSP_OPS,
        authorities=[server.ca],
        app_pids=(server.process.pid,),
        db_pids=database.pids,
        stop=lambda: processes.stop(server.process),
        about=f"{_ABOUT}; answers signed before",
        check=verify.ocsp_answers,
    )


def _api(database: Database, folder: Path, name: str, further: str, about: str) -> Participant:
    server = _serve(database, folder, name.replace("-", "_"), further=further)
    options = {
        "url": server.url,
        "serial": server.serial,
        "basic": f"{_USER}:{_PASSWORD}",
        "headers": {"Content-Type": "application/json"},
    }
    return Participant(
        name=name,
        pipe=Pipe("bench.drivers.issue", "django-ca", json.dumps(options)),
        ops=_SLOW_OPS,
        authorities=[server.ca],
        app_pids=(server.process.pid,),
        db_pids=database.pids,
        stop=lambda: processes.stop(server.process),
        about=f"{_ABOUT}{about}; order, then two reads for each certificate",
        warm_ops=8,
    )


def _serve(
    database: Database, folder: Path, name: str, *, further: str = "", script: str = ""
) -> _Server:
    """Install django-ca, make its CA and start it.

    Args:
        database: where it keeps its tables.
        folder: for its files.
        name: of its database and folder.
        further: settings.
        script: run before it starts; what it prints last is JSON.

    Raises:
        PeerUnavailableError: no PostgreSQL, or no Python 3.13 on the path.
    """
    if database.kind != "postgresql":
        raise PeerUnavailableError("measured on PostgreSQL only")
    python = shutil.which("python3.13")
    if python is None:
        raise PeerUnavailableError("it needs Python 3.13")
    bin_ = environment(
        "django-ca",
        "django-ca[api]==3.2.0",
        "gunicorn>=23,<28",
        "psycopg[binary]>=3.2",
        python=python,
    )
    home = folder / name
    home.mkdir()
    port = processes.free_port()
    parts = urlsplit(database.create(f"bench_{name}", folder))
    settings = _SETTINGS.format(
        name=parts.path.lstrip("/"),
        user=parts.username,
        host=parts.hostname,
        port=parts.port,
        home=str(home),
        listen=port,
        further=further,
    )
    (home / "project_settings.py").write_text(settings)
    (home / "project_urls.py").write_text(_URLS)
    (home / "project_wsgi.py").write_text(_WSGI)
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "project_settings", "PYTHONPATH": str(home)}

    def admin(*arguments: str) -> str:
        return processes.run([bin_ / "django-admin", *arguments], folder=home, environment=env)

    admin("migrate", "--verbosity", "0")
    admin(
        *("init_ca", "--key-type=EC", "--acme-enable", "--acme-contact-optional", "--api-enable"),
        *("--path-length=0", "bench", "CN=Bench django-ca CA"),
    )
    admin("shell", "--no-imports", "-c", _ADD_USER)
    serial, pem = json.loads(admin("shell", "--no-imports", "-c", _SHOW_CA).splitlines()[-1])
    printed = None
    if script:
        printed = json.loads(admin("shell", "--no-imports", "-c", script).splitlines()[-1])
    log = folder / f"{name}.log"
    process = processes.start(
        [bin_ / "gunicorn", *_GUNICORN, "-b", f"127.0.0.1:{port}", "project_wsgi:application"],
        folder=home,
        environment=env,
        log=log,
    )
    processes.wait_until(lambda: processes.accepts(port), process, log)
    der = x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
    return _Server(process, f"http://localhost:{port}", serial, der, printed)
