"""Query parameters that narrow the audit log."""

from typing import Any

from django_filters import rest_framework as filters

from apps.audit import selectors
from apps.audit.events import Event
from apps.web.filters import SearchFilter, StrictFilterSet


class AuditEventFilter(StrictFilterSet):
    """Narrows the audit log."""

    application = filters.CharFilter(
        method="already_applied", label="identifier or name of an application"
    )
    event = filters.ChoiceFilter(
        choices=[(event.value, event.value) for event in Event], label="kind of event"
    )
    actor = filters.CharFilter("actor", label="who acted, e.g. machine:demo")
    subject_type = filters.CharFilter("subject_type", label="e.g. certificates.certificate")
    subject_id = filters.CharFilter(
        method="about_object", label="identifier of the object acted upon"
    )
    trace_id = filters.CharFilter("trace_id", label="identifier of the HTTP request")
    search = SearchFilter("actor_label", "subject_label", is_indexed=True)
    since = filters.IsoDateTimeFilter("created_at", lookup_expr="gte", label="not before")
    until = filters.IsoDateTimeFilter("created_at", lookup_expr="lt", label="before")

    def about_object(self, rows: Any, _name: str, value: str) -> Any:
        """Narrow to the events of one object."""
        return rows.filter(selectors.about(value))

    def already_applied(self, rows: object, _name: str, _value: str) -> object:
        """Leave the rows alone: the application is resolved, and its right checked, by the view."""
        return rows
