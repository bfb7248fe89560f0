"""Key backend port: generate, use and destroy private keys that never leave the backend."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from apps.errors import UpstreamRejected
from apps.keys.models import Key
from apps.statements import execution
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm, signature_algorithms_of
from pki.keys import Message

_SIGNATURES_OF = {
    algorithm.value: frozenset(signature_algorithms_of(algorithm)) for algorithm in KeyAlgorithm
}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class GeneratedKey:
    """A new key as its row will describe it.

    Attributes:
        public_key_der: SubjectPublicKeyInfo, DER.
        sealed_private_key: ciphertext bound to the row; empty for backends that keep the key.
        reference: name of the key inside such a backend.
    """

    public_key_der: bytes
    sealed_private_key: bytes = b""
    reference: str = ""


class KeyBackend(ABC):
    """A place that holds private keys, such as the database or a hardware module.

    Callers get public keys and signatures, never a private key. A backend may be remote and slow,
    so it must not be used while rows are locked.

    Raises (all methods):
        RuntimeError: called inside a transaction, a programming error.
        UpstreamUnavailable: the backend does not answer, or cannot open the key now.
        UpstreamRejected: the backend refuses for good.
        Busy: too many keys are being generated.
    """

    name: ClassVar[str]
    """Name of the backend in key rows; never changes."""

    def generate(self, algorithm: KeyAlgorithm, key_id: UUID) -> GeneratedKey:
        """Make a key for the row ``key_id``, which need not exist yet."""
        refuse_in_transaction()
        return self._generate(algorithm, key_id)

    def sign(self, key: Key, data: Message, algorithm: SignatureAlgorithm) -> bytes:
        """Return the signature over ``data``, in the encoding that X.509 uses for ``algorithm``."""
        refuse_in_transaction()
        if algorithm not in _SIGNATURES_OF[key.algorithm]:
            raise UpstreamRejected(f"A key of type {key.algorithm} cannot sign {algorithm.value}.")
        return self._sign(key, data, algorithm)

    def destroy(self, key: Key) -> None:
        """Make the key unusable for ever; harmless to repeat. Does not save the row."""
        refuse_in_transaction()
        self._destroy(key)

    @abstractmethod
    def _generate(self, algorithm: KeyAlgorithm, key_id: UUID) -> GeneratedKey: ...

    @abstractmethod
    def _sign(self, key: Key, data: Message, algorithm: SignatureAlgorithm) -> bytes: ...

    @abstractmethod
    def _destroy(self, key: Key) -> None: ...


def refuse_in_transaction() -> None:
    """Refuse to use a key while a transaction is open.

    Django's durable block would do here, but on SQLite it takes the write lock for each signature
    (ADR 0017).

    Raises:
        RuntimeError: a transaction is open.
    """
    if execution.in_transaction():
        raise RuntimeError("keys are not used inside a transaction")
