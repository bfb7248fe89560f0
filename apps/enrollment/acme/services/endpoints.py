"""Management of ACME endpoints, their EAB keys and accounts, for admin pages and API.

Each function checks the right to edit enrollment in the pairing's application first, and records
its audit event in the same transaction.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from apps import clock, sealing
from apps.applications import access
from apps.applications.models import Pairing
from apps.applications.roles import Permission
from apps.audit.events import Event
from apps.audit.record import record
from apps.enrollment.acme import identifiers, jws, states
from apps.enrollment.acme.models import AcmeAccount, AcmeEndpoint, EabKey
from apps.enrollment.acme.services import eab
from apps.enrollment.acme.services.accounts import close_open_objects
from apps.enrollment.acme.services.endpoint_settings import (
    SETTINGS,
    apply_settings,
    network_violations,
    violation,
)
from apps.enrollment.acme.states import AccountStatus
from apps.errors import AlreadyExists, InvalidInput, InvalidTransition
from apps.principals import Principal, Scope

_MAX_NAME = 100


def enable_acme(principal: Principal, pairing: Pairing, **settings: Any) -> AcmeEndpoint:
    """Set ACME up for a pairing.

    Args:
        principal: needs ``edit_enrollment`` in the application.
        pairing: which application and profile.
        settings: columns of ``AcmeEndpoint``; others get their safe defaults.

    Raises:
        NotFound, AccessDenied: the right is missing.
        AlreadyExists: the pairing has an endpoint; see ``update_acme``.
        InvalidInput: lists every wrong setting, and the combination that would admit everyone.
    """
    _require(principal, pairing)
    endpoint = AcmeEndpoint(pairing=pairing)
    apply_settings(endpoint, settings)
    try:
        with transaction.atomic():
            endpoint.save(force_insert=True)
            _record(Event.ACME_ENDPOINT_CREATED, principal, endpoint, **_settings_of(endpoint))
    except IntegrityError as error:
        raise AlreadyExists("ACME is set up for this application and profile already.") from error
    return endpoint


def update_acme(principal: Principal, endpoint: AcmeEndpoint, **settings: Any) -> AcmeEndpoint:
    """Change settings of an endpoint; ``enabled=False`` closes it and keeps accounts and orders.

    Raises:
        NotFound, AccessDenied, InvalidInput: as ``enable_acme``.
    """
    _require(principal, endpoint.pairing)
    with transaction.atomic():
        locked = AcmeEndpoint.objects.select_for_update().get(pk=endpoint.pk)
        before = _settings_of(locked)
        apply_settings(locked, settings)
        locked.save()
        after = _settings_of(locked)
        changed = {name: value for name, value in after.items() if value != before[name]}
        _record(Event.ACME_ENDPOINT_UPDATED, principal, locked, changed=changed)
    for name in SETTINGS:
        setattr(endpoint, name, getattr(locked, name))
    return endpoint


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
        principal: needs ``edit_enrollment`` in the application.
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
    _require(principal, endpoint.pairing)
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
    _require(principal, key.endpoint.pairing)
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
    _require(principal, key.endpoint.pairing)
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
    _require(principal, key.endpoint.pairing)
    with transaction.atomic():
        locked = _locked(key)
        locked.revoked_at = key.revoked_at = clock.now()
        locked.sealed_hmac_key = b""
        locked.save(update_fields=["revoked_at", "sealed_hmac_key"])
        ended = [_revoke(principal, row) for row in _valid_accounts(locked)] if accounts else []
        _record_key(Event.ACME_EAB_REVOKED, principal, locked, accounts=ended)
    return locked


def revoke_account(principal: Principal, account: AcmeAccount) -> AcmeAccount:
    """Revoke an account; its certificates stay valid.

    Raises:
        NotFound, AccessDenied: the right is missing.
        InvalidTransition: it has ended already.
    """
    _require(principal, account.endpoint.pairing)
    with transaction.atomic():
        locked = AcmeAccount.objects.select_for_update(of=("self",)).get(pk=account.pk)
        _revoke(principal, locked)
    return locked


def _revoke(principal: Principal, row: AcmeAccount) -> str:
    states.transition(row, AccountStatus.REVOKED, states.ACCOUNT)
    row.save(update_fields=["status"])
    close_open_objects(row, "The account was revoked.")
    record(
        Event.ACME_ACCOUNT_REVOKED,
        principal=principal,
        subject=row,
        application_id=row.endpoint.pairing.application_id,
    )
    return row.url_id


def _valid_accounts(key: EabKey) -> list[AcmeAccount]:
    return list(
        key.accounts.select_for_update(of=("self",))
        .select_related("endpoint__pairing")
        .filter(status=AccountStatus.VALID)
        .order_by("pk")
    )


def _require(principal: Principal, pairing: Pairing) -> None:
    if principal.governs and principal.has_scope(Scope.MANAGE):
        return
    access.require(principal, Permission.EDIT_ENROLLMENT, pairing.application)


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


def _settings_of(endpoint: AcmeEndpoint) -> dict[str, Any]:
    return {name: getattr(endpoint, name) for name in SETTINGS}


def _terms_of(key: EabKey) -> dict[str, Any]:
    return {
        "reusable": key.reusable,
        "expires_at": key.expires_at.isoformat() if key.expires_at else "",
        "identifiers": key.identifiers,
        "networks": key.networks,
    }


def _record(event: Event, principal: Principal, endpoint: AcmeEndpoint, **data: Any) -> None:
    record(
        event,
        principal=principal,
        subject=endpoint,
        application_id=endpoint.pairing.application_id,
        **data,
    )


def _record_key(event: Event, principal: Principal, key: EabKey, **data: Any) -> None:
    record(
        event,
        principal=principal,
        subject=key,
        application_id=key.endpoint.pairing.application_id,
        kid=key.kid,
        **data,
    )
