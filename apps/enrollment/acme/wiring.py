"""What background work does the ACME door bring along?"""

from apps import registry
from apps.enrollment.acme.validation import attempts


def register() -> None:
    """Announce jobs; called once from ``apps.enrollment.wiring``."""
    registry.register_jobs([registry.JobKind(attempts.JOB, attempts.run, lease=attempts.LEASE)])
