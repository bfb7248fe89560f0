"""Jobs: background work with state, lease and attempts."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from apps import clock, ids


class JobState(models.TextChoices):
    """State of a job; ``succeeded`` is final, failed and cancelled jobs can be retried."""

    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


OPEN_STATES = (JobState.QUEUED, JobState.RUNNING)


class Job(models.Model):
    """One piece of background work that survives crashes.

    django-q2 delivers at least once and has neither backoff nor unique tasks. State, lease and
    attempts are in this row; the queue carries only its identifier.
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    kind = models.CharField(max_length=60, editable=False)
    arguments = models.JSONField(default=dict, editable=False)
    idempotency_key = models.CharField(
        max_length=200, blank=True, editable=False, help_text="unique among open jobs of a kind"
    )
    state = models.CharField(max_length=10, choices=JobState.choices, default=JobState.QUEUED)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=clock.now)
    lease_until = models.DateTimeField(null=True, blank=True)
    lease_token = models.UUIDField(null=True, blank=True, editable=False)
    progress = models.CharField(max_length=200, blank=True)
    result = models.CharField(max_length=500, blank=True)
    last_error = models.TextField(blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """At most one open job for each kind and idempotency key."""

        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "idempotency_key"],
                condition=Q(state__in=["queued", "running"]) & ~Q(idempotency_key=""),
                name="job_one_open_per_key",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(state="queued"),
                name="job_due",
            ),
            models.Index(
                fields=["lease_until"],
                condition=Q(state="running"),
                name="job_leased",
            ),
            models.Index(fields=["kind", "-id"], name="job_kind"),
            models.Index(fields=["state", "-id"], name="job_state"),
            models.Index(fields=["created_at"], name="job_created"),
        ]

    def __str__(self) -> str:
        """Name the kind and the state."""
        return f"{self.kind} ({self.state})"
