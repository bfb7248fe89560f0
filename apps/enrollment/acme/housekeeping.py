"""What ages at the ACME doors? Used nonces, and orders and authorizations nobody came back for."""

from apps import clock
from apps.certificates.models import CertificateRequest
from apps.enrollment.acme import nonces
from apps.enrollment.acme.models import AcmeAuthorization, AcmeOrder
from apps.enrollment.acme.problems import Type, document
from apps.enrollment.acme.states import AuthorizationStatus, OrderStatus


def sweep() -> str:
    """Forget expired nonces, end what has expired; both would be refused without it too."""
    now = clock.now()
    overdue = AcmeOrder.objects.filter(
        status__in=[OrderStatus.PENDING, OrderStatus.READY], expires_at__lte=now
    ).exclude(pk__in=CertificateRequest.objects.values("pk"))
    orders = overdue.update(
        status=OrderStatus.INVALID, error=document(Type.MALFORMED, "The order expired.")
    )
    authorizations = AcmeAuthorization.objects.filter(
        status__in=[AuthorizationStatus.PENDING, AuthorizationStatus.VALID], expires_at__lte=now
    ).update(status=AuthorizationStatus.EXPIRED)
    return f"{nonces.purge()}, ended {orders} orders and {authorizations} authorizations"
