"""Admin pages of authorities, their certificates and CRLs; Django imports them from here."""

from apps.authorities.admin.authorities import AuthorityAdmin
from apps.authorities.admin.published import AuthorityCertificateAdmin, CRLAdmin

__all__ = ["AuthorityAdmin", "AuthorityCertificateAdmin", "CRLAdmin"]
