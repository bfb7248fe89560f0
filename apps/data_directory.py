"""Files of the data directory that come before everything else: SQLite's, and Django's secret key."""

import os
import secrets
from pathlib import Path

from apps import secret_files

_KEY_BYTES = 64


def key_file(home: Path) -> Path:
    """Return where Django's secret key is kept.

    It signs sessions and task payloads only; keys at rest have a key-encryption key of
    their own (``apps.sealing``).
    """
    return home / "keys" / "secret_key"


def new_key() -> str:
    """Return a random secret key, which is not written anywhere yet."""
    return secrets.token_urlsafe(_KEY_BYTES)


def keep_key(path: Path, key: str) -> str:
    """Write a secret key (mode 0600) unless there is one, and return the one that is there."""
    if not path.exists():
        # Home of everything, and closed to others when it is made here.
        path.parent.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        secret_files.write(path, key.encode(), replace=False)
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
