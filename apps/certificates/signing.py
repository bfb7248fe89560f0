"""Earlier place of ``Issued`` and ``is_renewed_or_renewing``, until callers use the new one."""

from apps.certificates.outcomes import Issued
from apps.certificates.pipeline import is_renewed_or_renewing

__all__ = ["Issued", "is_renewed_or_renewing"]
