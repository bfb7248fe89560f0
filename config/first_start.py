"""The database file, the run folder and Django's secret key, which come before Django's start."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from apps import secret_files

_KEY_BYTES = 64


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn what the file system refuses into a mistake in a setting.

    Args:
        name: of the setting that leads to the file, without the prefix.

    Raises:
        ImproperlyConfigured: names setting, path and reason.
    """
    try:
        yield
    except (OSError, UnicodeDecodeError) as error:
        path = getattr(error, "filename", None) or "a file"
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ImproperlyConfigured(
            f"Unusable settings:\n  - SEALWRIGHT_{name}: {path}: {reason}"
        ) from error


def secret_key(home: Path) -> str:
    """Return Django's secret key for this data directory, made on first use (mode 0600).

    It signs sessions and task payloads only; keys at rest have a key-encryption key of
    their own (``apps.sealing``).
    """
    path = home / "keys" / "secret_key"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        secret_files.write(path, secrets.token_urlsafe(_KEY_BYTES).encode(), replace=False)
    return path.read_text().strip()


def keep_private(database: Path) -> None:
    """Close SQLite's files to other users of the machine; make the database if it is missing.

    Sessions are in the database as they are. The data directory may be an existing one that others
    can enter, and is then not ours to close. SQLite gives new journal files the permissions of the
    database, which it would make with whatever the process's umask allows.

    Args:
        database: SQLite's file; one of another owner is left as it is.
    """
    if not database.exists():
        database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        database.touch(mode=secret_files.OWNER_ONLY)
    for suffix in ("", "-wal", "-shm"):
        path = database.with_name(database.name + suffix)
        if not path.exists():
            continue
        found = path.stat()
        if found.st_uid == os.geteuid() and found.st_mode & 0o077:
            path.chmod(secret_files.OWNER_ONLY)


def run_folder(home: Path) -> Path:
    """Return where the application's socket and the front server's working files are by default.

    Started by root, the front server's workers run as another user, who cannot enter the data
    directory: the folder is then outside of it, one for each data directory.
    """
    if os.geteuid():
        return home / "front"
    return Path("/run/sealwright") / hashlib.sha256(str(home).encode()).hexdigest()[:12]
