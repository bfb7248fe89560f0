"""Readiness checks of background work: jobs can be written, and somebody runs them."""

import os
import shutil
import time
from datetime import timedelta
from pathlib import Path

from django.db import connection, transaction
from django_q.models import Schedule

from apps import clock
from apps.jobs.models import Job, JobState
from apps.jobs.tasks import SCHEDULES
from apps.statements import execution
from apps.web.health import Remembered

# A job of this size does not fit into the free space of any page that the table has, so that
# PostgreSQL has to find new space for it, as it will for the next certificates.
_PROBE_BYTES = 64 * 1024
# SQLite writes nothing to the disk before a commit; its log alone takes as much.
_MIN_FREE_BYTES = 4 * 1024 * 1024
# For SQLite's write lock, which others hold for milliseconds.
_LOCK_WAIT_MS = 400
_LATE = timedelta(minutes=3)
# Of this process, or of the one that it was forked from.
started_at = time.monotonic()


def cannot_write() -> str:
    """Return why no job, and so nothing else, can be written; empty when it can.

    A job is written and taken back: that shows a database that is read-only, locked, full or
    without rights, whatever the reason.
    """
    if connection.vendor == "sqlite":
        folder = Path(connection.settings_dict["NAME"]).parent
        free = shutil.disk_usage(folder).free
        if free < _MIN_FREE_BYTES:
            return f"only {free // 1024} KiB are free on the disk of the database"
    with execution.short_lock_wait(_LOCK_WAIT_MS), transaction.atomic():
        # Random, as PostgreSQL would compress anything else.
        Job(kind="probe", arguments={"fill": os.urandom(_PROBE_BYTES // 2).hex()}).save()
        transaction.set_rollback(True)
    return ""


def not_running() -> str:
    """Return how it shows that no worker runs jobs; empty when they run.

    The scheduler of every worker moves the due time of its schedule on each minute, and what is due
    is begun within seconds. Nothing counts as late before this process has run as long itself:
    after a standstill the workers begin together with it.
    """
    if time.monotonic() - started_at < _LATE.total_seconds():
        return ""
    now = clock.now()
    names = [schedule.name for schedule in SCHEDULES]
    if not Schedule.objects.filter(name__in=names, next_run__gte=now - _LATE).exists():
        return "no worker has looked for scheduled work for more than 3 minutes"
    waiting = Job.objects.filter(state=JobState.QUEUED, next_attempt_at__lt=now - _LATE)
    # With much to do, jobs wait while others run.
    at_work = Job.objects.filter(state=JobState.RUNNING, lease_until__gt=now)
    if waiting.exists() and not at_work.exists():
        return "jobs that are due have waited for more than 3 minutes"
    return ""


writes = Remembered(cannot_write)
running = Remembered(not_running)
