"""gunicorn's configuration: one group of threaded workers on a Unix socket behind the front server.

``gunicorn -c python:config.gunicorn``. Another proxy that speaks for the application itself may be
given a TCP port with ``--bind``; its address must then be in ``SEALWRIGHT_TRUSTED_PROXIES``.
"""

import os
from pathlib import Path

from config.entry import mistakes_as_list

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
with mistakes_as_list():
    from django.conf import settings

    SEALWRIGHT = settings.SEALWRIGHT
    LOGGING = settings.LOGGING

_MEMORY = Path("/dev/shm")  # noqa: S108 - gunicorn makes anonymous files there

wsgi_app = "config.wsgi:application"
proc_name = "sealwright"
bind = f"unix:{SEALWRIGHT['RUN_FOLDER'] / 'application.sock'}"
backlog = 1024
worker_class = "gthread"
workers = SEALWRIGHT["WORKERS"]
# Some more than requests may be in work: for those that wait, and for probes (apps.web.concurrency).
threads = SEALWRIGHT["THREADS"] + SEALWRIGHT["SPARE_THREADS"]
# Importing the application takes a second; workers share it. Nothing in it opens a connection,
# starts a thread or reads a key before the first request.
preload_app = True
# A worker that does not answer the arbiter for this long is replaced.
timeout = 60
graceful_timeout = 15
# The front server opens a connection for each request: with kept ones, whichever worker accepted
# them keeps getting their requests while the other is idle (ADR 0013).
keepalive = 0
# Heartbeat files in memory: on a busy disk they would make healthy workers look dead.
worker_tmp_dir = str(_MEMORY) if _MEMORY.is_dir() else None
# gunicorn believes every peer on a Unix socket. What a proxy says about client and scheme is
# for apps.web.forwarded alone to believe.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
# A client certificate of 16 KiB, escaped, is one field.
limit_request_field_size = 64 * 1024
# The front server's limits are narrower (16 KiB a line, 64 KiB in all), and it refuses in the form
# of each path: a line of any length, and more fields than fit into its limit.
limit_request_line = 0
limit_request_fields = 32768
control_socket_disable = True
loglevel = "warning"
# What gunicorn itself logs can quote a request that it refuses: it takes the way of all our lines,
# on which secrets are blanked.
logconfig_dict = {
    **{name: LOGGING[name] for name in ("version", "filters", "formatters", "handlers", "root")},
    "disable_existing_loggers": False,
    "loggers": {
        "gunicorn.error": {"level": "WARNING", "handlers": [], "propagate": True},
        "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
    },
}
