"""The front server: nginx, with a configuration rendered from the settings.

nginx ends TLS, serves static files, caches public PKI files, keeps slow clients away from Python
and reports each client to the application over a Unix socket (ADR 0013).
"""

import os
import pwd
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from django.conf import settings

from apps import secret_files
from apps.operations import error_pages, web_certificate

_TEMPLATE = Path(__file__).with_name("nginx.conf.template")
# Debian installs servers where only root's PATH leads.
_SERVER_FOLDERS = "/usr/sbin:/usr/local/sbin"
_CONNECTIONS = 4096
# nginx needs a second descriptor for each connection to the application, and some for files.
_FILES_PER_CONNECTION = 2
_CHECK_S = 30
# A socket's name has 108 bytes (unix(7)).
_MAX_SOCKET_PATH = 107
_UNSAFE = set("\"\\$;{}'\n\r")
# Fields by which a proxy speaks about its client: what clients send of them goes no further.
_DROPPED = (
    "Forwarded",
    "X-Real-IP",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Server",
    "X-Forwarded-Prefix",
    "X-Forwarded-Ssl",
    "X-Forwarded-Scheme",
    "X-Client-Cert",
    "Client-Cert-Chain",
)
_CERTIFICATE_FIELDS = {
    "off": (),
    "escaped-pem": ("X-SSL-Client-Cert", "X-SSL-Client-Verify"),
    "rfc9440": ("Client-Cert",),
    "xfcc": ("X-Forwarded-Client-Cert",),
}
_FRONT_CERTIFICATE = {
    "X-SSL-Client-Cert": "$ssl_client_escaped_cert",
    "X-SSL-Client-Verify": "$ssl_client_verify",
}
_SECRET_FIELD = "X-Proxy-Secret"  # noqa: S105 - a field's name


class FrontServerError(Exception):
    """The front server cannot be used; the message says why and what helps."""


class _Configuration(Template):
    """nginx's own variables begin with ``$``, ours with ``@``."""

    delimiter = "@"


def executable() -> str:
    """Return the path of nginx.

    Raises:
        FrontServerError: it is not installed.
    """
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:{_SERVER_FOLDERS}")
    if found is None:
        raise FrontServerError(
            "nginx is not installed. Install the package nginx (Debian, Ubuntu: "
            "`apt-get install nginx`); `make run` does so when started by root or through sudo."
        )
    return found


def configuration_file() -> Path:
    """Return where the rendered configuration is written."""
    return Path(settings.SEALWRIGHT["HOME"]) / "front" / "nginx.conf"


def command() -> list[str]:
    """Return the command line that runs nginx in the foreground."""
    return [executable(), "-e", "stderr", "-p", str(_run_folder()), "-c", str(configuration_file())]


def prepare() -> None:
    """Make the folders, publish static files to nginx, write the configuration.

    Raises:
        FrontServerError: nginx is missing, or a path cannot be used.
    """
    run = _run_folder()
    if len(os.fsencode(run / "application.sock")) > _MAX_SOCKET_PATH:
        raise FrontServerError(
            f"The path {run} is too long for a socket in it. Choose a shorter folder with "
            "SEALWRIGHT_RUN_FOLDER."
        )
    try:
        _make_folders(run)
        _publish_static_files(run)
    except (OSError, LookupError) as error:
        raise FrontServerError(
            f"The front server's folder {run} cannot be made: {error}"
        ) from error
    secret_files.write(configuration_file(), render().encode())


def check() -> None:
    """Let nginx read the configuration and the files that it names.

    Raises:
        FrontServerError: it refuses; the message holds what nginx says.
    """
    done = subprocess.run(  # noqa: S603 - our own command line
        [*command(), "-t", "-q"], check=False, capture_output=True, text=True, timeout=_CHECK_S
    )
    if done.returncode:
        raise FrontServerError(
            f"nginx refuses its configuration {configuration_file()}:\n{done.stderr.strip()}"
        )


def clean() -> None:
    """Remove what a stopped front server leaves outside of the data directory."""
    if _is_root():
        shutil.rmtree(_run_folder(), ignore_errors=True)


def render() -> str:
    """Return nginx's configuration for the settings in force.

    Raises:
        FrontServerError: a path holds characters that nginx's configuration cannot hold.
    """
    sealwright = settings.SEALWRIGHT
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    open_files = _CONNECTIONS * _FILES_PER_CONNECTION + 64
    if hard != resource.RLIM_INFINITY:
        open_files = min(open_files, hard)
    public_host = sealwright["PUBLIC_URL"].partition("://")[2]
    secret = {_SECRET_FIELD: f'"{sealwright["PROXY_SECRET"]}"'}
    values: dict[str, str | int] = {
        "run": _path(_run_folder()),
        "workers": min(os.cpu_count() or 1, 4),
        "open_files": open_files,
        "connections": min(_CONNECTIONS, open_files // _FILES_PER_CONNECTION),
        "user": f"user {sealwright['FRONT_USER']};" if _is_root() else "",
        "access_log": _access_log(),
        "max_body": sealwright["MAX_BODY_BYTES"],
        "limits": _limits(),
        "public_host": public_host,
        "trusted": _trusted_proxies(),
        "certificate": _path(web_certificate.server_file()),
        "client_certificates": _client_certificates(),
        "https_listen": listen_address(sealwright["HTTPS_PORT"]),
        "http_listen": listen_address(sealwright["HTTP_PORT"]),
        "error_pages": error_pages.rendered(),
        "front_headers": _headers("$given_host", "https", secret | _FRONT_CERTIFICATE),
        "plain_headers": _headers(f'"{public_host}"', "http", secret | {"Cookie": '""'}),
        "everything": _everything(),
        "public": _public(),
    }
    values["proxy_server"] = _proxy_server(str(values["error_pages"]), str(values["everything"]))
    return _Configuration(_TEMPLATE.read_text()).substitute(values)


def listen_address(port: int) -> str:
    """Return nginx's ``address:port`` for the configured interface; ``::`` takes IPv4 as well."""
    host = settings.SEALWRIGHT["BIND"].strip("[]")
    if ":" not in host:
        return f"{host}:{port}"
    return f"[{host}]:{port}" + (" ipv6only=off" if host == "::" else "")


def _stamp() -> tuple[object, ...]:
    """Return what changes whenever one of the watched files is replaced."""
    found: list[object] = []
    for path in (web_certificate.server_file(), web_certificate.client_authorities_file()):
        try:
            info = path.stat()
        except FileNotFoundError:
            found.append(None)
        else:
            found.append((info.st_mtime_ns, info.st_size, info.st_ino))
    return tuple(found)


@dataclass
class CertificateWatch:
    """Reloads nginx when the certificate or the list of client authorities has changed.

    Attributes:
        send: sends a signal to nginx's master process.
        report: told why a reload was not possible; the old certificate then stays in use.
    """

    send: Callable[[int], None]
    report: Callable[[str], None]
    _seen: tuple[object, ...] = field(default_factory=_stamp)

    def look(self) -> None:
        """Compare with the last look; a graceful reload drops no connection."""
        now = _stamp()
        if now == self._seen:
            return
        self._seen = now
        previous = configuration_file().read_bytes()
        secret_files.write(configuration_file(), render().encode())
        try:
            check()
        except FrontServerError as error:
            secret_files.write(configuration_file(), previous)
            self.report(f"The previous certificate stays in use. {error}")
        else:
            self.send(signal.SIGHUP)


def _is_root() -> bool:
    return os.geteuid() == 0


def _run_folder() -> Path:
    return Path(settings.SEALWRIGHT["RUN_FOLDER"])


def _make_folders(run: Path) -> None:
    """Let only the service's user in, and nginx's workers where they are somebody else."""
    configuration_file().parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not _is_root():
        run.mkdir(parents=True, exist_ok=True, mode=0o700)
        run.chmod(0o700)
        return
    run.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    run.mkdir(exist_ok=True, mode=0o700)
    shutil.chown(run, user="root", group=_group_of(settings.SEALWRIGHT["FRONT_USER"]))
    run.chmod(0o710)


def _group_of(user: str) -> int:
    return pwd.getpwnam(user).pw_gid


def _static_folder(run: Path) -> Path:
    """Return where nginx reads static files: root's own folders are closed to its workers."""
    return run / "static" if _is_root() else Path(settings.STATIC_ROOT)


def _publish_static_files(run: Path) -> None:
    if not _is_root():
        return
    target = _static_folder(run)
    shutil.rmtree(target, ignore_errors=True)
    if Path(settings.STATIC_ROOT).is_dir():
        shutil.copytree(settings.STATIC_ROOT, target, copy_function=shutil.copyfile)
        for path in (target, *target.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)


def _path(path: Path) -> str:
    text = str(path)
    if _UNSAFE & set(text):
        raise FrontServerError(f"nginx cannot be given the path {text!r}: choose a plainer one.")
    return text


def _access_log() -> str:
    path = settings.SEALWRIGHT["ACCESS_LOG"]
    return f'"{_path(Path(path))}" plain_fields' if path else "off"


def _limits() -> str:
    """Return the limits for one client address."""
    connections = settings.SEALWRIGHT["CONNECTIONS_PER_ADDRESS"]
    requests = settings.SEALWRIGHT["REQUESTS_PER_SECOND"]
    lines = []
    if connections:
        lines += [
            "limit_conn_zone $binary_remote_addr zone=connections:10m;",
            f"limit_conn connections {connections};",
            "limit_conn_status 429;",
        ]
    if requests:
        lines += [
            f"limit_req_zone $binary_remote_addr zone=requests:10m rate={requests}r/s;",
            # A burst of one second's worth is served without delay.
            f"limit_req zone=requests burst={requests} nodelay;",
            "limit_req_status 429;",
        ]
    return "\n".join(f"    {line}" for line in lines)


def _trusted_proxies() -> str:
    """Return whose ``X-Forwarded-For`` counts: its right-most address that is no such proxy."""
    networks = settings.SEALWRIGHT["TRUSTED_PROXIES"]
    lines = [f"set_real_ip_from {network};" for network in networks]
    if networks:
        lines += ["real_ip_header X-Forwarded-For;", "real_ip_recursive on;"]
    lines += ["geo $realip_remote_addr $is_proxy {", "    default 0;"]
    lines += [f"    {network} 1;" for network in networks]
    lines += ["}"]
    return "\n".join(f"    {line}" for line in lines)


def _client_certificates() -> str:
    """Ask for certificates where configured; whose they are is judged by the application."""
    if settings.SEALWRIGHT["TLS_CLIENT_CERTIFICATES"] != "optional":
        return ""
    lines = ["ssl_verify_client optional_no_ca;", "ssl_verify_depth 6;"]
    authorities = web_certificate.client_authorities_file()
    if authorities.exists() and authorities.stat().st_size:
        lines.append(f'ssl_client_certificate "{_path(authorities)}";')
    return "\n".join(f"    {line}" for line in lines)


def _headers(host: str, scheme: str, told: dict[str, str], passed: Sequence[str] = ()) -> str:
    """Return what the application is told, in place of what clients claim.

    Args:
        host: nginx's expression for the ``Host`` field.
        scheme: nginx's expression for the scheme that the client uses.
        told: further fields and nginx's expressions for them.
        passed: fields that come from a trusted proxy and are handed on as they are.
    """
    cleared = [*_DROPPED, *(name for names in _CERTIFICATE_FIELDS.values() for name in names)]
    fields = {name: '""' for name in cleared if name not in passed} | {
        "Host": host,
        "Connection": '"close"',
        "X-Forwarded-For": "$remote_addr",
        "X-Forwarded-Proto": scheme,
        "X-Request-Id": "$trace",
    }
    return "\n".join(
        f"        proxy_set_header {name} {value};" for name, value in (fields | told).items()
    )


def _everything() -> str:
    hsts = settings.SECURE_HSTS_SECONDS
    lines = [
        "location / {",
        "    proxy_pass http://application;",
        "}",
        f"location {settings.STATIC_URL} {{",
        f'    alias "{_path(_static_folder(_run_folder()))}/";',
        "    add_header Cache-Control $static_age;",
        "    add_header X-Content-Type-Options nosniff always;",
        f'    add_header Strict-Transport-Security "max-age={hsts}" always;' if hsts else "",
        "    gzip on;",
        "    gzip_vary on;",
        "    gzip_types text/css text/javascript image/svg+xml application/json;",
        "}",
    ]
    return "\n".join([*(f"        {line}" for line in lines if line), _public()])


def _public() -> str:
    """Return the locations of public PKI files, kept as long as their own Cache-Control says."""
    lines = []
    for prefix in ("/pki/", "/ocsp/"):
        lines += [
            f"location {prefix} {{",
            # The application sees the target as it was sent: "/admin/..%2fpki/" is not "/pki/".
            f'    if ($request_uri !~ "^{prefix}") {{',
            "        return 404;",
            "    }",
            "    proxy_pass http://application;",
            "    proxy_cache public;",
            # A kept answer would carry the identifier of the request that it was made for.
            "    proxy_hide_header X-Request-Id;",
            "    add_header X-Request-Id $trace always;",
            "}",
        ]
    return "\n".join(f"        {line}" for line in lines)


def _proxy_server(error_pages_: str, everything: str) -> str:
    """Return the listener for trusted proxies, which report their clients themselves."""
    bind = settings.SEALWRIGHT["PROXY_BIND"]
    if not bind:
        return ""
    passed = (*_CERTIFICATE_FIELDS[settings.SEALWRIGHT["PROXY_CLIENT_CERTIFICATE"]], _SECRET_FIELD)
    return f"""
    # For trusted proxies, by plain HTTP.
    server {{
        listen {bind} backlog=1024;
        if ($is_proxy = 0) {{
            return 403;
        }}
{_headers("$given_host", "$proxied_scheme", {}, passed)}
{error_pages_}
{everything}
    }}"""
