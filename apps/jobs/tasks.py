"""Functions that django-q2 calls, and their schedules."""

from dataclasses import dataclass
from uuid import UUID

from apps.jobs import runner, sweeps


@dataclass(frozen=True, slots=True)
class MinuteSchedule:
    """A django-q2 schedule as data; ``schedules.upsert`` writes it after each migrate."""

    name: str
    func: str
    minutes: int


# The only schedule in the engine: everything else recurs through ``registry.recurring``.
SCHEDULES = [MinuteSchedule("sealwright.sweep", "apps.jobs.tasks.sweep", 1)]


def run_job(job_id: str) -> str:
    """Run one attempt of a job."""
    return runner.run_job(UUID(job_id))


def sweep() -> str:
    """Enqueue recurring work, push due jobs and expired leases."""
    return sweeps.sweep()
