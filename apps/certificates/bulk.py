"""Earlier place of ``issuance.submit_many``, until its callers use the new one."""

from apps.certificates.issuance import MAX_ENROLLMENTS, submit_many
from apps.certificates.outcomes import Outcome

__all__ = ["MAX_ENROLLMENTS", "Outcome", "submit_many"]
