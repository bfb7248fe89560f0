"""Rate limits: token buckets for callers, costly work, and addresses that send bad tokens.

Buckets live in the memory of each server process: a limit that asks a database or cache for
every call would cost more than most calls. The limits are therefore per process.
"""

import math
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from apps.errors import RateLimited

MAX_BUCKETS = 10_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


@dataclass(slots=True)
class Buckets:
    """Token buckets by key: as many calls at once as a minute allows, then evenly spread.

    Attributes:
        setting: name of the limit, calls a minute, in ``settings.SEALWRIGHT``; 0 = no limit.
    """

    setting: str
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _buckets: OrderedDict[str, _Bucket] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        """Return how many keys are remembered."""
        return len(self._buckets)

    def take(self, key: str, tokens: int = 1) -> float:
        """Take tokens; return 0, or the seconds until there are so many when there are not.

        The buckets least recently used are forgotten beyond 10 000: an attacker with many
        addresses cannot fill the memory, and a forgotten bucket is merely a full one.
        """
        limit: int = settings.SEALWRIGHT[self.setting]
        if limit == 0:
            return 0.0
        tokens = min(tokens, limit)  # more at once than a minute allows would wait for ever
        rate, now = limit / 60, time.monotonic()
        with self._lock:
            bucket = self._buckets.pop(key, None) or _Bucket(limit, now)
            bucket.tokens = min(limit, bucket.tokens + (now - bucket.filled_at) * rate)
            bucket.filled_at = now
            self._buckets[key] = bucket
            if len(self._buckets) > MAX_BUCKETS:
                self._buckets.popitem(last=False)
            if bucket.tokens < tokens:
                return (tokens - bucket.tokens) / rate
            bucket.tokens -= tokens
            return 0.0

    def clear(self) -> None:
        """Fill every bucket again."""
        with self._lock:
            self._buckets.clear()


calls = Buckets("API_RATE_PER_MINUTE")
failures = Buckets("AUTH_FAILURES_PER_MINUTE")
made_keys = Buckets("RSA_KEYS_PER_MINUTE")
made_files = Buckets("PKCS12_FILES_PER_MINUTE")


class CallerThrottle(BaseThrottle):
    """Bounds what one account, person or machine, calls; the answer is 429 with Retry-After."""

    def allow_request(self, request: Request, view: Any) -> bool:  # noqa: ARG002 - DRF's signature
        """Let the call go on.

        Raises:
            RateLimited: it may not; the answer says when the next one may.
        """
        user = request.user
        # Without an account there is no call: permissions were checked before.
        wait = calls.take(str(user.pk)) if user is not None else 0.0
        if wait:
            raise RateLimited(math.ceil(wait))
        return True


def charge(user: Any, further_calls: int) -> None:
    """Count a call that does the work of many as so many.

    Raises:
        RateLimited: the answer says when to come back.
    """
    wait = calls.take(str(user.pk), further_calls) if further_calls > 0 else 0.0
    if wait:
        raise RateLimited(math.ceil(wait))


def charge_key(application_id: UUID) -> None:
    """Count an RSA key that is to be made for an application.

    Raises:
        RateLimited: the answer says when to come back.
    """
    wait = made_keys.take(str(application_id))
    if wait:
        raise RateLimited(
            math.ceil(wait), "The server has made many RSA keys for this application: send a CSR."
        )


def charge_pkcs12(application_id: UUID | None) -> None:
    """Count a PKCS#12 file that is to be made for an application.

    Certificates without an application share one count.

    Raises:
        RateLimited: the answer says when to come back.
    """
    wait = made_files.take(str(application_id))
    if wait:
        raise RateLimited(
            math.ceil(wait), "The server has made many PKCS#12 files for this application."
        )


def note_failure(address: str) -> int:
    """Count a bad token from ``address``; return 0, or after how many seconds to try again.

    Valid tokens from the same address are not held up: behind one address may be many
    callers, and one of them must not lock out the others.
    """
    return math.ceil(failures.take(address))
