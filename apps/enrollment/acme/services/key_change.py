"""Key change of ACME accounts (RFC 8555 section 7.3.5)."""

from dataclasses import replace

from django.db import IntegrityError, transaction

from apps.audit.events import Event
from apps.audit.record import record
from apps.enrollment.acme import jws
from apps.enrollment.acme.auth import Account, SignedRequest
from apps.enrollment.acme.endpoint_config import path_of
from apps.enrollment.acme.models import AcmeAccount
from apps.enrollment.acme.problems import Refusal, Type
from apps.errors import Malformed


def change(signed: SignedRequest) -> Account:
    """Replace the account's key by the key that signed the inner JWS; open objects stay open.

    Raises:
        Malformed: the inner JWS or its payload is not what the RFC asks for.
        BadPublicKey, BadAlgorithm, BadMessageSignature: the new key cannot be used, or did not
            sign.
        Refusal: the new key has an account already (409 with its Location).
    """
    account = signed.signing_account()
    inner = jws.parse_members(signed.payload())
    jwk = inner.header.get("jwk")
    key = jws.load_key(jwk)
    jws.verify(inner, key)
    if "kid" in inner.header or "nonce" in inner.header:
        raise Malformed("The inner header has neither kid nor nonce.")
    if path_of(inner.text("url")) != path_of(signed.url):
        raise Malformed("The inner url is not that of the outer JWS.")
    _require_account(signed, account, inner)
    assert isinstance(jwk, dict)
    return _store(signed, account, jwk)


def _require_account(signed: SignedRequest, account: Account, inner: jws.Jws) -> None:
    """Check that the inner JWS names this account and its present key."""
    asked = inner.json()
    if signed.config.account_named_by(asked.get("account")) != account.url_id:
        raise Malformed("account is not the account that signed the outer JWS.")
    old_key = asked.get("oldKey")
    if not isinstance(old_key, dict):
        raise Malformed("oldKey is the JWK of the account's present key.")
    jws.load_key(old_key)
    if jws.thumbprint(old_key) != account.thumbprint:
        raise Malformed("oldKey is not the account's present key.")


def _store(signed: SignedRequest, account: Account, jwk: dict[str, str]) -> Account:
    thumbprint = jws.thumbprint(jwk)
    accounts = AcmeAccount.objects.filter(endpoint_id=signed.config.endpoint_id)
    try:
        with transaction.atomic():
            row = accounts.select_for_update().get(pk=account.id)
            if row.thumbprint != account.thumbprint:
                raise Malformed("The account's key has been changed meanwhile.")
            if thumbprint == row.thumbprint:
                raise _taken(signed, account.url_id)
            # dns-persist-01 records that name a former key stay good (draft section 4.2).
            former = [item for item in row.former_thumbprints if item != row.thumbprint]
            row.former_thumbprints = [row.thumbprint, *former]
            row.jwk, row.thumbprint = jws.canonical(jwk), thumbprint
            row.save(update_fields=["jwk", "thumbprint", "former_thumbprints"])
            record(
                Event.ACME_ACCOUNT_KEY_CHANGED,
                principal=signed.principal(),
                subject=row,
                application_id=signed.config.application_id,
                before=account.thumbprint,
                after=thumbprint,
            )
    except IntegrityError as error:
        owner = accounts.filter(thumbprint=thumbprint).values_list("url_id", flat=True).first()
        raise _taken(signed, owner or "") from error
    return replace(account, jwk=row.jwk, key=jws.load_key(row.jwk), thumbprint=thumbprint)


def _taken(signed: SignedRequest, url_id: str) -> Refusal:
    return Refusal(
        Type.MALFORMED,
        "The new key has an account already.",
        status=409,
        headers={"Location": signed.config.url("acct", url_id)},
    )
