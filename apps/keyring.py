"""Keyring: the key-encryption keys of this installation, in one file outside the database.

The file (mode 0600) and the database must not share a backup. Rotation adds a key, which becomes
the current one; old keys stay until nothing needs them.
"""

import base64
import binascii
import hashlib
import json
import logging
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from apps import secret_files
from apps.errors import SealwrightError

logger = logging.getLogger(__name__)

KEY_BYTES = 32
KEY_ID_BYTES = 8
_ID_LABEL = b"sealwright kek v1 id"


class SealingError(SealwrightError):
    """A secret cannot be sealed or opened."""

    code = "internal"


class KeyringMissing(SealingError):
    """There is no key-encryption key, or the keyring cannot be used."""

    default_detail = "There is no key-encryption key."


@dataclass(frozen=True, slots=True, repr=False)
class Keyring:
    """Key-encryption keys by identifier.

    An identifier is the first 16 hex digits of a digest of a value derived from the key, so that
    a key under a wrong identifier is noticed.

    Attributes:
        current: identifier of the key that seals.
        keys: all keys, each 32 bytes; every one of them opens.
    """

    current: str
    keys: Mapping[str, bytes]
    _derived: dict[tuple[str, bytes], bytes] = field(default_factory=dict)

    def derived(self, key_id: str, label: bytes) -> bytes:
        """Return the key for one purpose that HKDF derives from a KEK; the KEK encrypts nothing.

        Args:
            key_id: a key of this ring.
            label: names the purpose.

        Raises:
            KeyError: no such key.
        """
        if (key_id, label) not in self._derived:
            self._derived[key_id, label] = _hkdf(self.keys[key_id], label)
        return self._derived[key_id, label]


_loaded: tuple[Any, Keyring] | None = None


def load_keyring() -> Keyring:
    """Return the keyring; the file is read again whenever it has changed.

    Raises:
        KeyringMissing: there is no keyring, others may read the file, or it is damaged.
    """
    global _loaded  # noqa: PLW0603 - one keyring a process, replaced as a whole
    text, path = settings.SEALWRIGHT["KEK"], _keyring_path()
    version = ("env", text) if text else _file_version(path)
    if _loaded is None or _loaded[0] != version:
        _loaded = (version, _from_environment(text) if text else _from_file(path))
    return _loaded[1]


def ensure_keyring() -> bool:
    """Create the keyring file with one random key, unless there is a keyring.

    Returns:
        Whether a key was created.

    Raises:
        KeyringMissing: there is a keyring that cannot be used; it is never replaced.
    """
    if settings.SEALWRIGHT["KEK"] or _keyring_path().exists():
        load_keyring()
        return False
    key = secrets.token_bytes(KEY_BYTES)
    key_id = key_id_for(key)
    created = _write(_keyring_path(), Keyring(key_id, {key_id: key}), replace=False)
    load_keyring()
    return created


def comes_from_environment() -> bool:
    """Tell whether the key comes from ``SEALWRIGHT_KEK``, which is for trials only."""
    return bool(settings.SEALWRIGHT["KEK"])


def is_list_of_keys(text: str) -> bool:
    """Tell whether a text is what ``SEALWRIGHT_KEK`` may be: keys in base64, comma-separated."""
    try:
        _from_list(text)
    except ValueError:
        return False
    return True


def add_key() -> str:
    """Add a random KEK to the keyring file and make it the current one; return its identifier.

    Every other process reads the changed file at its next use of a secret.

    Raises:
        KeyringMissing: the KEK comes from the environment, or there is none.
    """
    _require_file()
    keyring = load_keyring()
    key = secrets.token_bytes(KEY_BYTES)
    key_id = key_id_for(key)
    _write(_keyring_path(), Keyring(key_id, {**keyring.keys, key_id: key}), replace=True)
    return key_id


def drop_key(key_id: str) -> None:
    """Remove a KEK from the keyring file; the caller has checked that no secret needs it.

    Raises:
        KeyringMissing: the KEK comes from the environment, or there is none.
        ValueError: it is the current key.
    """
    _require_file()
    keyring = load_keyring()
    if key_id == keyring.current:
        raise ValueError("the current key-encryption key cannot be dropped")
    rest = {name: key for name, key in keyring.keys.items() if name != key_id}
    _write(_keyring_path(), Keyring(keyring.current, rest), replace=True)


def key_id_for(key: bytes) -> str:
    """Return the identifier of a key-encryption key, 16 hex digits."""
    return hashlib.sha256(_hkdf(key, _ID_LABEL)).hexdigest()[: KEY_ID_BYTES * 2]


def _hkdf(key: bytes, label: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=label).derive(key)


def _require_file() -> None:
    if comes_from_environment():
        raise KeyringMissing(
            "The key-encryption key comes from SEALWRIGHT_KEK: put the new key in front of the old "
            "one there, separated by a comma."
        )


def _keyring_path() -> Path:
    return Path(settings.SEALWRIGHT["KEK_FILE"])


def _file_version(path: Path) -> tuple[Any, ...]:
    try:
        status = path.stat()
    except OSError as error:
        raise KeyringMissing(f"The keyring {path} cannot be read: {error.strerror}.") from error
    return (str(path), status.st_ino, status.st_mtime_ns, status.st_size)


def _from_file(path: Path) -> Keyring:
    status = path.stat()
    if stat.S_IMODE(status.st_mode) & ~secret_files.OWNER_ONLY:
        raise KeyringMissing(f"The keyring {path} is open to others: its mode must be 0600.")
    if status.st_uid not in {0, os.geteuid()}:
        raise KeyringMissing(f"The keyring {path} belongs to another user.")
    try:
        text = path.read_text()
        if not text.lstrip().startswith("{"):
            # Earlier versions took SEALWRIGHT_KEK_FILE for a file with the text of SEALWRIGHT_KEK.
            return _from_list(text)
        document = json.loads(text)
        keys = {name: _decoded(encoded) for name, encoded in document["keys"].items()}
        current = document["current"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        # No message of the JSON parser: it may quote the file, and the file is keys.
        raise KeyringMissing(f"The keyring {path} is damaged.") from error
    if current not in keys or any(key_id_for(key) != name for name, key in keys.items()):
        raise KeyringMissing(f"The keyring {path} is damaged: keys and their names disagree.")
    return Keyring(current, keys)


def _from_environment(text: str) -> Keyring:
    try:
        keyring = _from_list(text)
    except ValueError as error:
        raise KeyringMissing("SEALWRIGHT_KEK is not 32 bytes in base64.") from error
    logger.warning(
        "The key-encryption key comes from the environment, where every process of this user can "
        "read it. This is for trials only: use a keyring file (SEALWRIGHT_KEK_FILE)."
    )
    return keyring


def _from_list(text: str) -> Keyring:
    """Read keys in base64, separated by commas; the first one is the current key."""
    keys = [_decoded(word.strip()) for word in text.split(",")]
    return Keyring(key_id_for(keys[0]), {key_id_for(key): key for key in keys})


def _decoded(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError) as error:
        raise ValueError("not base64") from error
    if len(key) != KEY_BYTES:
        raise ValueError("not 32 bytes")
    return key


def _write(path: Path, keyring: Keyring, *, replace: bool) -> bool:
    """Write the keyring; ``False`` when another process made it first and ``replace`` is not set."""
    document = {
        "current": keyring.current,
        "keys": {name: base64.b64encode(key).decode() for name, key in keyring.keys.items()},
    }
    return secret_files.write(path, json.dumps(document).encode(), replace=replace)
