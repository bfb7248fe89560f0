"""Envelope encryption of secrets in the database, bound to table, column and row.

Each secret has a random data key (AES-256-GCM), which is wrapped under a key derived from the
key-encryption key (KEK, ``apps.keyring``). The context ``app.Model.field:pk`` is authenticated
with both, so a ciphertext that is moved to another row or column does not open. Rotation wraps
the data keys again and leaves the secrets as they are. Nothing here is derived from Django's
secret key.

Sealed bytes: version (1) | KEK id (8) | nonce (12) | wrapped data key (48) | nonce (12) |
ciphertext and tag.
"""

import secrets
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from apps import ids, keyring
from apps.keyring import KEY_BYTES, KEY_ID_BYTES, Keyring, SealingError

KEY_ID_OFFSET = 1
VERSION = b"\x01"
_NONCE_BYTES = 12
_WRAPPED_BYTES = KEY_BYTES + 16
_HEADER_BYTES = KEY_ID_OFFSET + KEY_ID_BYTES
_OVERHEAD = _HEADER_BYTES + _NONCE_BYTES + _WRAPPED_BYTES + _NONCE_BYTES + 16
_WRAP_LABEL = b"sealwright kek v1 wrap"


class CannotUnseal(SealingError):
    """The bytes were not sealed for this place, were altered, or their KEK is gone."""

    default_detail = "The sealed value cannot be opened."


class _Parts(NamedTuple):
    key_id: str
    wrap_nonce: bytes
    wrapped: bytes
    nonce: bytes
    ciphertext: bytes


def seal(plaintext: bytes, *, context: str) -> bytes:
    """Return ``plaintext`` encrypted for one field of one row.

    Args:
        plaintext: any bytes.
        context: ``app.Model.field:pk``, see ``field_context``; needed again to open it.

    Raises:
        KeyringMissing: there is no usable key-encryption key.
    """
    data_key = secrets.token_bytes(KEY_BYTES)
    nonce = secrets.token_bytes(_NONCE_BYTES)
    ciphertext = AESGCM(data_key).encrypt(nonce, plaintext, _data_bound_to(context))
    return _wrapped(keyring.load_keyring(), data_key, context) + nonce + ciphertext


def unseal(sealed: bytes, *, context: str) -> bytes:
    """Return the plaintext that ``seal`` was given.

    Raises:
        CannotUnseal: altered, moved from another place, or sealed under an unknown KEK.
        KeyringMissing: there is no usable key-encryption key.
    """
    parts = _parsed(sealed)
    data_key = _unwrapped(keyring.load_keyring(), parts, context)
    try:
        return AESGCM(data_key).decrypt(parts.nonce, parts.ciphertext, _data_bound_to(context))
    except InvalidTag as error:
        raise CannotUnseal from error


def rewrap(sealed: bytes, context: str) -> bytes:
    """Return the same secret with its data key wrapped under the current KEK.

    The secret is opened once, so that rotation never keeps a value that does not open.

    Raises:
        CannotUnseal: see ``unseal``.
    """
    parts = _parsed(sealed)
    ring = keyring.load_keyring()
    data_key = _unwrapped(ring, parts, context)
    again = _wrapped(ring, data_key, context) + parts.nonce + parts.ciphertext
    unseal(again, context=context)
    return again


def key_id_of(sealed: bytes) -> str:
    """Return the identifier of the KEK that sealed bytes need.

    Raises:
        CannotUnseal: these are not sealed bytes.
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


def _wrapped(ring: Keyring, data_key: bytes, context: str) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    bound = _wrap_bound_to(ring.current, context)
    wrapped = _wrapping_cipher(ring, ring.current).encrypt(nonce, data_key, bound)
    return VERSION + bytes.fromhex(ring.current) + nonce + wrapped


def _unwrapped(ring: Keyring, parts: _Parts, context: str) -> bytes:
    cipher = _wrapping_cipher(ring, parts.key_id)
    try:
        return cipher.decrypt(
            parts.wrap_nonce, parts.wrapped, _wrap_bound_to(parts.key_id, context)
        )
    except InvalidTag as error:
        raise CannotUnseal from error


def _parsed(sealed: bytes) -> _Parts:
    sealed = bytes(sealed)
    if len(sealed) < _OVERHEAD or sealed[:KEY_ID_OFFSET] != VERSION:
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


def _wrapping_cipher(ring: Keyring, key_id: str) -> AESGCM:
    """Return the cipher that wraps data keys under one KEK.

    Raises:
        CannotUnseal: the KEK is not in the keyring.
    """
    if key_id not in ring.keys:
        raise CannotUnseal(f"The key-encryption key {key_id} is not in the keyring.")
    return AESGCM(ring.derived(key_id, _WRAP_LABEL))
