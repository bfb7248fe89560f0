"""How do administrators look at certificates and requests, and act on them through services?"""

from apps.certificates.admin.certificates import CertificateAdmin
from apps.certificates.admin.requests import CertificateRequestAdmin

__all__ = ["CertificateAdmin", "CertificateRequestAdmin"]
