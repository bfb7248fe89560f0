"""Queries for jobs: open, failed, waiting time, counts by state."""

from datetime import timedelta

from django.db.models import QuerySet

from apps import clock
from apps.jobs.models import OPEN_STATES, Job, JobState


def open_jobs() -> QuerySet[Job]:
    """Return jobs that are queued or running, the longest waiting first."""
    return Job.objects.filter(state__in=OPEN_STATES).order_by("next_attempt_at")


def failed_jobs() -> QuerySet[Job]:
    """Return failed jobs, newest first."""
    return Job.objects.filter(state=JobState.FAILED)


def queue_lag() -> timedelta:
    """Return how long the oldest due job has been waiting; zero when none waits."""
    now = clock.now()
    due = Job.objects.filter(state=JobState.QUEUED, next_attempt_at__lte=now)
    oldest = due.order_by("next_attempt_at").values_list("next_attempt_at", flat=True).first()
    return now - oldest if oldest is not None else timedelta()
