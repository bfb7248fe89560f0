"""Concurrency limit: fewer requests are in work at a time than the server has threads.

A database that neither answers nor goes away (a paused server, a full lock queue) holds each request
that asks it. Without the limit these would soon hold all threads, and ``/livez`` would not answer. Those
that wait hold threads as well: only some wait for long, so that one thread always comes back soon.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from apps.errors import Busy
from apps.web.problems import refused

_PROBE = "/livez"
# No request needs as long; where all slots are held for longer, waiting would not help.
TIMEOUT_S = 10.0
# In the last thread a request waits only while others come to an end. One that probes is behind it.
LAST_THREAD_S = 1.0


class ConcurrencyLimit:
    """So many requests may be in work at a time; further ones wait until a slot becomes free.

    Args:
        count: slots.
        timeout_s: how long a request waits for one.
        waiting: how many may wait so long; further ones are refused as soon as no slot has changed
            hands for ``last_thread_s``, so the threads they wait in are free again.
        last_thread_s: see there.
    """

    def __init__(
        self,
        count: int,
        timeout_s: float,
        *,
        waiting: int = 1,
        last_thread_s: float = LAST_THREAD_S,
    ) -> None:
        self._free = threading.Semaphore(count)
        self._timeout_s = timeout_s
        self._waiting = threading.Semaphore(waiting)
        self._last_thread_s = last_thread_s
        self._changed_at = time.monotonic()

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a slot.

        Raises:
            Busy: none became free in time, or for so long that it is not worth waiting.
        """
        if not self._free.acquire(blocking=False) and not self._wait():
            raise Busy
        self._changed_at = time.monotonic()
        try:
            yield
        finally:
            self._changed_at = time.monotonic()
            self._free.release()

    def _wait(self) -> bool:
        """Wait for a slot; tell whether it was taken."""
        if not self._waiting.acquire(blocking=False):
            return self._wait_in_last_thread()
        try:
            # Taking a slot counts as well: after a quiet hour the first ones in a burst have only
            # just begun, and those behind them need not wait long.
            stuck = time.monotonic() - self._changed_at > self._timeout_s
            return not stuck and self._free.acquire(timeout=self._timeout_s)
        finally:
            self._waiting.release()

    def _wait_in_last_thread(self) -> bool:
        gives_up_at = time.monotonic() + self._timeout_s
        while True:
            until = min(self._changed_at + self._last_thread_s, gives_up_at)
            left = until - time.monotonic()
            if left <= 0:
                return False
            if self._free.acquire(timeout=left):
                return True


def limit_concurrency(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Let as many requests be in work as the settings say threads; ``/livez`` needs no slot."""
    limit = ConcurrencyLimit(
        settings.SEALWRIGHT["THREADS"],
        TIMEOUT_S,
        waiting=settings.SEALWRIGHT["SPARE_THREADS"] - 1,
        last_thread_s=LAST_THREAD_S,
    )

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path_info == _PROBE:
            return get_response(request)
        try:
            with limit.slot():
                return get_response(request)
        except Busy as error:
            return refused(request, error)

    return middleware
