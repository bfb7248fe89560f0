"""ACME accounts: registration, contacts, deactivation and order lists (RFC 8555 section 7.3)."""

import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from django.db import IntegrityError, transaction

from apps.audit.events import Event
from apps.audit.record import record
from apps.enrollment.acme import jws
from apps.enrollment.acme.auth import (
    Account,
    SignedRequest,
    account_principal,
    account_with_thumbprint,
)
from apps.enrollment.acme.models import AcmeAccount, AcmeAuthorization, AcmeOrder, EabKey
from apps.enrollment.acme.problems import Refusal, Subproblem, Type, document, refusal_of
from apps.enrollment.acme.services import eab, limits
from apps.enrollment.acme.states import (
    ACCOUNT,
    AccountStatus,
    AuthorizationStatus,
    OrderStatus,
    transition,
)
from apps.errors import AuthenticationFailed, Malformed
from apps.statements import writes

MAX_CONTACTS = 10
_MAX_CONTACT = 320
# Lenient on purpose: mail to a wrong address bounces. Header fields and lists are refused.
_ADDRESS = re.compile(r"[^\s@,;<>?%&]+@[^\s@,;<>?%&]+")
ORDERS_PER_PAGE = 50
_Judged = TypeVar("_Judged")


@dataclass(frozen=True, slots=True)
class Registration:
    """The answer to newAccount: the account, and whether it is new."""

    account: Account
    created: bool


def register(signed: SignedRequest) -> Registration:
    """Return the account of the key that signed; create it when there is none (7.3, 7.3.1).

    An existing account is found by its key alone: contacts, terms and external account
    binding are read for new accounts only, so ``onlyReturnExisting`` never needs a binding.

    Raises:
        Refusal: no such account, no (acceptable) external account binding, terms not agreed
            to, unusable contacts.
        AuthenticationFailed: the account was deactivated or revoked.
        RateLimited: too many accounts from this address.
    """
    assert signed.jwk is not None
    payload = signed.payload()
    thumbprint = jws.thumbprint(signed.jwk)
    found = _existing(signed, thumbprint)
    if found is not None:
        return Registration(found, created=False)
    if payload.get("onlyReturnExisting") is True:
        raise Refusal(Type.ACCOUNT_DOES_NOT_EXIST, "No account has this key.")
    try:
        _create(signed, payload, thumbprint)
    except (IntegrityError, Refusal):
        # The same key was registered by a parallel request: both get the same account, also
        # when the first of them has used up the binding.
        found = _existing(signed, thumbprint)
        if found is None:
            raise
        return Registration(found, created=False)
    created = account_with_thumbprint(signed.config, thumbprint)
    assert created is not None
    return Registration(created, created=True)


def _create(signed: SignedRequest, payload: dict[str, Any], thumbprint: str) -> None:
    assert signed.jwk is not None
    contacts, key = _read_registration(signed, payload)
    limits.check_new_account(signed.config, signed.ip)
    row = AcmeAccount(
        endpoint_id=signed.config.endpoint_id,
        thumbprint=thumbprint,
        jwk=jws.canonical(signed.jwk),
        contacts=list(contacts),
        terms_agreed=payload.get("termsOfServiceAgreed") is True,
        eab_key=key,
        created_ip=signed.ip or None,
    )
    with transaction.atomic() if key is not None else nullcontext(), writes.batch():
        if key is not None:
            eab.count_use(key)
        writes.insert(row)
        record(
            Event.ACME_ACCOUNT_CREATED,
            principal=account_principal(signed.config, row.pk, row.url_id, signed.ip),
            subject=row,
            application_id=signed.config.application_id,
            thumbprint=thumbprint,
            contacts=list(contacts),
            eab_kid=key.kid if key is not None else "",
        )


def update(signed: SignedRequest) -> Account:
    """Change contacts or deactivate; everything else in the payload is ignored (7.3.2, 7.3.6).

    Raises:
        Malformed: a status other than ``deactivated``.
        Refusal: unusable contacts.
    """
    account = signed.signing_account()
    if not signed.jws.payload:
        return account
    payload = signed.payload()
    status = payload.get("status")
    if status == AccountStatus.DEACTIVATED:
        return deactivate(signed)
    if status not in (None, AccountStatus.VALID):
        raise Malformed("The only status that a client can ask for is 'deactivated'.")
    if "contact" not in payload:
        return account
    contacts = read_contacts(payload["contact"])
    with transaction.atomic():
        row = _locked(account)
        row.contacts = list(contacts)
        row.save(update_fields=["contacts"])
        _record(Event.ACME_ACCOUNT_UPDATED, signed, row, contacts=row.contacts)
    return replace(account, contacts=contacts)


def deactivate(signed: SignedRequest) -> Account:
    """Deactivate the account and close its open objects; certificates stay valid (7.3.6)."""
    account = signed.signing_account()
    with transaction.atomic():
        row = _locked(account)
        transition(row, AccountStatus.DEACTIVATED, ACCOUNT)
        row.save(update_fields=["status"])
        close_open_objects(row, "The account was deactivated.")
        _record(Event.ACME_ACCOUNT_DEACTIVATED, signed, row)
    return replace(account, status=row.status)


def close_open_objects(row: AcmeAccount, reason: str) -> None:
    """Close open orders and authorizations of an account, in the caller's transaction."""
    AcmeOrder.objects.filter(
        account=row, status__in=[OrderStatus.PENDING, OrderStatus.READY]
    ).update(status=OrderStatus.INVALID, error=document(Type.UNAUTHORIZED, reason))
    AcmeAuthorization.objects.filter(
        account=row, status__in=[AuthorizationStatus.PENDING, AuthorizationStatus.VALID]
    ).update(status=AuthorizationStatus.DEACTIVATED)


def orders_page(signed: SignedRequest, cursor: str) -> tuple[list[str], str]:
    """Return the URL ids of one page of orders, newest first, and the next cursor (7.1.2.1).

    Invalid orders are left out, as the RFC suggests.

    Args:
        signed: the request.
        cursor: URL id of the last order of the page before; empty for the first page.

    Raises:
        Malformed: the cursor is not one of this account's orders.
    """
    mine = AcmeOrder.objects.filter(account_id=signed.signing_account().id)
    rows = mine.exclude(status=OrderStatus.INVALID)
    if cursor:
        last = mine.filter(url_id=cursor).values_list("pk", flat=True).first()
        if last is None:
            raise Malformed("The cursor names no order.")
        rows = rows.filter(pk__lt=last)
    page = list(rows.order_by("-pk").values_list("url_id", flat=True)[: ORDERS_PER_PAGE + 1])
    more = len(page) > ORDERS_PER_PAGE
    page = page[:ORDERS_PER_PAGE]
    return page, page[-1] if more else ""


def read_contacts(listed: object) -> tuple[str, ...]:
    """Return the contact URLs of a payload; none is fine (A-12).

    Raises:
        Malformed: no list of texts.
        Refusal: unsupportedContact or invalidContact; every unusable contact is named.
    """
    if listed is None:
        return ()
    if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
        raise Malformed("contact is a list of URLs.")
    if len(listed) > MAX_CONTACTS:
        text = f"contact lists {len(listed)} URLs; an account has at most {MAX_CONTACTS}."
        raise Refusal(Type.INVALID_CONTACT, text)
    faults = [
        (None, *fault)
        for index, item in enumerate(listed)
        if (fault := _contact_fault(index, item))
    ]
    if faults:
        raise refusal_of(faults)
    return tuple(listed)


def _contact_fault(index: int, contact: str) -> tuple[Type, str] | None:
    name = f"contact[{index}]"
    scheme, _, address = contact.partition(":")
    if scheme.lower() != "mailto":
        return Type.UNSUPPORTED_CONTACT, f"{name} is not a mailto: URL."
    if len(contact) > _MAX_CONTACT:
        text = f"{name} has {len(contact)} characters; at most {_MAX_CONTACT} are taken."
        return Type.INVALID_CONTACT, text
    if not _ADDRESS.fullmatch(address):
        return Type.INVALID_CONTACT, f"{name} is not mailto: with one plain address."
    return None


def _existing(signed: SignedRequest, thumbprint: str) -> Account | None:
    """Return the account of a key.

    Raises:
        AuthenticationFailed: it was deactivated or revoked.
    """
    account = account_with_thumbprint(signed.config, thumbprint)
    if account is not None and account.status != AccountStatus.VALID:
        raise AuthenticationFailed(f"The account is {account.status}.")
    return account


def _read_registration(
    signed: SignedRequest, payload: dict[str, Any]
) -> tuple[tuple[str, ...], EabKey | None]:
    """Return contacts and EAB key of a new account.

    Raises:
        Malformed: a member cannot be read.
        Refusal: contacts, terms or binding are not acceptable; all that is wrong is named.
    """
    faults: list[Subproblem] = []
    contacts = _judged(faults, read_contacts, payload.get("contact")) or ()
    terms = signed.config.terms_of_service
    agreed = not terms or payload.get("termsOfServiceAgreed") is True
    if not agreed:
        text = f"Agree to the terms of service at {terms}."
        faults.append((None, Type.USER_ACTION_REQUIRED, text))
    key = _judged(faults, eab.key_from_binding, signed, payload)
    if faults:
        refusal = refusal_of(faults)
        if not agreed:
            refusal.headers["Link"] = f'<{terms}>;rel="terms-of-service"'
        raise refusal
    return contacts, key


def _judged(faults: list[Subproblem], judge: Callable[..., _Judged], *given: Any) -> _Judged | None:
    """Return what ``judge`` returns; what it refuses is added to the faults."""
    try:
        return judge(*given)
    except Refusal as refusal:
        faults += refusal.subproblems or [(None, refusal.kind, refusal.detail)]
        return None


def _locked(account: Account) -> AcmeAccount:
    row = AcmeAccount.objects.select_for_update().get(pk=account.id)
    if row.status != AccountStatus.VALID:
        raise AuthenticationFailed(f"The account is {row.status}.")
    return row


def _record(event: Event, signed: SignedRequest, row: AcmeAccount, **data: Any) -> None:
    record(
        event,
        principal=signed.principal(),
        subject=row,
        application_id=signed.config.application_id,
        **data,
    )
