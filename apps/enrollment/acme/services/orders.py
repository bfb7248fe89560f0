"""ACME orders: creation, reading and state transitions (RFC 8555 sections 7.1.3, 7.1.6 and 7.4).

An order takes its state from its certificate request whenever it is read, and becomes invalid when
its request ends without a certificate, so that no background job has to poll requests.
"""

from datetime import timedelta
from typing import Any

from django.db import IntegrityError
from django.db.models import Q

from apps import clock
from apps.certificates import states as request_states
from apps.certificates.models import Certificate, CertificateRequest, EnrollmentMethod, RequestState
from apps.enrollment.acme.auth import SignedRequest
from apps.enrollment.acme.identifiers import digest
from apps.enrollment.acme.models import AcmeOrder, AcmeOrderAuthorization
from apps.enrollment.acme.problems import Refusal, Type, document, refusal_of
from apps.enrollment.acme.services import authorizations, limits, order_request, renewal_info
from apps.enrollment.acme.services.order_request import OrderRequest
from apps.enrollment.acme.states import ORDER, OrderStatus, order_status_for, transition
from apps.errors import NotFound
from apps.statements import writes
from apps.statements.lookups import KEY, TEXT, Lookup, RowLookup

RETRY_AFTER_S = 5
APPROVAL_RETRY_AFTER_S = 60
# An order passes through at most three transitions, so no more parallel changes can get ahead.
_MAX_RETRIES = 3

_BY_URL_ID = RowLookup(
    AcmeOrder, lambda url_id: AcmeOrder.objects.filter(url_id=url_id).order_by(), url_id=TEXT
)
# The request of an order has the order's own primary key, see ``AcmeOrder.request_id``.
_REQUEST_OF = Lookup(
    lambda order: (
        CertificateRequest.objects.filter(pk=order)
        .order_by()
        .values_list("state", "failure", "violations", "certificate__pk")
    ),
    order=KEY,
)


def create(signed: SignedRequest) -> AcmeOrder:
    """Create an order (7.4); names that no certificate could be issued for are refused now.

    Raises:
        Malformed, Refusal: unusable identifiers, dates, profile or predecessor. Everything is
            named at once; what policy or the EAB key refuses, by identifier.
        RateLimited: see ``limits``.
    """
    config, account = signed.config, signed.signing_account()
    wanted = order_request.read_order(signed)
    expires_at = clock.now() + timedelta(hours=config.order_lifetime_h)
    found = authorizations.for_identifiers(config, account, wanted.identifiers, expires_at)
    faults = [*wanted.faults, *found.faults]
    if faults:
        raise refusal_of(faults)
    identifiers_sha256 = digest(wanted.identifiers)
    replaced = _replaced(signed, wanted)
    limits.check_new_order(
        config, account.id, identifiers_sha256, replaced.pk if replaced is not None else None
    )
    order = AcmeOrder(
        account_id=account.id,
        status=order_status_for(row.status for row in found.all),
        identifiers=[identifier.as_dict() for identifier in wanted.identifiers],
        identifiers_sha256=identifiers_sha256,
        authorization_url_ids=[row.url_id for row in found.all],
        not_before=wanted.not_before,
        not_after=wanted.not_after,
        profile=wanted.profile,
        replaces=wanted.replaces,
        replaces_certificate=replaced,
        expires_at=expires_at,
    )
    try:
        with writes.batch():
            found.insert()
            writes.insert(order)
            for row in found.all:
                writes.insert(AcmeOrderAuthorization(order_id=order.pk, authorization_id=row.pk))
    except IntegrityError as error:
        # The unique constraint decides between parallel orders that replace one certificate.
        if replaced is None:
            raise
        raise renewal_info.already_replaced() from error
    return order


def get(signed: SignedRequest, url_id: str) -> AcmeOrder:
    """Return an order of the account, brought up to date with its certificate request.

    Raises:
        NotFound: no such order, or another account's.
    """
    return sync_with_request(get_stored(signed, url_id))


def get_stored(signed: SignedRequest, url_id: str) -> AcmeOrder:
    """Return an order of the account as the database has it.

    Raises:
        NotFound: no such order, or another account's.
    """
    order = _BY_URL_ID.first(url_id)
    if order is None or order.account_id != signed.signing_account().id:
        raise NotFound
    return order


def sync_with_request(order: AcmeOrder) -> AcmeOrder:
    """Bring an order to the state that its certificate request, or its expiry, gives it."""
    if order.status in (OrderStatus.READY, OrderStatus.PROCESSING):
        found = _REQUEST_OF.first(order.request_id)
        if found is not None:
            _apply_request_state(order, *found)
    is_open = order.status in (OrderStatus.PENDING, OrderStatus.READY)
    if is_open and order.expires_at <= clock.now():
        error = document(Type.MALFORMED, "The order expired.")
        transition_order(order, OrderStatus.INVALID, error=error)
    return order


def end_with_request(request: CertificateRequest) -> None:
    """Make the order of a request that ended without a certificate invalid, with the reason."""
    if request.method != EnrollmentMethod.ACME:
        return
    waiting = AcmeOrder.objects.filter(
        Q(certificate_request=request) | Q(pk=request.pk, certificate_request=None),
        status__in=[OrderStatus.READY, OrderStatus.PROCESSING],
    )
    for order in waiting:
        _apply_request_state(order, request.state, request.failure, request.violations, None)


def transition_order(order: AcmeOrder, *path: OrderStatus, **changes: Any) -> AcmeOrder:
    """Advance an order by its transition table; parallel requests may move it as well.

    Readers and finalizers move the same order by what they know of its request. Each sets only
    the columns of the last state it knows, so the last one completes the row.

    Args:
        order: as the caller read it; has the stored state afterwards.
        path: the states to pass, in turn; those already passed are left out.
        changes: columns that are set with the last state.
    """
    for _ in range(_MAX_RETRIES):
        before = order.status
        for to in path[path.index(before) + 1 :] if before in path else path:
            transition(order, to, ORDER)
        if AcmeOrder.objects.filter(pk=order.pk, status=before).update(
            status=order.status, **changes
        ):
            for name, value in changes.items():
                setattr(order, name, value)
            return order
        order.refresh_from_db()
        if not ORDER[order.status] or order.status == path[-1]:
            return order
    return order


def mark_valid(order: AcmeOrder, certificate: Certificate) -> None:
    """Make a ready order valid, in the batch of writes that stores its certificate.

    The update also matches ``processing``: a reader may have moved the order there meanwhile.
    """
    before = order.status
    for to in (OrderStatus.PROCESSING, OrderStatus.VALID):
        transition(order, to, ORDER)
    order.certificate_request_id, order.certificate_id = order.pk, certificate.pk
    writes.change(
        AcmeOrder,
        set={
            "status": order.status,
            "certificate_request_id": order.pk,
            "certificate_id": certificate.pk,
        },
        where={"id": order.pk, "status": [before, OrderStatus.PROCESSING.value]},
    )


def retry_after(order: AcmeOrder) -> int:
    """Return after how many seconds a client should read a processing order again."""
    waits = CertificateRequest.objects.filter(
        pk=order.request_id, state=RequestState.PENDING_APPROVAL
    ).exists()
    return APPROVAL_RETRY_AFTER_S if waits else RETRY_AFTER_S


def _apply_request_state(
    order: AcmeOrder, state: str, failure: str, violations: list[Any], certificate_id: Any
) -> None:
    if state == RequestState.ISSUED and certificate_id is not None:
        transition_order(
            order,
            OrderStatus.PROCESSING,
            OrderStatus.VALID,
            certificate_request_id=order.request_id,
            certificate_id=certificate_id,
        )
    elif state in request_states.OPEN_STATES or state == RequestState.ISSUED:
        if order.status == OrderStatus.READY:
            transition_order(order, OrderStatus.PROCESSING, certificate_request_id=order.request_id)
    else:
        reasons = "; ".join(str(item["reason"]) for item in violations) or failure
        detail = f"The request was {state}. {reasons}".strip()
        kind = Type.UNAUTHORIZED if state == RequestState.REJECTED else Type.SERVER_INTERNAL
        transition_order(
            order,
            OrderStatus.INVALID,
            error=document(kind, detail),
            certificate_request_id=order.request_id,
        )


def _replaced(signed: SignedRequest, wanted: OrderRequest) -> Certificate | None:
    if not wanted.replaces:
        return None
    names = {(identifier.type, identifier.value) for identifier in wanted.identifiers}
    account = signed.signing_account()
    try:
        return renewal_info.replaceable(signed.config, account, wanted.replaces, names)
    except NotFound as error:
        # A client that came from another CA or endpoint: tell it what to leave out.
        detail = f"replaces: {error.detail} Order without it."
        raise Refusal(Type.MALFORMED, detail, status=404) from error
