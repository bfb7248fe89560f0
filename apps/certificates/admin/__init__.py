"""Admin pages of certificates and of requests, which act through the services."""

from apps.certificates.admin.certificates import CertificateAdmin
from apps.certificates.admin.requests import CertificateRequestAdmin

__all__ = ["CertificateAdmin", "CertificateRequestAdmin"]
