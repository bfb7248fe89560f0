"""Was this very call made before? What is remembered under an Idempotency-Key."""

from typing import ClassVar

from django.db import models

from apps import clock, ids


class IdempotentCall(models.Model):
    """One call that its client may repeat: at most one row per caller, endpoint and key."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    caller = models.CharField(max_length=200, help_text="actor, e.g. machine:demo")
    endpoint = models.CharField(max_length=200, help_text="method and path")
    key = models.CharField(max_length=255)
    body_sha256 = models.CharField(max_length=64)
    subject_id = models.UUIDField(
        default=ids.uuid7, help_text="identifier given to whatever the call creates"
    )
    started_at = models.DateTimeField(default=clock.now)
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    sealed_answer = models.BinaryField(
        blank=True, default=b"", help_text="the answer, sealed: it may hold a private key"
    )

    class Meta:
        """The unique constraint is the lock: of parallel calls one inserts."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["caller", "endpoint", "key"], name="idempotent_call")
        ]
        indexes: ClassVar = [models.Index(fields=["started_at"], name="idempotent_started")]

    def __str__(self) -> str:
        """Name the call."""
        return f"{self.endpoint} {self.key}"
