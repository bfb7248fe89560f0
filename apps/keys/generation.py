"""Generation of private keys: RSA keys few at a time, and behind everything else.

An RSA key takes up to a second of a core; every other algorithm takes less than a millisecond. A
few callers that ask for many of them would otherwise take all cores and all threads of the server.
"""

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO

from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from django.conf import settings

from apps.errors import Busy
from pki import keys
from pki.algorithms import KeyAlgorithm

# Of this machine, whatever the number of processes: half of the cores.
SLOTS = max(1, (os.cpu_count() or 1) // 2)
_WAIT_S = 5.0
_POLL_S = 0.05
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
        Busy: too many RSA keys are being made; others wait already.
    """
    if not is_slow(algorithm):
        return keys.generate_private_key(algorithm)
    # Half of a process's threads may be here; the others are for everybody else.
    threads = _threads()
    if not threads.acquire(blocking=False):
        raise Busy
    try:
        with _slot(), ThreadPoolExecutor(1, initializer=_step_back) as one:
            admit()
            return one.submit(keys.generate_private_key, algorithm).result()
    finally:
        threads.release()


@cache
def _threads() -> threading.Semaphore:
    return threading.Semaphore(max(1, settings.SEALWRIGHT["THREADS"] // 2))


@contextmanager
def _slot() -> Iterator[None]:
    """Hold one of the machine's slots: a locked file, which a process that dies lets go.

    Raises:
        Busy: none became free within seconds.
    """
    folder = Path(settings.SEALWRIGHT["HOME"]) / "locks"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    gives_up_at = time.monotonic() + _WAIT_S
    while True:
        for number in range(SLOTS):
            with (folder / f"rsa-key-{number}").open("ab") as file:
                if _locked(file):
                    yield
                    return
        if time.monotonic() > gives_up_at:
            raise Busy
        time.sleep(_POLL_S)


def _locked(file: IO[bytes]) -> bool:
    """Lock an open file: threads of one process that opened it each exclude each other as well."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _step_back() -> None:
    """Let other threads and processes go first: on Linux, a priority belongs to a thread.

    It cannot be raised again without a privilege, hence a thread for each key.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
