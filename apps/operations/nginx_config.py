"""nginx's configuration, rendered from the settings."""

import os
import resource
from collections.abc import Sequence
from pathlib import Path
from string import Template

from django.conf import settings

from apps.operations import error_pages, tls_files

_TEMPLATE = Path(__file__).with_name("nginx.conf.template")
# Of one worker process of nginx.
CONNECTIONS = 4096
# nginx needs a second descriptor for each connection to the application, and some for files.
_FILES_PER_CONNECTION = 2
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
# What the application says of OCSP answers to others (Cache-Control) is not what it says to nginx
# (X-Accel-Expires). Most of them are not kept, and would only wait for each other.
_CACHING = {
    # Asking whether a kept CRL is still the newest takes a query instead of megabytes. Signed files
    # are better than an error while the application or its database is away.
    "/pki/": (
        "    proxy_cache_revalidate on;",
        "    proxy_cache_use_stale error timeout http_502 http_503 http_504;",
    ),
    "/ocsp/": ("    proxy_ignore_headers Expires;", "    proxy_cache_lock off;"),
}
_SECRET_FIELD = "X-Proxy-Secret"  # noqa: S105 - a field's name


class FrontServerError(Exception):
    """The front server cannot be used; the message says why and what helps."""


class _Configuration(Template):
    """nginx's own variables begin with ``$``, ours with ``@``."""

    delimiter = "@"


def render() -> str:
    """Return nginx's configuration for the settings in force.

    Raises:
        FrontServerError: a path holds characters that nginx's configuration cannot hold.
    """
    sealwright = settings.SEALWRIGHT
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    open_files = CONNECTIONS * _FILES_PER_CONNECTION + 64
    if hard != resource.RLIM_INFINITY:
        open_files = min(open_files, hard)
    connections = min(CONNECTIONS, open_files // _FILES_PER_CONNECTION)
    public_host = sealwright["PUBLIC_URL"].partition("://")[2]
    secret = {_SECRET_FIELD: "$hop_secret"}
    values: dict[str, str | int] = {
        "run": _path(run_folder()),
        "workers": min(os.cpu_count() or 1, 4),
        "open_files": open_files,
        "connections": connections,
        "plain_limits": _plain_limits(connections),
        "user": f"user {sealwright['FRONT_USER']};" if is_root() else "",
        "access_log": _access_log(),
        "max_body": sealwright["MAX_BODY_BYTES"],
        "limits": _limits(),
        "public_host": public_host,
        "trusted": _trusted_proxies(),
        "hop_secret": _hop_secret(),
        "certificate": _path(tls_files.shown_file()),
        "client_certificates": _client_certificates(),
        "https_listen": listen_address(sealwright["HTTPS_PORT"]),
        "http_listen": _plain_listeners(),
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


def _plain_listeners() -> str:
    """Listen on former ports as well: certificates name them until they expire."""
    sealwright = settings.SEALWRIGHT
    ports = [sealwright["HTTP_PORT"], *sealwright["FORMER_HTTP_PORTS"]]
    return "\n".join(f"        listen {listen_address(port)} backlog=1024;" for port in ports)


def is_root() -> bool:
    """Tell whether nginx's workers will run as another user."""
    return os.geteuid() == 0


def run_folder() -> Path:
    """Return the folder of the application's socket, the cache and temporary files."""
    return Path(settings.SEALWRIGHT["RUN_FOLDER"])


def static_folder(run: Path) -> Path:
    """Return where nginx reads static files: root's own folders are closed to its workers."""
    return run / "static" if is_root() else Path(settings.STATIC_ROOT)


def _path(path: Path) -> str:
    text = str(path)
    if _UNSAFE & set(text):
        raise FrontServerError(f"nginx cannot be given the path {text!r}: choose a plainer one.")
    return text


def _access_log() -> str:
    path = settings.SEALWRIGHT["ACCESS_LOG"]
    return f'"{_path(Path(path))}" plain_fields' if path else "off"


def _limits() -> str:
    """Return the limits for one client address, and what counts the connections of a listener."""
    connections = settings.SEALWRIGHT["CONNECTIONS_PER_ADDRESS"]
    requests = settings.SEALWRIGHT["REQUESTS_PER_SECOND"]
    lines = ["limit_conn_status 429;", "limit_conn_zone $server_port zone=listeners:1m;"]
    if connections:
        lines += [
            "limit_conn_zone $binary_remote_addr zone=connections:10m;",
            f"limit_conn connections {connections};",
        ]
    if requests:
        lines += [
            f"limit_req_zone $binary_remote_addr zone=requests:10m rate={requests}r/s;",
            # A burst of one second's worth is served without delay.
            f"limit_req zone=requests burst={requests} nodelay;",
            "limit_req_status 429;",
        ]
    return "\n".join(f"    {line}" for line in lines)


def _plain_limits(connections: int) -> str:
    """Return the limits of the plain listener, which anybody may use without a credential.

    All of its requests together leave half of each worker's connections to the TLS listener,
    even if one worker had accepted them all.

    Args:
        connections: how many a worker takes.
    """
    lines = [f"limit_conn listeners {max(1, connections // 2)};"]
    per_address = settings.SEALWRIGHT["CONNECTIONS_PER_ADDRESS"]
    if per_address:  # nginx inherits limits only where there are none
        lines.append(f"limit_conn connections {per_address};")
    return "\n".join(f"        {line}" for line in lines)


def _trusted_proxies() -> str:
    """Return whose ``X-Forwarded-For`` counts: its right-most address that is no such proxy."""
    networks = settings.SEALWRIGHT["TRUSTED_PROXIES"]
    lines = [f"set_real_ip_from {network};" for network in networks]
    if networks:
        lines += ["real_ip_header X-Forwarded-For;", "real_ip_recursive on;"]
    for address, variable in (
        ("$realip_remote_addr", "$is_proxy"),
        ("$remote_addr", "$names_proxy"),
    ):
        lines += [f"geo {address} {variable} {{", "    default 0;"]
        lines += [f"    {network} 1;" for network in networks]
        lines += ["}"]
    return "\n".join(f"    {line}" for line in lines)


def _hop_secret() -> str:
    """Return which secret goes to the application, which compares it in constant time.

    Ours vouches for what nginx itself sees. For a client that a proxy reports, the proxy's own
    counts, on every listener.
    """
    secret = settings.SEALWRIGHT["PROXY_SECRET"]
    lines = ['map "$is_proxy$http_x_forwarded_for" $hop_secret {']
    if secret:
        lines.append('    "~^1." $http_x_proxy_secret;')
    lines += [f'    default "{secret}";', "}"]
    return "\n".join(f"    {line}" for line in lines)


def _client_certificates() -> str:
    """Ask for certificates where configured; whose they are is judged by the application."""
    if settings.SEALWRIGHT["TLS_CLIENT_CERTIFICATES"] != "optional":
        return ""
    lines = ["ssl_verify_client optional_no_ca;", "ssl_verify_depth 6;"]
    authorities = tls_files.client_authorities_file()
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
        # Marks of the collection itself.
        '    if ($uri ~ "/\\.") {',
        "        return 404;",
        "    }",
        f'    alias "{_path(static_folder(run_folder()))}/";',
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
    """Return the locations of public PKI files, kept as long as the application says."""
    lines = []
    for prefix, caching in _CACHING.items():
        lines += [
            f"location {prefix} {{",
            # The application sees the target as it was sent: "/admin/..%2fpki/" is not "/pki/".
            f'    if ($request_uri !~ "^{prefix}") {{',
            "        return 404;",
            "    }",
            "    proxy_pass http://application;",
            "    proxy_cache public;",
            *caching,
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
{_headers("$given_host", "$proxied_scheme", {"X-Forwarded-For": "$proxied_for"}, passed)}
{error_pages_}
{everything}
    }}"""
