"""Periodic clean-up of ACME: expired nonces, orders and authorizations."""

from apps import clock
from apps.certificates.models import CertificateRequest
from apps.enrollment.acme import nonces
from apps.enrollment.acme.models import AcmeAuthorization, AcmeOrder
from apps.enrollment.acme.problems import Type, document
from apps.enrollment.acme.states import AuthorizationStatus, OrderStatus


def sweep() -> str:
    """Delete expired nonces, close expired orders and authorizations.

    Requests refuse all of them by their age already; the sweep corrects what tables and pages show.
    """
    now = clock.now()
    expired = AcmeOrder.objects.filter(
        status__in=[OrderStatus.PENDING, OrderStatus.READY], expires_at__lte=now
    ).exclude(pk__in=CertificateRequest.objects.values("pk"))
    orders = expired.update(
        status=OrderStatus.INVALID, error=document(Type.MALFORMED, "The order expired.")
    )
    authorizations = AcmeAuthorization.objects.filter(
        status__in=[AuthorizationStatus.PENDING, AuthorizationStatus.VALID], expires_at__lte=now
    ).update(status=AuthorizationStatus.EXPIRED)
    return f"{nonces.purge()}, closed {orders} orders and {authorizations} authorizations"
