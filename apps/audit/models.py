"""Model of the append-only audit log, written in the same transaction as each act."""

from typing import Any, ClassVar, NoReturn

from django.contrib.postgres.indexes import BrinIndex
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from apps import clock
from apps.audit.events import Event


def event_choices() -> list[tuple[str, str]]:
    """Return all events; named by migrations as a function, so that a new event needs none."""
    return [(event.value, event.value) for event in Event]


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    """Reads only; the bulk ways round ``save`` and ``delete`` are closed as well."""

    def update(self, **_values: Any) -> NoReturn:
        """Refuse: events are never changed."""
        raise TypeError("audit events are append-only")

    def delete(self) -> NoReturn:
        """Refuse: events are never removed."""
        raise TypeError("audit events are append-only")

    def bulk_update(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Refuse: events are never changed."""
        raise TypeError("audit events are append-only")

    def bulk_create(self, *args: Any, **kwargs: Any) -> Any:
        """Insert, but refuse to overwrite rows that exist."""
        if kwargs.get("update_conflicts"):
            raise TypeError("audit events are append-only")
        return super().bulk_create(*args, **kwargs)

    def _raw_delete(self, using: str | None) -> NoReturn:  # noqa: ARG002 - Django's signature
        """Refuse the way by which Django's own collector deletes fast."""
        raise TypeError("audit events are append-only")


class AuditEvent(models.Model):
    """One act: who did what to which object, and with which outcome.

    Rows carry plain identifiers and labels instead of foreign keys, so that an event
    outlives what it speaks of.
    """

    id = models.BigAutoField(primary_key=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    event = models.CharField(max_length=60, choices=event_choices, editable=False)
    actor = models.CharField(max_length=200, editable=False)
    actor_label = models.CharField(max_length=200, editable=False)
    subject_type = models.CharField(max_length=60, blank=True, editable=False)
    subject_id = models.CharField(max_length=60, blank=True, editable=False)
    subject_label = models.CharField(max_length=300, blank=True, editable=False)
    application_id = models.UUIDField(null=True, blank=True, editable=False)
    ip = models.CharField(max_length=45, blank=True, editable=False)
    trace_id = models.CharField(max_length=64, blank=True, editable=False)
    data = models.JSONField(default=dict, blank=True, encoder=DjangoJSONEncoder, editable=False)

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        """Indexes serve the stories of one object, application, kind of event and actor.

        Every act inserts here, so there is no index without such a question.
        """

        ordering: ClassVar = ["-id"]
        # Django's inner workings use the same guarded queryset as everyone else.
        base_manager_name = "objects"
        indexes: ClassVar = [
            models.Index(fields=["subject_type", "subject_id", "-id"], name="audit_subject"),
            models.Index(fields=["application_id", "-id"], name="audit_application"),
            models.Index(fields=["actor", "-id"], name="audit_actor"),
            # Found by kind and by its beginning ("certificate.").
            models.Index(
                fields=["event", "-id"],
                opclasses=["varchar_pattern_ops", "int8_ops"],
                name="audit_event",
            ),
            # Times rise as rows do: PostgreSQL keeps the bounds of each stretch, no entry for
            # each row. SQLite makes it an ordinary index.
            BrinIndex(fields=["created_at"], name="audit_created"),
        ]

    def __str__(self) -> str:
        """Name the act and its object."""
        return f"{self.event} {self.subject_label}".strip()

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert once; a second save is refused."""
        if not self._state.adding:
            raise TypeError("audit events are append-only")
        super().save(*args, **kwargs)

    def delete(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Refuse: events are never removed."""
        raise TypeError("audit events are append-only")
