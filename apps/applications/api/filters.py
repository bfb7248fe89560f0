"""Which applications and events does a list show? Query parameters that narrow them."""

from django_filters import rest_framework as filters

from apps.applications.models import Application
from apps.audit.events import Event
from apps.audit.models import AuditEvent
from apps.rest.filters import StrictFilterSet


class ApplicationFilter(StrictFilterSet):
    """Narrows the list of applications."""

    name = filters.CharFilter("name", label="exact name")

    class Meta:
        """The model behind the filters."""

        model = Application
        fields: tuple[str, ...] = ()


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
    subject_id = filters.CharFilter("subject_id", label="identifier of the object acted upon")
    trace_id = filters.CharFilter("trace_id", label="identifier of the HTTP request")
    since = filters.IsoDateTimeFilter("created_at", lookup_expr="gte", label="not before")
    until = filters.IsoDateTimeFilter("created_at", lookup_expr="lt", label="before")

    class Meta:
        """The model behind the filters."""

        model = AuditEvent
        fields: tuple[str, ...] = ()

    def already_applied(self, rows: object, _name: str, _value: str) -> object:
        """Leave the rows alone: the application is resolved, and its right checked, by the view."""
        return rows
