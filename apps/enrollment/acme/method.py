"""What does the ACME door bring along? Background work, and a check before what waited is signed."""

from apps import registry
from apps.enrollment.acme.services import proof_expiry as lasting
from apps.enrollment.acme.validation import attempts


def register() -> None:
    """Announce both; called once from ``apps.enrollment.wiring``."""
    registry.register_jobs([registry.JobKind(attempts.JOB, attempts.run, lease=attempts.LEASE)])
    registry.release_checks.append(lasting.ended)
