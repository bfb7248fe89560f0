"""The TLS listener: admin, API and enrollment (``gunicorn -c python:config.gunicorn_https``)."""

import ssl
from typing import Any

from config.listen import COMMON, address
from config.settings.base import SEALWRIGHT
from config.tls import ContextSource

globals().update(COMMON)
bind = address(SEALWRIGHT["HTTPS_PORT"])
workers = SEALWRIGHT["WORKERS"]
wsgi_app = "config.wsgi:application"
proc_name = "sealwright-https"

_folder = SEALWRIGHT["HOME"] / "tls"
# Naming the file switches TLS on; the context itself comes from the hook below.
certfile = str(_folder / "server.pem")
_source = ContextSource(
    _folder / "server.pem",
    _folder / "client-authorities.pem"
    if SEALWRIGHT["TLS_CLIENT_CERTIFICATES"] == "optional"
    else None,
)


def ssl_context(_config: Any, _default_factory: Any) -> ssl.SSLContext:
    """Return the context for the next connection; a renewed certificate needs no restart."""
    return _source.current()
