"""What do both gunicorn listeners have in common?"""

from pathlib import Path
from typing import Any

from config.settings.base import SEALWRIGHT

_MEMORY = Path("/dev/shm")  # noqa: S108 - gunicorn makes anonymous files there


def address(port: int) -> str:
    """Return gunicorn's ``host:port`` for the configured interface; IPv6 in brackets."""
    host = SEALWRIGHT["BIND"].strip("[]")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


COMMON: dict[str, Any] = {
    "worker_class": "config.bounded.BoundedThreadWorker",
    "threads": SEALWRIGHT["THREADS"],
    # Importing the application takes a second; workers share it. Nothing in it opens a
    # connection, starts a thread or reads a key before the first request.
    "preload_app": True,
    # A worker that does not answer the arbiter for this long is replaced.
    "timeout": 60,
    "graceful_timeout": 15,
    "keepalive": 15,
    "backlog": 1024,
    # Heartbeat files in memory: on a busy disk they would make healthy workers look dead.
    "worker_tmp_dir": str(_MEMORY) if _MEMORY.is_dir() else None,
    # Nobody in front of us is believed by default (SECURITY 5.8): no header sets the scheme.
    "forwarded_allow_ips": "",
    "control_socket_disable": True,
    "loglevel": "warning",
}
