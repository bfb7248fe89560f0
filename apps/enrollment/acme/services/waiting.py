"""ACME orders whose certificate request waits for an approval: joining it, and collecting.

Clients wait for seconds or minutes and then give up; the next run makes a new order for the same
names, often with a new key. At its finalize such an order joins the request that waits already,
so that the approver sees one request, and an approval yields at most one certificate.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from django.db import transaction

from apps import clock
from apps.certificates import approvals, collection
from apps.certificates.enrollment import Enrollment
from apps.certificates.models import CertificateRequest
from apps.enrollment.acme.auth import SignedRequest
from apps.enrollment.acme.models import AcmeOrder
from apps.enrollment.acme.problems import Type, document
from apps.enrollment.acme.services import orders
from apps.enrollment.acme.states import OrderStatus
from apps.errors import InvalidTransition, PolicyViolation, UpstreamRejected, UpstreamUnavailable
from apps.principals import Principal
from apps.profiles.requested_content import RequestedContent

# A later run computes its end anew; clocks and rounding may differ by so much.
_TOLERANCE = timedelta(seconds=60)
_TAKEN_OVER = "A later order of this account for the same names took its place."


def get(signed: SignedRequest, url_id: str) -> AcmeOrder:
    """Return an order of the account, with its certificate if that was approved meanwhile.

    Raises:
        NotFound: no such order, or another account's.
    """
    order = orders.get(signed, url_id)
    if order.status == OrderStatus.PROCESSING:
        return collect(order, signed.principal())
    return order


def join(order: AcmeOrder, enrollment: Enrollment) -> AcmeOrder | None:
    """Let a ready order continue the waiting request of an earlier order, which becomes invalid.

    Returns:
        The order, ``valid`` if the request was approved; ``None`` when there is nothing to join.

    Raises:
        AccessDenied, NotFound, BadCSR, InvalidTransition: as ``collection.take_over``.
    """

    def may_join() -> bool:
        # Locked: an authorization that its client gives up right now must not end the order once
        # the earlier one has given its place away.
        order.refresh_from_db(from_queryset=AcmeOrder.objects.select_for_update())
        return order.status == OrderStatus.READY

    for earlier in _waiting_orders(order):
        if not _dates_fit(earlier, order):
            continue
        with transaction.atomic():
            request = collection.take_over(earlier.request_id, enrollment, may_join)
            if request is None:
                continue
            # Under the lock of the request: another order may have joined it just now.
            owner = AcmeOrder.objects.select_for_update().get(certificate_request=request)
            orders.transition_order(
                owner,
                OrderStatus.INVALID,
                error=document(Type.ORDER_NOT_READY, _TAKEN_OVER),
                certificate_request_id=None,
            )
            orders.transition_order(
                order,
                OrderStatus.PROCESSING,
                certificate_request_id=request.pk,
                replaces_certificate_id=request.replaces_id,
            )
        return collect(order, enrollment.principal)
    # A parallel call may have finalized this very order meanwhile.
    order.refresh_from_db()
    return None if order.status == OrderStatus.READY else order


def collect(order: AcmeOrder, principal: Principal) -> AcmeOrder:
    """Sign the request of a processing order if it was approved; return the order as it is then."""
    request_id = order.request_id

    def owns() -> bool:
        order.refresh_from_db()
        return order.status == OrderStatus.PROCESSING and order.request_id == request_id

    # Most readers find an order that waits on: no lock for them.
    waits = CertificateRequest.objects.filter(pk=request_id, awaits_client=True).exists()
    request = collection.claim(request_id, owns) if waits else None
    if request is None:
        return order
    # Whatever goes wrong, the request tells what became of it.
    with suppress(PolicyViolation, InvalidTransition, UpstreamUnavailable, UpstreamRejected):
        approvals.sign_approved(principal, request, dates=_dates_of(order))
    return orders.sync_with_request(order)


def _waiting_orders(order: AcmeOrder) -> Sequence[AcmeOrder]:
    """Return the account's processing orders for the same names, newest first.

    The order itself is one of them when a parallel call has let it join just now.
    """
    found = AcmeOrder.objects.filter(
        account_id=order.account_id,
        identifiers_sha256=order.identifiers_sha256,
        status=OrderStatus.PROCESSING,
        certificate_request__isnull=False,
    )
    return list(found.order_by("-pk")[:5])


def _dates_fit(earlier: AcmeOrder, order: AcmeOrder) -> bool:
    """Tell whether the validity asked for now is no more than what the approver sees."""
    if order.not_after is None or earlier.not_after is None:
        return (order.not_before, order.not_after) == (earlier.not_before, earlier.not_after)
    return _duration(order) <= _duration(earlier) + _TOLERANCE


def _duration(order: AcmeOrder) -> timedelta:
    assert order.not_after is not None
    return order.not_after - (order.not_before or order.created_at)


def _dates_of(order: AcmeOrder) -> RequestedContent | None:
    """Return the dates of an order that has an end: no other end may be certified (RFC 8555 7.4)."""
    if order.not_after is None:
        return None
    start = order.not_before
    if start is not None and start <= clock.now():
        start = None  # it was waited for
    return RequestedContent(not_before=start, not_after=order.not_after)
