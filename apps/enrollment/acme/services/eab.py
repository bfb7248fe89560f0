"""External account binding of new accounts (RFC 8555 section 7.3.4)."""

from typing import Any

from django.db.models import F, Q

from apps import clock, sealing
from apps.applications.tokens import is_in_networks
from apps.enrollment.acme import jws
from apps.enrollment.acme.auth import SignedRequest
from apps.enrollment.acme.endpoint_config import path_of
from apps.enrollment.acme.models import EabKey
from apps.enrollment.acme.problems import Refusal, Type
from apps.errors import BadMessageSignature, Malformed
from apps.statements.lookups import TEXT, RowLookup

KEY_BYTES = 32
STATES = ("usable", "used", "expired", "revoked")
_MEMBER = "externalAccountBinding"
# Verified in place of an unknown key, so that the answer takes as long whether a kid exists or not.
_DUMMY_SECRET = b"\0" * KEY_BYTES

_BY_KID = RowLookup(EabKey, lambda kid: EabKey.objects.filter(kid=kid).order_by(), kid=TEXT)


def key_from_binding(signed: SignedRequest, payload: dict[str, Any]) -> EabKey | None:
    """Return the EAB key that signed a new account's binding.

    Args:
        signed: the newAccount request.
        payload: its payload.

    Returns:
        The key, to be passed to ``count_use``; ``None`` when the endpoint needs none and the
        request has no binding.

    Raises:
        Refusal: there is no binding, its key is unknown, used, expired, revoked or for another
            address, or it is not for this account key and URL.
        Malformed: the binding cannot be read.
    """
    given = payload.get(_MEMBER)
    if given is None:
        if signed.config.require_eab:
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
    if path_of(inner.text("url")) != path_of(signed.url):
        raise _not_accepted("its url is not that of the request")
    key = _BY_KID.first(inner.text("kid"))
    if key is not None and key.endpoint_id != signed.config.endpoint_id:
        key = None
    _verify(inner, key)
    assert key is not None
    if not _same_key(inner, signed):
        raise _not_accepted("it is for another account key")
    refusal = _reason_unusable(key, signed.ip)
    if refusal:
        raise _not_accepted(refusal)
    return key


def count_use(key: EabKey) -> None:
    """Count a use of the key, in the transaction that creates the account.

    Raises:
        Refusal: a single-use key was used by a parallel request, or the key was revoked.
    """
    now = clock.now()
    usable = EabKey.objects.filter(
        Q(reusable=True) | Q(used_count=0),
        Q(expires_at=None) | Q(expires_at__gt=now),
        pk=key.pk,
        revoked_at=None,
    )
    if not usable.update(used_count=F("used_count") + 1, last_used_at=now):
        raise _not_accepted("the key has been used")


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
    secret = hmac_key_of(key) if usable and key is not None else _DUMMY_SECRET
    try:
        jws.verify_mac(inner, secret)
    except BadMessageSignature as error:
        raise _not_accepted("kid and HMAC key do not match") from error
    if not usable:
        raise _not_accepted("kid and HMAC key do not match")


def _same_key(inner: jws.Jws, signed: SignedRequest) -> bool:
    """Compare by thumbprint: spelling and further members of a JWK mean nothing."""
    assert signed.jwk is not None
    bound = inner.json()
    jws.load_key(bound)
    return jws.thumbprint(bound) == jws.thumbprint(signed.jwk)


def _reason_unusable(key: EabKey, ip: str) -> str:
    if key.revoked_at is not None:
        return "the key is revoked"
    if key.expires_at is not None and key.expires_at <= clock.now():
        return "the key has expired"
    if not key.reusable and key.used_count:
        return "the key has been used"
    if key.networks and not is_in_networks(ip, key.networks):
        return "the key may not be used from this address"
    return ""


def _not_accepted(why: str) -> Refusal:
    return Refusal(Type.UNAUTHORIZED, f"The external account binding is not accepted: {why}.")
