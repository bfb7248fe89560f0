"""How do administrators govern authorities, and read their certificates and CRLs?"""

from apps.authorities.admin.authorities import AuthorityAdmin
from apps.authorities.admin.published import AuthorityCertificateAdmin, CRLAdmin

__all__ = ["AuthorityAdmin", "AuthorityCertificateAdmin", "CRLAdmin"]
