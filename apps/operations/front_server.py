"""The front server: nginx as a child of ``manage.py serve``.

nginx ends TLS, serves static files, caches public PKI files, keeps slow clients away from Python
and reports each client to the application over a Unix socket (ADR 0013).
"""

import logging
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from apps import secret_files
from apps.operations import tls_files
from apps.operations.nginx_config import (
    FrontServerError,
    is_root,
    render,
    run_folder,
    static_folder,
)

logger = logging.getLogger(__name__)
# Debian installs servers where only root's PATH leads.
_SERVER_FOLDERS = "/usr/sbin:/usr/local/sbin"
_CHECK_S = 30
# A socket's name has 108 bytes (unix(7)).
_MAX_SOCKET_PATH = 107


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
    return [executable(), "-e", "stderr", "-p", str(run_folder()), "-c", str(configuration_file())]


def prepare() -> None:
    """Make the folders, publish static files to nginx, write the configuration.

    Raises:
        FrontServerError: nginx is missing, or a path cannot be used.
    """
    run = run_folder()
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
    if is_root():
        shutil.rmtree(run_folder(), ignore_errors=True)


def _stamp() -> tuple[object, ...]:
    """Return what changes whenever one of the watched files is replaced."""
    found: list[object] = []
    for path in (
        tls_files.server_file(),
        tls_files.self_signed_file(),
        tls_files.client_authorities_file(),
    ):
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
        fault = tls_files.fault()
        if fault and not tls_files.self_signed_file().exists():
            self.report(f"The previous certificate stays in use: {fault}.")
            return
        previous = configuration_file().read_bytes()
        secret_files.write(configuration_file(), render().encode())
        try:
            check()
        except FrontServerError as error:
            secret_files.write(configuration_file(), previous)
            self.report(f"The previous certificate stays in use. {error}")
        else:
            self.send(signal.SIGHUP)
            if not fault:
                tls_files.self_signed_file().unlink(missing_ok=True)
                self._seen = _stamp()
            logger.info("The front server loads the changed certificate or client authorities")


def _make_folders(run: Path) -> None:
    """Let only the service's user in, and nginx's workers where they are somebody else."""
    configuration_file().parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not is_root():
        run.mkdir(parents=True, exist_ok=True, mode=0o700)
        run.chmod(0o700)
        return
    run.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    run.mkdir(exist_ok=True, mode=0o700)
    shutil.chown(run, user="root", group=_group_of(settings.SEALWRIGHT["FRONT_USER"]))
    run.chmod(0o710)


def _group_of(user: str) -> int:
    return pwd.getpwnam(user).pw_gid


def _publish_static_files(run: Path) -> None:
    if not is_root():
        return
    target = static_folder(run)
    shutil.rmtree(target, ignore_errors=True)
    if Path(settings.STATIC_ROOT).is_dir():
        shutil.copytree(
            settings.STATIC_ROOT,
            target,
            copy_function=shutil.copyfile,
            ignore=shutil.ignore_patterns(".*"),
        )
        for path in (target, *target.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
