"""Checks that must pass before a start may write anything."""

import fcntl
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError

from apps.keys import sealed_columns


def require_keyring() -> None:
    """Refuse before anything is written: a start would seal new secrets under a wrong key.

    Neither migrations nor the first-start set-up (which makes a keyring where there is none)
    may run on a database whose secrets need another one.

    Raises:
        CommandError: lists what cannot be opened, and says what to do.
    """
    found = sealed_columns.problems()
    if found:
        listing = "\n  - ".join(found)
        raise CommandError(
            f"Refusing to start: secrets in the database cannot be opened.\n  - {listing}\n"
            "Nothing was written. Start with the keyring that was in use when they were sealed "
            "(SEALWRIGHT_KEK_FILE or SEALWRIGHT_KEK); it is never made anew."
        )


@contextmanager
def only_start() -> Iterator[None]:
    """Hold the data directory as long as its server runs.

    A second server on it would replace the configuration of the first one and take its socket.
    The forks that run the parts hold the lock as well, until the last one has ended.

    Raises:
        CommandError: another one runs.
    """
    home = Path(settings.SEALWRIGHT["HOME"])
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (home / ".serve.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CommandError(
                f"A server already runs on the data directory {home}. Stop it first, or choose "
                "another directory with SEALWRIGHT_HOME."
            ) from error
        yield


def require_free_ports() -> None:
    """Refuse ports that somebody else listens on: the first start writes them into certificates.

    Raises:
        CommandError: names the setting that chooses another port.
    """
    host = settings.SEALWRIGHT["BIND"].strip("[]")
    for setting in ("HTTPS_PORT", "HTTP_PORT"):
        _require_free(setting, host, settings.SEALWRIGHT[setting])
    if settings.SEALWRIGHT["PROXY_BIND"]:
        host, _, port = settings.SEALWRIGHT["PROXY_BIND"].rpartition(":")
        _require_free("PROXY_BIND", host.strip("[]"), int(port))


def _require_free(setting: str, host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except socket.gaierror as error:
            raise CommandError(
                f"Cannot listen on {host}: {error.strerror}. Choose another address with SEALWRIGHT_BIND."
            ) from error
        except OSError as error:
            raise CommandError(
                f"Cannot listen on {host} port {port}: {error.strerror}. "
                f"Choose another port with SEALWRIGHT_{setting}."
            ) from error
