"""Model of the append-only audit log, written in the same transaction as each act."""

from typing import Any, ClassVar, NoReturn

from django.contrib.postgres.indexes import BrinIndex
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q

from apps import clock
from apps.audit.events import Event


def event_choices() -> list[tuple[str, str]]:
    """Return all events; named by migrations as a function, so that a new event needs none."""
    return [(event.value, event.value) for event in Event]


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    """Queryset without bulk changes, which would bypass ``save`` and ``delete``."""

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
        """Refuse: Django's deletion collector uses this method for fast deletes."""
        raise TypeError("audit events are append-only")


class AuditEvent(models.Model):
    """One action: actor, action, object and outcome.

    Rows have plain identifiers and labels instead of foreign keys, so that an event stays when
    its object is deleted.
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
        """Indexes for the events of one object, application, kind and actor.

        Every action inserts a row, so there is no index without such a query.
        """

        ordering: ClassVar = ["-id"]
        # Django's own queries use the same guarded queryset.
        base_manager_name = "objects"
        indexes: ClassVar = [
            models.Index(fields=["subject_type", "subject_id", "-id"], name="audit_subject"),
            models.Index(fields=["application_id", "-id"], name="audit_application"),
            models.Index(fields=["trace_id", "-id"], condition=~Q(trace_id=""), name="audit_trace"),
            models.Index(fields=["actor", "-id"], name="audit_actor"),
            # Found by name and by prefix ("certificate.").
            models.Index(
                fields=["event", "-id"],
                opclasses=["varchar_pattern_ops", "int8_ops"],
                name="audit_event",
            ),
            # Rows are in order of time, so a block-range index suffices: it is much smaller than
            # one with an entry for each row. On SQLite it is an ordinary index.
            BrinIndex(fields=["created_at"], name="audit_created"),
        ]

    def __str__(self) -> str:
        """Return event and object."""
        return f"{self.event} {self.subject_label}".strip()

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert once; a second save is refused."""
        if not self._state.adding:
            raise TypeError("audit events are append-only")
        super().save(*args, **kwargs)

    def delete(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Refuse: events are never removed."""
        raise TypeError("audit events are append-only")
