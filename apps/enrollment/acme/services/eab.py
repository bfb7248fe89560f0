"""Who let this client in? External account binding (RFC 8555 section 7.3.4, A-14)."""

from typing import Any

from django.db.models import F, Q

from apps import clock, sealing
from apps.enrollment.acme import jws
from apps.enrollment.acme.auth import Signed, inside
from apps.enrollment.acme.models import EabKey
from apps.enrollment.acme.problems import Refusal, Type
from apps.errors import BadMessageSignature, Malformed
from apps.statements.lookups import TEXT, RowLookup

KEY_BYTES = 32
STATES = ("usable", "used", "expired", "revoked")
_MEMBER = "externalAccountBinding"
# Stands in for an unknown key, so that an answer takes as long whether a kid exists or not.
_NOBODY = b"\0" * KEY_BYTES

_BY_KID = RowLookup(EabKey, lambda kid: EabKey.objects.filter(kid=kid).order_by(), kid=TEXT)


def bound_key(signed: Signed, payload: dict[str, Any]) -> EabKey | None:
    """Return the EAB key with which a new account's key is vouched for.

    Args:
        signed: the newAccount request.
        payload: its payload.

    Returns:
        The key, to be used up by ``use``; ``None`` when the endpoint needs none and the
        client brought none.

    Raises:
        Refusal: none was brought, it is unknown, spent, expired, revoked or for others, or
            the binding is not for this account key and URL.
        Malformed: the binding cannot be read.
    """
    given = payload.get(_MEMBER)
    if given is None:
        if signed.door.require_eab:
            raise Refusal(
                Type.EXTERNAL_ACCOUNT_REQUIRED,
                "New accounts here need an external account binding key: ask for kid and HMAC key.",
            )
        return None
    if not isinstance(given, dict):
        raise Malformed(f"{_MEMBER} is a JWS.")
    inner = jws.parse_members(given)
    if "nonce" in inner.header:
        raise Malformed(f"The {_MEMBER} has no nonce.")
    if inner.text("url") != signed.url:
        raise _not_bound("its url is not that of the request")
    key = _BY_KID.first(inner.text("kid"))
    if key is not None and key.endpoint_id != signed.door.endpoint_id:
        key = None
    _verify(inner, key)
    assert key is not None
    if not _same_key(inner, signed):
        raise _not_bound("it is for another account key")
    refusal = _why_not(key, signed.ip)
    if refusal:
        raise _not_bound(refusal)
    return key


def use(key: EabKey) -> None:
    """Count a use, in the transaction that makes the account; a single-use key is spent.

    Raises:
        Refusal: somebody else was first, or it was revoked meanwhile.
    """
    now = clock.now()
    usable = EabKey.objects.filter(
        Q(reusable=True) | Q(used_count=0),
        Q(expires_at=None) | Q(expires_at__gt=now),
        pk=key.pk,
        revoked_at=None,
    )
    if not usable.update(used_count=F("used_count") + 1, last_used_at=now):
        raise _not_bound("the key has been used")


def state_of(key: EabKey) -> str:
    """Return one of ``STATES``: whether a key still lets clients register, and if not why."""
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is not None and key.expires_at <= clock.now():
        return "expired"
    return "used" if key.used_count and not key.reusable else "usable"


def hmac_key_of(key: EabKey) -> bytes:
    """Return the secret of a key."""
    return sealing.unseal(
        bytes(key.sealed_hmac_key), context=sealing.field_context(key, "sealed_hmac_key")
    )


def _verify(inner: jws.Jws, key: EabKey | None) -> None:
    usable = key is not None and bool(key.sealed_hmac_key)
    secret = hmac_key_of(key) if usable and key is not None else _NOBODY
    try:
        jws.verify_mac(inner, secret)
    except BadMessageSignature as error:
        raise _not_bound("kid and HMAC key do not match") from error
    if not usable:
        raise _not_bound("kid and HMAC key do not match")


def _same_key(inner: jws.Jws, signed: Signed) -> bool:
    """Compare by thumbprint: spelling and further members of a JWK mean nothing."""
    assert signed.jwk is not None
    bound = inner.json()
    jws.load_key(bound)
    return jws.thumbprint(bound) == jws.thumbprint(signed.jwk)


def _why_not(key: EabKey, ip: str) -> str:
    if key.revoked_at is not None:
        return "the key is revoked"
    if key.expires_at is not None and key.expires_at <= clock.now():
        return "the key has expired"
    if not key.reusable and key.used_count:
        return "the key has been used"
    if key.networks and not inside(ip, key.networks):
        return "the key may not be used from this address"
    return ""


def _not_bound(why: str) -> Refusal:
    return Refusal(Type.UNAUTHORIZED, f"The external account binding is not accepted: {why}.")
