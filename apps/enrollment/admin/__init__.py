"""How do administrators set up ACME, and find out why a client gets no certificate?"""

from apps.enrollment.admin.clients import AcmeAccountAdmin
from apps.enrollment.admin.endpoints import AcmeEndpointAdmin
from apps.enrollment.admin.keys import EabKeyAdmin
from apps.enrollment.admin.orders import AcmeAuthorizationAdmin, AcmeChallengeAdmin, AcmeOrderAdmin

__all__ = [
    "AcmeAccountAdmin",
    "AcmeAuthorizationAdmin",
    "AcmeChallengeAdmin",
    "AcmeEndpointAdmin",
    "AcmeOrderAdmin",
    "EabKeyAdmin",
]
