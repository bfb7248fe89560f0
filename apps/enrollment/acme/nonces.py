"""Replay nonces of ACME requests (RFC 8555 section 6.5).

A nonce is issued without storing it: four octets of expiry time and 96 random bits, followed by
an HMAC that every process and host can check. Using one inserts its first half, which is the
primary key of a table that all share, so the database decides between parallel uses.
"""

import base64
import hmac
import os
import re
from functools import lru_cache
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from apps import clock
from apps.enrollment.acme.models import AcmeUsedNonce
from apps.enrollment.acme.problems import Refusal, Type
from apps.errors import Malformed
from apps.statements import execution

LIFETIME_S = 3600
_TIME_OCTETS, _RANDOM_OCTETS, _TAG_OCTETS = 4, 12, 16
_BODY_OCTETS = _TIME_OCTETS + _RANDOM_OCTETS
_FORM = re.compile(r"[A-Za-z0-9_-]+")
_LENGTH = 43
_LABEL = b"sealwright acme nonces v1"
_TABLE = AcmeUsedNonce._meta.db_table  # noqa: SLF001 - Django's documented Meta API
_INSERT = f'INSERT INTO "{_TABLE}" (nonce) VALUES (%s) ON CONFLICT DO NOTHING'  # noqa: S608 - a constant


def issue() -> str:
    """Return a new nonce, good for one request within ``LIFETIME_S`` seconds."""
    ends = int(clock.now().timestamp()) + LIFETIME_S
    body = ends.to_bytes(_TIME_OCTETS, "big") + os.urandom(_RANDOM_OCTETS)
    return base64.urlsafe_b64encode(body + _tag(body)).rstrip(b"=").decode()


def check(nonce: object) -> UUID:
    """Check form, HMAC and age of a nonce without asking the database.

    Returns:
        The value that ``consume`` takes.

    Raises:
        Malformed: it is not base64url (RFC 8555 section 6.5.1).
        Refusal: badNonce: missing, forged or expired.
    """
    if nonce is None:
        raise _bad_nonce()
    if not isinstance(nonce, str) or not _FORM.fullmatch(nonce):
        raise Malformed("The nonce is not base64url.")
    if len(nonce) != _LENGTH:
        raise _bad_nonce()
    data = base64.urlsafe_b64decode(nonce + "=")
    body, tag = data[:_BODY_OCTETS], data[_BODY_OCTETS:]
    if not hmac.compare_digest(_tag(body), tag):
        raise _bad_nonce()
    if int.from_bytes(body[:_TIME_OCTETS], "big") <= clock.now().timestamp():
        raise _bad_nonce()
    return UUID(bytes=body)


def consume(nonce: UUID) -> None:
    """Use up a checked nonce; of any number of parallel callers one succeeds.

    The statement commits by itself: a request that is refused afterwards has used its nonce too.

    Raises:
        Refusal: badNonce: it was used before.
    """
    stored = AcmeUsedNonce._meta.get_field("nonce").get_db_prep_value(nonce, execution.here())  # noqa: SLF001 - Django's documented Meta API
    if execution.affected(_INSERT, [stored]) != 1:
        raise _bad_nonce()


def purge() -> str:
    """Delete used nonces that have expired; from then on their age alone refuses them.

    The primary key begins with the expiry time, so they are one range of it.
    """
    now = int(clock.now().timestamp())
    bound = UUID(bytes=now.to_bytes(_TIME_OCTETS, "big") + bytes(_RANDOM_OCTETS))
    deleted, _ = AcmeUsedNonce.objects.filter(nonce__lt=bound).delete()
    return f"deleted {deleted} nonces"


def _tag(body: bytes) -> bytes:
    return hmac.digest(_key(settings.SECRET_KEY), body, "sha256")[:_TAG_OCTETS]


@lru_cache(maxsize=4)
def _key(secret: str) -> bytes:
    """Return the HMAC key; all hosts of an installation derive it from Django's secret."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=_LABEL).derive(secret.encode())


def _bad_nonce() -> Refusal:
    return Refusal(Type.BAD_NONCE, "The nonce is not one that can be used; take the new one.")
