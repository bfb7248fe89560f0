"""Is the machine as fast now as it was a moment ago? A fixed piece of work, timed.

Shared machines change their speed while they are measured. The same loop runs beside each
sample, and a pair of samples between which it moved too much is thrown away.
"""

import time

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

_ROUNDS = 2000
_MESSAGE = b"ruler" * 20
_ECDSA = ec.ECDSA(SHA256())
_key = ec.generate_private_key(ec.SECP256R1())
_public_key, _signature = _key.public_key(), _key.sign(_MESSAGE, _ECDSA)


def ruler_s() -> float:
    """Return the CPU seconds that 2,000 ES256 verifications take just now (about 0.15)."""
    began = time.thread_time()
    for _ in range(_ROUNDS):
        _public_key.verify(_signature, _MESSAGE, _ECDSA)
    return time.thread_time() - began
