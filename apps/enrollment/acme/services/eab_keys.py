"""Management of EAB keys, for admin pages and API.

Each function checks the right to edit enrollment in the pairing's application first, and for a
secret the right to request certificates. Its audit event is recorded in the same transaction.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from apps import clock, sealing
from apps.applications import access
from apps.applications.roles import Permission
from apps.audit.events import Event
from apps.audit.record import record
from apps.enrollment.acme import identifiers, jws
from apps.enrollment.acme.models import AcmeAccount, AcmeEndpoint, EabKey
from apps.enrollment.acme.services import eab
from apps.enrollment.acme.services.account_revocation import revoke
from apps.enrollment.acme.services.endpoint_settings import network_violations, violation
from apps.enrollment.acme.services.rights import require_admission, require_edit
from apps.enrollment.acme.states import AccountStatus
from apps.errors import InvalidInput, InvalidTransition
from apps.principals import Principal

_MAX_NAME = 100


def eab_keys_of(principal: Principal, endpoint: AcmeEndpoint) -> QuerySet[EabKey]:
    """Return the EAB keys of an endpoint, newest first, without their secrets.

    Raises:
        NotFound, AccessDenied: the right to see the enrollment settings is missing.
    """
    access.require(principal, Permission.VIEW_ENROLLMENT, endpoint.pairing.application)
    return endpoint.eab_keys.defer("sealed_hmac_key")


def create_eab_key(
    principal: Principal,
    endpoint: AcmeEndpoint,
    *,
    name: str = "",
    reusable: bool = False,
    expires_at: datetime | None = None,
    restrict_to: Sequence[str] = (),
    networks: Sequence[str] = (),
) -> EabKey:
    """Make a key with which a client may register; its secret is shown by ``reveal_eab_key``.

    Args:
        principal: needs ``edit_enrollment`` and ``request_certificates`` in the application.
        endpoint: where it is good.
        name: for people.
        reusable: for any number of accounts rather than one.
        expires_at: no account can be made with it from then on.
        restrict_to: DNS patterns and networks that its accounts may have certificates for;
            empty for any. Where the endpoint skips validation, only listed names need no
            challenge.
        networks: source addresses (CIDR) of its accounts; empty for any.

    Raises:
        NotFound, AccessDenied: the right is missing.
        InvalidInput: lists everything that is wrong.
    """
    require_admission(principal, endpoint.pairing)
    wrong = network_violations("networks", networks)
    if len(name) > _MAX_NAME:
        wrong.append(violation("name", name, f"A name has at most {_MAX_NAME} characters."))
    if expires_at is not None and expires_at <= clock.now():
        wrong.append(violation("expires_at", expires_at, "The expiry lies in the past."))
    patterns: list[str] = []
    try:
        patterns = identifiers.canonical_patterns(restrict_to)
    except InvalidInput as error:
        wrong += error.violations
    if wrong:
        raise InvalidInput(wrong)
    key = EabKey(
        endpoint=endpoint,
        name=name,
        reusable=reusable,
        expires_at=expires_at,
        identifiers=patterns,
        networks=list(networks),
        created_by=principal.actor,
    )
    _seal_new_secret(key)
    with transaction.atomic():
        key.save(force_insert=True)
        _record_key(Event.ACME_EAB_CREATED, principal, key, **_terms_of(key))
    return key


def reveal_eab_key(principal: Principal, key: EabKey) -> str:
    """Return the secret (base64url) of a key, once.

    Raises:
        NotFound, AccessDenied: the right is missing.
        InvalidTransition: it has been shown before, or is revoked; ``rotate_eab_key`` makes a
            new secret.
    """
    require_admission(principal, key.endpoint.pairing)
    with transaction.atomic():
        locked = _locked(key)
        if locked.revealed_at is not None:
            raise InvalidTransition("The key has been shown; rotate it for a new secret.")
        secret = jws.encode(eab.hmac_key_of(locked))
        locked.revealed_at = key.revealed_at = clock.now()
        locked.save(update_fields=["revealed_at"])
        _record_key(Event.ACME_EAB_REVEALED, principal, locked)
    return secret


def rotate_eab_key(principal: Principal, key: EabKey) -> str:
    """Give a key another secret and return it; kid, terms and accounts stay.

    Raises:
        NotFound, AccessDenied: the right is missing.
        InvalidTransition: it is revoked.
    """
    require_admission(principal, key.endpoint.pairing)
    with transaction.atomic():
        locked = _locked(key)
        secret = _seal_new_secret(locked)
        locked.revealed_at = key.revealed_at = clock.now()
        locked.save(update_fields=["sealed_hmac_key", "revealed_at"])
        _record_key(Event.ACME_EAB_ROTATED, principal, locked)
    return secret


def revoke_eab_key(principal: Principal, key: EabKey, *, accounts: bool = False) -> EabKey:
    """Revoke a key: no account can be created with it, and its secret is deleted.

    Args:
        principal: needs ``edit_enrollment`` in the application.
        key: which.
        accounts: whether the accounts made with it end too.

    Raises:
        NotFound, AccessDenied: the right is missing.
        InvalidTransition: it is revoked already.
    """
    require_edit(principal, key.endpoint.pairing)
    with transaction.atomic():
        locked = _locked(key)
        locked.revoked_at = key.revoked_at = clock.now()
        locked.sealed_hmac_key = b""
        locked.save(update_fields=["revoked_at", "sealed_hmac_key"])
        ended = [revoke(principal, row) for row in _valid_accounts(locked)] if accounts else []
        _record_key(Event.ACME_EAB_REVOKED, principal, locked, accounts=ended)
    return locked


def _valid_accounts(key: EabKey) -> list[AcmeAccount]:
    return list(
        key.accounts.select_for_update(of=("self",))
        .select_related("endpoint__pairing")
        .filter(status=AccountStatus.VALID)
        .order_by("pk")
    )


def _locked(key: EabKey) -> EabKey:
    locked = EabKey.objects.select_for_update(of=("self",)).get(pk=key.pk)
    if locked.revoked_at is not None:
        raise InvalidTransition("The key is revoked.")
    return locked


def _seal_new_secret(key: EabKey) -> str:
    # A hyphen in front would make the secret an option on a client's command line.
    while jws.encode(secret := secrets.token_bytes(eab.KEY_BYTES)).startswith("-"):
        pass
    context = sealing.field_context(key, "sealed_hmac_key")
    key.sealed_hmac_key = sealing.seal(secret, context=context)
    return jws.encode(secret)


def _terms_of(key: EabKey) -> dict[str, Any]:
    return {
        "reusable": key.reusable,
        "expires_at": key.expires_at.isoformat() if key.expires_at else "",
        "identifiers": key.identifiers,
        "networks": key.networks,
    }


def _record_key(event: Event, principal: Principal, key: EabKey, **data: Any) -> None:
    record(
        event,
        principal=principal,
        subject=key,
        application_id=key.endpoint.pairing.application_id,
        kid=key.kid,
        **data,
    )
