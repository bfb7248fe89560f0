"""Identifiers of rows (UUID version 7) and the stable labels of their models.

The identifier is fixed before the row is written, so that a ciphertext can be bound to it. It
rises with time, so that ``ORDER BY id`` is chronological: keyset paging needs no second column,
and inserts stay at one end of the index.
"""

import os
import threading
import time
import uuid
from datetime import datetime
from typing import Any

_VERSION_7 = 0x7 << 76
_VARIANT_RFC9562 = 0x2 << 62
_COUNTER_BITS = 12
_lock = threading.Lock()
_last = 0


def uuid7() -> uuid.UUID:
    """Return a new UUIDv7: 48 bits of Unix milliseconds, a 12-bit counter, 62 random bits.

    The counter makes identifiers of one process rise strictly, also within a millisecond
    and when the clock steps back (RFC 9562 sections 5.7 and 6.2, method 1).
    """
    global _last  # noqa: PLW0603 - one sequence per process is the point
    with _lock:
        now = (time.time_ns() // 1_000_000) << _COUNTER_BITS
        _last = max(now, _last + 1)
        moment = _last
    unix_ms, counter = moment >> _COUNTER_BITS, moment & 0xFFF
    random = int.from_bytes(os.urandom(8), "big") & 0x3FFF_FFFF_FFFF_FFFF
    return uuid.UUID(int=(unix_ms << 80) | _VERSION_7 | (counter << 64) | _VARIANT_RFC9562 | random)


def lowest_at(moment: datetime) -> uuid.UUID:
    """Return the lower bound of the identifiers that are made from a moment on."""
    return uuid.UUID(int=int(moment.timestamp() * 1000) << 80)


def label_of(model: Any) -> str:
    """Return the ``app_label.ModelName`` under which stored data refers to a model.

    Encryption contexts and audit rows hold this text for ever. A model that has moved to another
    app keeps its first label in the class attribute ``stored_label``.

    Args:
        model: a Django model class, or an instance of one.
    """
    return str(getattr(model, "stored_label", "") or model._meta.label)  # noqa: SLF001 - Django's documented Meta API
