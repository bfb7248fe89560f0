"""Querysets of audit events; upper layers decide who may read them."""

from collections.abc import Collection
from uuid import UUID

from django.db.models import QuerySet

from apps.audit.models import AuditEvent


def all_events() -> QuerySet[AuditEvent]:
    """Return every event, newest first."""
    return AuditEvent.objects.order_by("-id")


def events_of(application_ids: Collection[UUID]) -> QuerySet[AuditEvent]:
    """Return the events of these applications, newest first."""
    return all_events().filter(application_id__in=application_ids)
