"""Is this nonce ours, fresh and unused? RFC 8555 section 6.5.

A nonce is made without being stored: end of life (4 octets) and 96 random bits, under an HMAC
that every process and host can check. Using one inserts its first half, which is the primary
key of a table that all share: the database decides between a hundred parallel uses.
"""

import base64
import hmac
import os
import re
from functools import lru_cache
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from apps import clock
from apps.enrollment.acme.models import AcmeUsedNonce
from apps.enrollment.acme.problems import Refusal, Type
from apps.errors import Malformed
from apps.statements import execution
from apps.statements.lookups import Asked, Joined, raw_rows
from apps.statements.sql import HASTY

LIFETIME_S = 3600
_TIME_OCTETS, _RANDOM_OCTETS, _TAG_OCTETS = 4, 12, 16
_BODY_OCTETS = _TIME_OCTETS + _RANDOM_OCTETS
_FORM = re.compile(r"[A-Za-z0-9_-]+")
_LENGTH = 43
_LABEL = b"sealwright acme nonces v1"


def issue() -> str:
    """Return a fresh nonce, good for one request within the next hour."""
    ends = int(clock.now().timestamp()) + LIFETIME_S
    body = ends.to_bytes(_TIME_OCTETS, "big") + os.urandom(_RANDOM_OCTETS)
    return base64.urlsafe_b64encode(body + _tag(body)).rstrip(b"=").decode()


def check(nonce: object) -> UUID:
    """Return what ``consume`` takes, without asking the database.

    Raises:
        Malformed: not base64url (A-05).
        Refusal: badNonce, missing, forged or expired.
    """
    if nonce is None:
        raise _bad()
    if not isinstance(nonce, str) or not _FORM.fullmatch(nonce):
        raise Malformed("The nonce is not base64url.")
    if len(nonce) != _LENGTH:
        raise _bad()
    data = base64.urlsafe_b64decode(nonce + "=")
    body, tag = data[:_BODY_OCTETS], data[_BODY_OCTETS:]
    if not hmac.compare_digest(_tag(body), tag):
        raise _bad()
    if int.from_bytes(body[:_TIME_OCTETS], "big") <= clock.now().timestamp():
        raise _bad()
    return UUID(bytes=body)


def consume(nonce: UUID) -> None:
    """Use a checked nonce up; of any number of parallel callers one succeeds.

    The statement commits by itself: a request that is refused later has used its nonce too.
    On PostgreSQL it does not wait for the disk, because losing the last moments before a
    crash of the database host is no more than what the client could have sent again.

    Raises:
        Refusal: badNonce, used before.
    """
    here = execution.here()
    if execution.affected(here, _use(here), [_stored(nonce, here)]) != 1:
        raise _bad()


def consume_and_find(nonce: UUID, *asked: Asked) -> list[list[tuple[Any, ...]]]:
    """Use a nonce up and run queries, in one statement where the database can.

    Args:
        nonce: checked before.
        asked: as for ``lookups.Joined``.

    Returns:
        The raw rows that each query found.

    Raises:
        Refusal: badNonce, used before.
    """
    here = execution.here()
    if here.vendor != "postgresql" or not asked:
        consume(nonce)
        return raw_rows(*asked)
    joined = Joined(asked)
    sql = _use_and_find(joined.columns, joined.source)
    rows = execution.fetch_all(here, sql, [_stored(nonce, here), *joined.values])
    if not rows[0][0]:
        raise _bad()
    return joined.split([row[1:] for row in rows])


@lru_cache(maxsize=64)
def _use_and_find(columns: str, source: str) -> str:
    used = f"{_hasty(_table())} RETURNING 1)"
    return f"{used} SELECT EXISTS (SELECT 1 FROM used), {columns} {source}"  # noqa: S608 - made of compiled queries


def _use(here: Any) -> str:
    if here.vendor == "postgresql":
        return f"{_hasty(_table())} RETURNING 1) SELECT 1 FROM used"  # noqa: S608 - a constant table name
    return f"INSERT INTO {_table()} (nonce) VALUES (%s) ON CONFLICT DO NOTHING"  # noqa: S608 - a constant table name


def _hasty(table: str) -> str:
    return (
        f"WITH {HASTY}, "  # noqa: S608 - a constant table name
        f"used AS (INSERT INTO {table} (nonce) SELECT %s::uuid FROM hasty ON CONFLICT DO NOTHING"
    )


def _table() -> str:
    name: str = AcmeUsedNonce._meta.db_table  # noqa: SLF001 - Django's documented Meta API
    return f'"{name}"'


def _stored(nonce: UUID, here: Any) -> str:
    return str(nonce) if here.vendor == "postgresql" else nonce.hex


def purge() -> str:
    """Forget used nonces whose time is over; they are refused for their age from now on."""
    now = int(clock.now().timestamp())
    bound = UUID(bytes=now.to_bytes(_TIME_OCTETS, "big") + bytes(_RANDOM_OCTETS))
    deleted = AcmeUsedNonce.objects.filter(nonce__lt=bound)._raw_delete("default")  # noqa: SLF001 - nothing refers to these rows
    return f"forgot {deleted} nonces"


def _tag(body: bytes) -> bytes:
    return hmac.digest(_key(settings.SECRET_KEY), body, "sha256")[:_TAG_OCTETS]


@lru_cache(maxsize=4)
def _key(secret: str) -> bytes:
    """Return the key of this purpose; all hosts of an installation share Django's secret."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=_LABEL).derive(secret.encode())


def _bad() -> Refusal:
    return Refusal(Type.BAD_NONCE, "The nonce is not one that can be used; take the new one.")
