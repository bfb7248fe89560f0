"""Fixtures of the job tests: a registered kind of work, and the queue's content."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from apps import registry
from apps.registry import JobKind

KIND = "tests.work"


@dataclass
class Work:
    """What the job kind does when it runs, and how often it did."""

    calls: list[dict[str, Any]] = field(default_factory=list)
    act: Callable[..., str] = lambda **_: "done"

    def run(self, **arguments: Any) -> str:
        self.calls.append(arguments)
        return self.act(**arguments)


@pytest.fixture
def work() -> Iterator[Work]:
    """A registered kind ``tests.work``: 60 s lease, 3 attempts."""
    work = Work()
    kinds, recurring = dict(registry.job_kinds), dict(registry.recurring)
    registry.recurring.clear()
    registry.register_jobs([JobKind(KIND, work.run, lease=timedelta(minutes=1), max_attempts=3)])
    yield work
    for container, before in ((registry.job_kinds, kinds), (registry.recurring, recurring)):
        container.clear()
        container.update(before)


@pytest.fixture
def pushed() -> Callable[[], list[str]]:
    """Return the job identifiers that wait in django-q2's queue, oldest first."""

    def identifiers() -> list[str]:
        rows = OrmQ.objects.order_by("pk")
        return [SignedPackage.loads(row.payload)["args"][0] for row in rows]

    return identifiers
