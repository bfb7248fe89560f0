"""Checks that must pass before a start may write anything.

Each ``*_problems`` function returns sentences that name the setting to change; a start reports
all of them together.
"""

import errno
import fcntl
import os
import pwd
import socket
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError

from apps import data_directory
from apps.keys import sealed_columns
from apps.operations import database, front_server
from apps.operations.nginx_config import FrontServerError, is_root

_LOCK = ".serve.lock"
_PRIVILEGED = 1024


def refuse(problems: Iterable[str]) -> None:
    """Refuse to start, with everything that is wrong.

    Raises:
        CommandError: there is at least one problem.
    """
    found = list(dict.fromkeys(problems))
    if found:
        raise CommandError("\n  - ".join(["Cannot start:", *found]))


def require_keyring() -> None:
    """Refuse before anything is written: a start would seal new secrets under a wrong key.

    Neither migrations nor the first-start set-up (which makes a keyring where there is none)
    may run on a database whose secrets need another one.

    Raises:
        CommandError: lists what cannot be opened, and says what to do.
    """
    found = sealed_columns.keyring_problems()
    if found:
        listing = "\n  - ".join(found)
        raise CommandError(
            f"Refusing to start: secrets in the database cannot be opened.\n  - {listing}\n"
            "Nothing was written. Start with the keyring that was in use when they were sealed "
            "(SEALWRIGHT_KEK_FILE or SEALWRIGHT_KEK); it is never made anew."
        )


def refuse_second_start() -> None:
    """Refuse a start beside a running one, without making anything.

    Raises:
        CommandError: another one runs.
    """
    if (_home() / _LOCK).exists():
        with only_start():
            pass


def make_home() -> None:
    """Make what the settings left for a start whose checks have passed: key and database file.

    Raises:
        CommandError: another process made another key meanwhile.
    """
    path = settings.SEALWRIGHT.get("NEW_KEY_FILE")
    if path is not None and data_directory.keep_key(path, settings.SECRET_KEY) != (
        settings.SECRET_KEY
    ):
        raise CommandError("Another process has just made this data directory: start again.")
    missing = database.missing_file()
    if missing is not None:
        data_directory.keep_private(missing)


@contextmanager
def only_start() -> Iterator[None]:
    """Hold the data directory as long as its server runs.

    A second server on it would replace the configuration of the first one and take its socket.
    The forks that run the parts hold the lock as well, until the last one has ended.

    Raises:
        CommandError: another one runs.
    """
    home = _home()
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (home / _LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CommandError(
                f"A server already runs on the data directory {home}. Stop it first, or choose "
                "another directory with SEALWRIGHT_HOME."
            ) from error
        yield


def machine_problems() -> Iterator[str]:
    """Yield what this machine lacks: folders to write, free ports, nginx, its account."""
    yield from folder_problems()
    yield from port_problems()
    try:
        front_server.executable()
    except FrontServerError as error:
        yield str(error)
    if is_root():
        try:
            pwd.getpwnam(settings.SEALWRIGHT["FRONT_USER"])
        except KeyError:
            yield f"SEALWRIGHT_FRONT_USER: there is no user {settings.SEALWRIGHT['FRONT_USER']}."


def folder_problems() -> Iterator[str]:
    """Yield folders that cannot be written; one that is missing is to be made by its parent."""
    missing = database.missing_file()
    for setting, path in (
        ("HOME", _home()),
        ("RUN_FOLDER", Path(settings.SEALWRIGHT["RUN_FOLDER"])),
        ("STATIC_ROOT", Path(settings.STATIC_ROOT)),
        *([("DATABASE_URL", missing.parent)] if missing and missing.parent != _home() else []),
    ):
        reason = _unwritable(path)
        if reason:
            yield f"SEALWRIGHT_{setting}: the folder {path} cannot be written: {reason}."


def port_problems() -> Iterator[str]:
    """Yield addresses that cannot be listened on: the first start writes ports into certificates."""
    sealwright = settings.SEALWRIGHT
    host = sealwright["BIND"].strip("[]")
    wanted = [(name, host, sealwright[name]) for name in ("HTTPS_PORT", "HTTP_PORT")]
    wanted += [("FORMER_HTTP_PORTS", host, port) for port in sealwright["FORMER_HTTP_PORTS"]]
    if sealwright["PROXY_BIND"]:
        own_host, _, port = sealwright["PROXY_BIND"].rpartition(":")
        wanted.append(("PROXY_BIND", own_host.strip("[]"), int(port)))
    for setting, address, port in wanted:
        try:
            _listen(address, port, both=address == host)
        except OSError as error:
            yield _why_not(error, setting, address, port)


def _listen(host: str, port: int, *, both: bool) -> None:
    """Bind as nginx will; ``both``: ``::`` takes IPv4 as well."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not both)
        probe.bind((host, port))


def _why_not(error: OSError, setting: str, host: str, port: int) -> str:
    address_setting = setting if setting == "PROXY_BIND" else "BIND"
    beginning = f"Cannot listen on {host} port {port}: {error.strerror or error}."
    if error.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT} or isinstance(
        error, socket.gaierror
    ):
        return f"{beginning} Choose an address of this machine with SEALWRIGHT_{address_setting}."
    if error.errno == errno.EACCES and port < _PRIVILEGED:
        return (
            f"{beginning} Ports below {_PRIVILEGED} are for root or for CAP_NET_BIND_SERVICE; "
            f"else choose another port with SEALWRIGHT_{setting}."
        )
    return f"{beginning} Choose another port with SEALWRIGHT_{setting}."


def _home() -> Path:
    return Path(settings.SEALWRIGHT["HOME"])


def _unwritable(path: Path) -> str:
    """Return why nothing can be made at a path, or in its nearest folder that exists."""
    folder = path
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        return f"{folder} is not a folder"
    try:
        # A look at permissions tells nothing about a read-only or full file system.
        descriptor, name = tempfile.mkstemp(dir=folder, prefix=".writable-")
    except OSError as error:
        return error.strerror or str(error)
    os.close(descriptor)
    os.unlink(name)  # noqa: PTH108 - a name, not a path object
    return ""
