"""Which rows do the enrollment doors keep?"""

from apps.enrollment.models.acme import (
    AcmeAccount,
    AcmeAuthorization,
    AcmeChallenge,
    AcmeEndpoint,
    AcmeOrder,
    AcmeOrderAuthorization,
    AcmeUsedNonce,
    EabKey,
)
from apps.enrollment.models.idempotency import IdempotentCall

__all__ = [
    "AcmeAccount",
    "AcmeAuthorization",
    "AcmeChallenge",
    "AcmeEndpoint",
    "AcmeOrder",
    "AcmeOrderAuthorization",
    "AcmeUsedNonce",
    "EabKey",
    "IdempotentCall",
]
