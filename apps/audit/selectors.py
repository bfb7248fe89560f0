"""Querysets of audit events; upper layers decide who may read them."""

from collections.abc import Collection
from uuid import UUID

from django.apps import apps as installed
from django.db.models import Q, QuerySet

from apps.audit.models import AuditEvent


def all_events() -> QuerySet[AuditEvent]:
    """Return every event, newest first."""
    return AuditEvent.objects.order_by("-id")


def events_of(application_ids: Collection[UUID]) -> QuerySet[AuditEvent]:
    """Return the events of these applications, newest first."""
    return all_events().filter(application_id__in=application_ids)


def about(subject_id: str) -> Q:
    """Return the condition that an event is about the object with this identifier.

    The index for objects begins with their type, so every type there is gets named.
    """
    types = [model._meta.label_lower for model in installed.get_models()]  # noqa: SLF001 - Django's documented Meta API
    return Q(subject_type__in=types, subject_id=subject_id)
