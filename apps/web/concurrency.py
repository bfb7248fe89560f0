"""Places for requests in work: fewer than the server has threads, so that probes always find one.

A database that neither answers nor goes away (a paused server, a full lock queue) holds each request
that asks it. Without places these would soon be all threads, and ``/livez`` would not answer.
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
# No request needs as long; where all places are held for longer, waiting would not help.
PATIENCE_S = 10.0


class Places:
    """So many requests may be in work at a time; further ones wait while places become free."""

    def __init__(self, count: int, patience_s: float) -> None:
        self._free = threading.Semaphore(count)
        self._patience_s = patience_s
        self._freed_at = time.monotonic()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold one.

        Raises:
            Busy: none became free in time, or for so long that it is not worth waiting.
        """
        if not self._free.acquire(blocking=False):
            stuck = time.monotonic() - self._freed_at > self._patience_s
            if stuck or not self._free.acquire(timeout=self._patience_s):
                raise Busy
        try:
            yield
        finally:
            self._freed_at = time.monotonic()
            self._free.release()


def limit_requests(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Let as many requests be in work as the settings say threads; ``/livez`` needs no place."""
    places = Places(settings.SEALWRIGHT["THREADS"], PATIENCE_S)

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path_info == _PROBE:
            return get_response(request)
        try:
            with places.held():
                return get_response(request)
        except Busy as error:
            return refused(request, error)

    return middleware
