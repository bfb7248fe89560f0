"""How does a new key come to its row? Made by its backend, saved by whoever uses it."""

from apps import ids
from apps.authorities.keys.backends import backend_of
from apps.authorities.models import Key
from pki import keys
from pki.algorithms import KeyAlgorithm


def fresh_key(algorithm: KeyAlgorithm, *, backend_name: str = "software") -> Key:
    """Return an unsaved row with a key made just now; RSA takes 50 to 330 ms.

    Raises:
        RuntimeError: called inside a transaction.
        UpstreamUnavailable: the backend does not answer.
    """
    key_id, backend = ids.uuid7(), backend_of(backend_name)
    generated = backend.generate(algorithm, key_id)
    return Key(
        id=key_id,
        backend=backend.name,
        algorithm=algorithm.value,
        public_key_der=generated.public_key_der,
        spki_sha256=keys.spki_sha256(generated.public_key_der),
        sealed_private_key=generated.sealed_private_key,
        reference=generated.reference,
    )
