"""Generation of private keys: RSA keys few at a time, and behind everything else.

An RSA key takes up to a second of a core; every other algorithm takes less than a millisecond.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from apps import costly
from pki import keys
from pki.algorithms import KeyAlgorithm

_NICE = 5


def is_slow(algorithm: KeyAlgorithm) -> bool:
    """Tell whether a key of this algorithm takes time worth bounding."""
    return algorithm.value.startswith("rsa-")


def generate(
    algorithm: KeyAlgorithm, *, admit: Callable[[], None] = lambda: None
) -> PrivateKeyTypes:
    """Return a new private key.

    Args:
        algorithm: of the key.
        admit: called when the turn of an RSA key has come, immediately before it is made; may
            raise.

    Raises:
        Busy: too much costly work is being done; others wait already.
    """
    if not is_slow(algorithm):
        return keys.generate_private_key(algorithm)
    with costly.turn(), ThreadPoolExecutor(1, initializer=_step_back) as one:
        admit()
        return one.submit(keys.generate_private_key, algorithm).result()


def _step_back() -> None:
    """Let other threads and processes go first: on Linux, a priority belongs to a thread.

    It cannot be raised again without a privilege, hence a thread for each key.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
