"""Bounds on costly work: few threads of a process and few cores of the machine do it at a time.

One operation of this kind takes a large part of a second. A few callers that ask for many would
otherwise take all threads and all cores of the server from everybody else.
"""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO

from django.conf import settings

from apps.errors import Busy

# Of this machine, whatever the number of processes: half of the cores.
SLOTS = max(1, (os.cpu_count() or 1) // 2)
_WAIT_S = 5.0
_POLL_S = 0.05


@contextmanager
def thread() -> Iterator[None]:
    """Do costly work in this thread: one of at most half of the process's threads.

    All kinds of costly work share that half: each with a half of its own would take them all.

    Raises:
        Busy: so many threads do costly work or wait for their turn; nobody waits beyond them.
    """
    threads = _threads()
    if not threads.acquire(blocking=False):
        raise Busy
    try:
        yield
    finally:
        threads.release()


@contextmanager
def turn() -> Iterator[None]:
    """Do work that keeps a core busy, when one of the machine's slots is free, in such a thread.

    Raises:
        Busy: as ``thread``, or no slot became free within seconds.
    """
    with thread(), _slot():
        yield


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
            with (folder / f"costly-{number}").open("ab") as file:
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
