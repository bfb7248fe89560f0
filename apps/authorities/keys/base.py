"""What must a place that holds private keys be able to do? Make, use and destroy them.

The bytes of a private key never leave a backend; callers get public keys and signatures.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from apps.authorities.models import Key
from apps.errors import UpstreamRejected
from apps.statements import execution
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm, signature_algorithms_of

_SIGNATURES_OF = {
    algorithm.value: frozenset(signature_algorithms_of(algorithm)) for algorithm in KeyAlgorithm
}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class GeneratedKey:
    """A fresh key as its row will describe it.

    Attributes:
        public_key_der: SubjectPublicKeyInfo.
        sealed_private_key: ciphertext bound to the row; empty for backends that keep the key.
        reference: name of the key inside such a backend.
    """

    public_key_der: bytes
    sealed_private_key: bytes = b""
    reference: str = ""


class KeyBackend(ABC):
    """The port. Keys are slow, may be remote and must not be used while rows are locked.

    Raises (all methods):
        RuntimeError: called inside a transaction, a programming error.
        UpstreamUnavailable: the backend does not answer, or cannot open the key now.
        UpstreamRejected: the backend refuses for good.
    """

    name: ClassVar[str]
    in_process: ClassVar[bool] = False
    """Signatures are made in this process: what it has not handed out dies with it."""

    def generate(self, algorithm: KeyAlgorithm, key_id: UUID) -> GeneratedKey:
        """Make a key for the row ``key_id``, which need not exist yet."""
        refuse_in_transaction()
        return self._generate(algorithm, key_id)

    def sign(self, key: Key, data: bytes, algorithm: SignatureAlgorithm) -> bytes:
        """Return a signature over ``data``."""
        refuse_in_transaction()
        if algorithm not in _SIGNATURES_OF[key.algorithm]:
            raise UpstreamRejected(f"A key of type {key.algorithm} cannot sign {algorithm.value}.")
        return self._sign(key, data, algorithm)

    @abstractmethod
    def destroy(self, key: Key) -> None:
        """Make the key unusable for ever; harmless to repeat. Does not save the row."""

    @abstractmethod
    def _generate(self, algorithm: KeyAlgorithm, key_id: UUID) -> GeneratedKey: ...

    @abstractmethod
    def _sign(self, key: Key, data: bytes, algorithm: SignatureAlgorithm) -> bytes: ...


def refuse_in_transaction() -> None:
    """Refuse to use a key while a transaction of ours is open.

    Transactions that Django's test cases wrap around a test do not count: they are marked,
    and no code of ours opened them.

    Raises:
        RuntimeError: a transaction is open.
    """
    for block in execution.here().atomic_blocks:
        if not block._from_testcase:  # noqa: SLF001 - Django's own mark of test-case transactions
            raise RuntimeError("keys are not used inside a transaction")
