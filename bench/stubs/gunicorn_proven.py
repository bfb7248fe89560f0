"""gunicorn configuration of the product with ACME validation replaced by immediate success.

Peers have a switch for this; Sealwright has none, so the benchmark replaces the one function
that makes the outgoing request. States, locks, jobs, attempts and audit events stay. No job worker
runs, so no validation may be left to one: the number of parallel inline validations, two for each
process, is raised (about one in a hundred did not get one of them with four clients).
"""

import threading
from typing import Any

from config.gunicorn import *  # noqa: F403 - a configuration is its names


def post_worker_init(_worker: Any) -> None:
    """Replace the validator in each worker, once Django is there."""
    from apps.enrollment.acme.validation import attempts
    from apps.enrollment.acme.validation.outcomes import Outcome

    attempts.inline_slots = threading.BoundedSemaphore(64)
    attempts.validate = lambda _target, _deadline: Outcome(proven=True)
