"""Sweep of jobs, once a minute: recurring work, due jobs and expired leases; pruning of old jobs."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django_q.brokers import get_broker

from apps import clock, registry
from apps.jobs.models import OPEN_STATES, Job, JobState
from apps.jobs.queue import push
from apps.jobs.services import enqueue

RECURRING_KEY = "recurring"
# A new job was pushed when it was enqueued; only older ones may have lost their task.
_HEAD_START = timedelta(seconds=5)
# Sweeps are a minute apart, more or less: without this, every other one would be skipped.
_TOLERANCE = timedelta(seconds=30)
# A longer queue holds the tasks already; adding them again only slows it down.
QUEUE_LIMIT = 500
_KEEP_RECURRING = timedelta(days=1)
_KEEP = timedelta(days=30)
_BATCH = 1000


def sweep() -> str:
    """Enqueue recurring jobs and push waiting ones; safe to run on many hosts at once."""
    now = clock.now()
    started = sum(_enqueue_if_due(schedule, now) for schedule in registry.recurring.values())
    pushed = _push_waiting(now)
    return f"recurring {started}, pushed {pushed}"


def prune() -> str:
    """Delete ended jobs: recurring ones after a day, all others after thirty."""
    now = clock.now()
    ended = Job.objects.exclude(state__in=OPEN_STATES)
    deleted = 0
    for old in (
        ended.filter(idempotency_key=RECURRING_KEY, finished_at__lt=now - _KEEP_RECURRING),
        ended.filter(finished_at__lt=now - _KEEP),
    ):
        while ids := list(old.values_list("pk", flat=True)[:_BATCH]):
            deleted += Job.objects.filter(pk__in=ids).delete()[0]
    return f"deleted {deleted}"


def _enqueue_if_due(schedule: registry.Recurring, now: datetime) -> bool:
    """Enqueue one recurring job unless it is open or began less than ``every`` ago."""
    jobs = Job.objects.filter(kind=schedule.kind, idempotency_key=RECURRING_KEY)
    # Jobs dated in the future are from before the clock was set back; they do not count.
    began_after = now - (schedule.every - _TOLERANCE)
    if jobs.filter(
        Q(state__in=OPEN_STATES) | Q(created_at__gt=began_after, created_at__lte=now)
    ).exists():
        return False
    enqueue(schedule.kind, {}, idempotency_key=RECURRING_KEY)
    return True


def _push_waiting(now: datetime) -> int:
    """Push due jobs and those whose lease has expired; ``skip_locked`` shares them among hosts."""
    room = QUEUE_LIMIT - get_broker().queue_size()
    if room <= 0:
        return 0
    with transaction.atomic():
        due = _locked().filter(state=JobState.QUEUED, next_attempt_at__lte=now - _HEAD_START)
        abandoned = _locked().filter(state=JobState.RUNNING, lease_until__lt=now)
        waiting = [
            *due.order_by("next_attempt_at")[:room],
            *abandoned.order_by("lease_until")[:room],
        ]
        for job in waiting:
            push(job)
    return len(waiting)


def _locked() -> QuerySet[Job]:
    return Job.objects.select_for_update(skip_locked=True)
