"""How far is the running job? Called from inside a job's own code."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from apps.jobs import leases
from apps.jobs.leases import Lease
from apps.jobs.models import Job

_current: ContextVar[Lease | None] = ContextVar("job_lease", default=None)
_LENGTH = Job._meta.get_field("progress").max_length  # noqa: SLF001 - documented Meta API


@contextmanager
def running(lease: Lease) -> Iterator[None]:
    """Make ``lease`` the one that ``report`` speaks for."""
    reset = _current.set(lease)
    try:
        yield
    finally:
        _current.reset(reset)


def report(text: str) -> None:
    """Show ``text`` on the job's page and prolong the lease; without a job, do nothing.

    django-q2 still ends the attempt after the kind's ``lease``, so long work goes out in batches.

    Raises:
        LeaseLost: another worker has taken over; stop working.
    """
    lease = _current.get()
    if lease is not None:
        leases.extend(lease, progress=text[:_LENGTH])
