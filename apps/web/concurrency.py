"""Concurrency limit: fewer requests are in work at a time than the server has threads.

A database that neither answers nor goes away (a paused server, a full lock queue) holds each request
that asks it. Without the limit these would soon hold all threads, and ``/livez`` would not answer.
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


class ConcurrencyLimit:
    """So many requests may be in work at a time; further ones wait until a slot becomes free.

    Args:
        count: slots.
        timeout_s: how long a request waits for one.
    """

    def __init__(self, count: int, timeout_s: float) -> None:
        self._free = threading.Semaphore(count)
        self._timeout_s = timeout_s
        self._changed_at = time.monotonic()

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a slot.

        Raises:
            Busy: none became free in time, or for so long that it is not worth waiting.
        """
        if not self._free.acquire(blocking=False):
            # Taking a slot counts as well: after a quiet hour the first ones in a burst have only
            # just begun, and those behind them need not wait long.
            stuck = time.monotonic() - self._changed_at > self._timeout_s
            if stuck or not self._free.acquire(timeout=self._timeout_s):
                raise Busy
        self._changed_at = time.monotonic()
        try:
            yield
        finally:
            self._changed_at = time.monotonic()
            self._free.release()


def limit_concurrency(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Let as many requests be in work as the settings say threads; ``/livez`` needs no slot."""
    limit = ConcurrencyLimit(settings.SEALWRIGHT["THREADS"], TIMEOUT_S)

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path_info == _PROBE:
            return get_response(request)
        try:
            with limit.slot():
                return get_response(request)
        except Busy as error:
            return refused(request, error)

    return middleware
