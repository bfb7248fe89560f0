"""What must exist before Django can start? The data directory and its secret key."""

import os
import secrets
from pathlib import Path

_KEY_BYTES = 64


def secret_key(home: Path) -> str:
    """Return Django's secret key for this data directory, made on first use (mode 0600).

    It signs sessions and task payloads only; keys at rest have a key-encryption key of
    their own (``apps.sealing``).
    """
    path = home / "keys" / "secret_key"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)  # holds the database, too
    path.parent.mkdir(exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(_KEY_BYTES))
    return path.read_text().strip()
