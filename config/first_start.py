"""The data directory, the run folder and Django's secret key, which come before Django's start."""

import hashlib
import os
import secrets
from pathlib import Path

from apps import secret_files

_KEY_BYTES = 64


def secret_key(home: Path) -> str:
    """Return Django's secret key for this data directory, made on first use (mode 0600).

    It signs sessions and task payloads only; keys at rest have a key-encryption key of
    their own (``apps.sealing``).
    """
    path = home / "keys" / "secret_key"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)  # holds the database, too
    if not path.exists():
        secret_files.write(path, secrets.token_urlsafe(_KEY_BYTES).encode(), replace=False)
    return path.read_text().strip()


def run_folder(home: Path) -> Path:
    """Return where the application's socket and the front server's working files are by default.

    Started by root, the front server's workers run as another user, who cannot enter the data
    directory: the folder is then outside of it, one for each data directory.
    """
    if os.geteuid():
        return home / "front"
    return Path("/run/sealwright") / hashlib.sha256(str(home).encode()).hexdigest()[:12]
