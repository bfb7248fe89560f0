"""Envelope encryption of secrets in the database, bound to table, column and row.

Each secret has a random data key of its own (AES-256-GCM), wrapped under a key derived from
the key-encryption key (KEK). The context, ``app.Model.field:pk``, is authenticated with both,
so a ciphertext that is moved to another row or column cannot be decrypted. The KEK is in a file
(mode 0600) outside the database, so that the two never share a backup; rotation adds a KEK to
that file and re-wraps the data keys only. Nothing here is derived from Django's secret key.

Sealed bytes: version (1) | KEK id (8) | nonce (12) | wrapped data key (48) | nonce (12) |
ciphertext and tag.
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
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from apps import ids, secret_files
from apps.errors import SealwrightError

logger = logging.getLogger(__name__)

KEY_BYTES = 32
KEY_ID_OFFSET, KEY_ID_BYTES = 1, 8
_VERSION = b"\x01"
_NONCE_BYTES = 12
_WRAPPED_BYTES = KEY_BYTES + 16
_HEADER_BYTES = KEY_ID_OFFSET + KEY_ID_BYTES
_OVERHEAD = _HEADER_BYTES + _NONCE_BYTES + _WRAPPED_BYTES + _NONCE_BYTES + 16
_WRAP_LABEL = b"sealwright kek v1 wrap"
_ID_LABEL = b"sealwright kek v1 id"
_OWNER_ONLY = 0o600


class SealingError(SealwrightError):
    """A secret cannot be sealed or opened."""

    code = "internal"


class KeyringMissing(SealingError):
    """There is no usable key-encryption key."""

    default_detail = "There is no key-encryption key."


class CannotUnseal(SealingError):
    """The bytes were not sealed for this place, were altered, or their KEK is gone."""

    default_detail = "The sealed value cannot be opened."


@dataclass(frozen=True, slots=True, repr=False)
class Keyring:
    """Key-encryption keys by identifier; ``current`` seals, all of them open.

    Identifiers are the first 16 hex digits of a digest of a value derived from the key, so
    that a key under a wrong name is noticed.
    """

    current: str
    keys: Mapping[str, bytes]
    _wrapping: dict[str, AESGCM] = field(default_factory=dict)

    def wrapping_key(self, key_id: str) -> AESGCM:
        """Return the cipher that wraps data keys under one KEK.

        Raises:
            CannotUnseal: the KEK is not in the ring.
        """
        cipher = self._wrapping.get(key_id)
        if cipher is None:
            if key_id not in self.keys:
                raise CannotUnseal(f"The key-encryption key {key_id} is not in the keyring.")
            cipher = self._wrapping[key_id] = AESGCM(_derived(self.keys[key_id], _WRAP_LABEL))
        return cipher


class _Parts(NamedTuple):
    key_id: str
    wrap_nonce: bytes
    wrapped: bytes
    nonce: bytes
    ciphertext: bytes


def seal(plaintext: bytes, *, context: str) -> bytes:
    """Return ``plaintext`` encrypted for one place.

    Args:
        plaintext: any bytes.
        context: ``app.Model.field:pk``, see ``field_context``; needed again to open.

    Raises:
        KeyringMissing: there is no usable key-encryption key.
    """
    data_key = secrets.token_bytes(KEY_BYTES)
    nonce = secrets.token_bytes(_NONCE_BYTES)
    ciphertext = AESGCM(data_key).encrypt(nonce, plaintext, _data_bound_to(context))
    return _wrapped(load_keyring(), data_key, context) + nonce + ciphertext


def unseal(sealed: bytes, *, context: str) -> bytes:
    """Return the plaintext of sealed bytes.

    Raises:
        CannotUnseal: altered, moved from another place, or sealed under an unknown KEK.
        KeyringMissing: there is no usable key-encryption key.
    """
    parts = _parsed(sealed)
    data_key = _unwrapped(load_keyring(), parts, context)
    try:
        return AESGCM(data_key).decrypt(parts.nonce, parts.ciphertext, _data_bound_to(context))
    except InvalidTag as error:
        raise CannotUnseal from error


def rewrap(sealed: bytes, context: str) -> bytes:
    """Return the same secret with its data key wrapped under the current KEK.

    The result is decrypted once, so that rotation never stores a broken value.

    Raises:
        CannotUnseal: see ``unseal``.
    """
    parts = _parsed(sealed)
    keyring = load_keyring()
    data_key = _unwrapped(keyring, parts, context)
    again = _wrapped(keyring, data_key, context) + parts.nonce + parts.ciphertext
    unseal(again, context=context)
    return again


def key_id_of(sealed: bytes) -> str:
    """Return the identifier of the KEK that sealed bytes need.

    Raises:
        CannotUnseal: these are no sealed bytes.
    """
    return _parsed(sealed).key_id


def field_context(instance: Any, field_name: str) -> str:
    """Return the context of a field of one row, whose primary key must be fixed already."""
    return context_of(type(instance), field_name, instance.pk)


def context_of(model: Any, field_name: str, pk: object) -> str:
    """Return the context ``app.Model.field:pk`` of a field of the row ``pk``.

    The label is the model's first one, even after the model has moved to another app: an old
    ciphertext opens under no other text.
    """
    return f"{ids.label_of(model)}.{field_name}:{pk}"


def _wrapped(keyring: Keyring, data_key: bytes, context: str) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    bound = _wrap_bound_to(keyring.current, context)
    wrapped = keyring.wrapping_key(keyring.current).encrypt(nonce, data_key, bound)
    return _VERSION + bytes.fromhex(keyring.current) + nonce + wrapped


def _unwrapped(keyring: Keyring, parts: _Parts, context: str) -> bytes:
    cipher = keyring.wrapping_key(parts.key_id)
    try:
        return cipher.decrypt(
            parts.wrap_nonce, parts.wrapped, _wrap_bound_to(parts.key_id, context)
        )
    except InvalidTag as error:
        raise CannotUnseal from error


def _parsed(sealed: bytes) -> _Parts:
    sealed = bytes(sealed)
    if len(sealed) < _OVERHEAD or sealed[:KEY_ID_OFFSET] != _VERSION:
        raise CannotUnseal("These bytes are not a sealed value of a known version.")
    wrapped_at = _HEADER_BYTES + _NONCE_BYTES
    nonce_at = wrapped_at + _WRAPPED_BYTES
    return _Parts(
        key_id=sealed[KEY_ID_OFFSET:_HEADER_BYTES].hex(),
        wrap_nonce=sealed[_HEADER_BYTES:wrapped_at],
        wrapped=sealed[wrapped_at:nonce_at],
        nonce=sealed[nonce_at : nonce_at + _NONCE_BYTES],
        ciphertext=sealed[nonce_at + _NONCE_BYTES :],
    )


def _data_bound_to(context: str) -> bytes:
    return b"v1|data|" + context.encode()


def _wrap_bound_to(key_id: str, context: str) -> bytes:
    return f"v1|wrap|{key_id}|{context}".encode()


def _derived(key: bytes, label: bytes) -> bytes:
    """Return a key for one purpose; the KEK itself is never used for encryption."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=label).derive(key)


def key_id_for(key: bytes) -> str:
    """Return the identifier of a key-encryption key, 16 hex digits."""
    return hashlib.sha256(_derived(key, _ID_LABEL)).hexdigest()[: KEY_ID_BYTES * 2]


_loaded: tuple[Any, Keyring] | None = None


def load_keyring() -> Keyring:
    """Return the keyring; read again whenever the file has changed.

    Raises:
        KeyringMissing: there is no keyring, others may read it, or it is damaged.
    """
    global _loaded  # noqa: PLW0603 - one keyring a process, replaced as a whole
    text, path = settings.SEALWRIGHT["KEK"], _keyring_path()
    version = ("env", text) if text else _file_version(path)
    if _loaded is None or _loaded[0] != version:
        _loaded = (version, _from_environment(text) if text else _from_file(path))
    return _loaded[1]


def ensure_keyring() -> bool:
    """Make the keyring file with one random key unless there is a keyring.

    Returns:
        Whether a new key was made.

    Raises:
        KeyringMissing: there is one, but it cannot be used; it is never replaced.
    """
    if settings.SEALWRIGHT["KEK"] or _keyring_path().exists():
        load_keyring()
        return False
    key = secrets.token_bytes(KEY_BYTES)
    key_id = key_id_for(key)
    made = _write(_keyring_path(), Keyring(key_id, {key_id: key}), replace=False)
    load_keyring()
    return made


def comes_from_environment() -> bool:
    """Tell whether ``SEALWRIGHT_KEK`` is used: convenient for a trial, unfit for real keys."""
    return bool(settings.SEALWRIGHT["KEK"])


def add_key() -> str:
    """Add a random KEK to the keyring file and make it the current one; return its identifier.

    Every process notices the new file by its time stamp when it uses a secret the next time.

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
    """Remove a KEK that nothing needs any more from the keyring file.

    Raises:
        KeyringMissing: the KEK comes from the environment, or there is none.
        ValueError: it is the current one.
    """
    _require_file()
    keyring = load_keyring()
    if key_id == keyring.current:
        raise ValueError("the current key-encryption key cannot be dropped")
    rest = {name: key for name, key in keyring.keys.items() if name != key_id}
    _write(_keyring_path(), Keyring(keyring.current, rest), replace=True)


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
    if stat.S_IMODE(status.st_mode) & ~_OWNER_ONLY:
        raise KeyringMissing(f"The keyring {path} is open to others: its mode must be 0600.")
    if status.st_uid not in {0, os.geteuid()}:
        raise KeyringMissing(f"The keyring {path} belongs to another user.")
    try:
        document = json.loads(path.read_text())
        keys = {name: _decoded(text) for name, text in document["keys"].items()}
        current = document["current"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        # The message of a JSON error may quote the file, which contains the keys.
        raise KeyringMissing(f"The keyring {path} is damaged.") from error
    if current not in keys or any(key_id_for(key) != name for name, key in keys.items()):
        raise KeyringMissing(f"The keyring {path} is damaged: keys and their names disagree.")
    return Keyring(current, keys)


def _from_environment(text: str) -> Keyring:
    try:
        keys = [_decoded(word.strip()) for word in text.split(",")]
    except ValueError as error:
        raise KeyringMissing("SEALWRIGHT_KEK is not 32 bytes in base64.") from error
    logger.warning(
        "The key-encryption key comes from the environment, where every process of this user can "
        "read it. This is for trials only: use a keyring file (SEALWRIGHT_KEK_FILE)."
    )
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
