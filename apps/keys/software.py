"""Software key backend: private keys sealed in their database rows and used in memory."""

import os
import threading
import time
from collections import OrderedDict
from typing import ClassVar
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from apps import keyring, sealing
from apps.errors import UpstreamRejected, UpstreamUnavailable
from apps.keys import generation
from apps.keys.base import GeneratedKey, KeyBackend
from apps.keys.models import Key
from pki import keys
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm
from pki.findings import UnusableKey
from pki.keys import Message

CACHE_SECONDS = 300.0
CACHE_SIZE = 64


class _OpenedKeys:
    """Opened keys, kept for five minutes so that a busy authority does not unseal each time."""

    def __init__(self) -> None:
        self._entries: OrderedDict[UUID, tuple[float, PrivateKeyTypes]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key_id: UUID) -> PrivateKeyTypes | None:
        """Return the key, or ``None`` if it is not here or was opened too long ago."""
        with self._lock:
            opened_at, key = self._entries.get(key_id, (0.0, None))
            if key is not None and time.monotonic() - opened_at > CACHE_SECONDS:
                del self._entries[key_id]
                return None
            return key

    def put(self, key_id: UUID, key: PrivateKeyTypes) -> None:
        """Keep the key; drop the oldest one when there are too many."""
        with self._lock:
            self._entries[key_id] = (time.monotonic(), key)
            self._entries.move_to_end(key_id)
            while len(self._entries) > CACHE_SIZE:
                self._entries.popitem(last=False)

    def drop(self, key_id: UUID) -> None:
        """Drop one key."""
        with self._lock:
            self._entries.pop(key_id, None)

    def clear(self) -> None:
        """Drop all keys, and the lock: after a fork another thread's lock is never released."""
        self._lock = threading.Lock()
        self._entries.clear()


class SoftwareBackend(KeyBackend):
    """Keys under envelope encryption in the database (SECURITY: K-3, K-5)."""

    name: ClassVar[str] = "software"

    def __init__(self) -> None:
        self._opened = _OpenedKeys()
        os.register_at_fork(after_in_child=self._opened.clear)

    def _generate(self, algorithm: KeyAlgorithm, key_id: UUID) -> GeneratedKey:
        private_key = generation.generate(algorithm)
        pkcs8 = keys.private_key_to_pkcs8(private_key)
        return GeneratedKey(
            public_key_der=keys.public_key_to_der(private_key.public_key()),
            sealed_private_key=sealing.seal(pkcs8, context=_context(key_id)),
        )

    def _sign(self, key: Key, data: Message, algorithm: SignatureAlgorithm) -> bytes:
        private_key = self._opened.get(key.id)
        if private_key is None:
            private_key = self._open(key.id)
        try:
            return keys.sign(private_key, data, algorithm)
        except UnusableKey as error:
            raise UpstreamRejected(str(error)) from error

    def _destroy(self, key: Key) -> None:
        # The data key goes together with what it encrypts: no copy of the KEK opens it again.
        key.sealed_private_key = b""
        self._opened.drop(key.pk)

    def _open(self, key_id: UUID) -> PrivateKeyTypes:
        """Read the row again: the caller's copy may be older than a rotation or destruction."""
        row = Key.objects.filter(pk=key_id).only("sealed_private_key", "destroyed_at").first()
        if row is None or row.destroyed_at is not None or not row.sealed_private_key:
            raise UpstreamRejected("The private key does not exist any more.")
        try:
            pkcs8 = sealing.unseal(bytes(row.sealed_private_key), context=_context(key_id))
        except keyring.SealingError as error:
            raise UpstreamUnavailable(
                f"The private key {key_id} cannot be opened: {error.detail}"
            ) from error
        private_key = keys.private_key_from_pkcs8(pkcs8, trusted=True)
        self._opened.put(key_id, private_key)
        return private_key


def _context(key_id: UUID) -> str:
    return sealing.context_of(Key, "sealed_private_key", key_id)
