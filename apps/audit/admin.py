"""Admin pages of the audit log, filtered by event, actor, application, object and date."""

from typing import Any
from uuid import UUID

from django.apps import apps as installed
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch

from apps.audit.events import Event
from apps.audit.models import AuditEvent
from apps.audit.selectors import about
from apps.site import documents
from apps.site.display import admin_url, mono
from apps.site.model_admin import ReadOnlyAdmin
from apps.site.pages import Detail, Section, details


class EventFilter(admin.SimpleListFilter):
    """Filter by kind of event, then by event: a list of all events would be too long."""

    title = "event"
    parameter_name = "event"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the kinds, and the events of the selected kind."""
        chosen = (self.value() or "").partition(".")[0]
        found = []
        for kind in sorted({event.value.partition(".")[0] for event in Event}):
            found.append((kind, kind))
            if kind == chosen:
                found += [(e.value, e.value) for e in Event if e.value.startswith(f"{kind}.")]
        return found

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> Any:
        """Narrow the list."""
        value = self.value() or ""
        if "." in value:
            return queryset.filter(event=value)
        return queryset.filter(event__startswith=f"{value}.") if value else queryset


class ApplicationFilter(admin.SimpleListFilter):
    """Filter by application."""

    title = "application"
    parameter_name = "application"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the existing applications; the log itself contains identifiers only."""
        rows: Any = installed.get_model("applications", "Application")._default_manager  # noqa: SLF001 - Django's documented Meta API
        return [(str(row.pk), str(row)) for row in rows.all()[:200]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> Any:
        """Narrow the list."""
        try:
            return queryset.filter(application_id=UUID(self.value() or ""))
        except ValueError:
            return queryset


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """Events of the append-only audit log."""

    list_display = ("when", "event_name", "subject", "actor_name", "ip")
    list_display_links = ("when", "event_name")
    list_filter = ("created_at", EventFilter, ApplicationFilter)
    search_fields = (
        "actor_label__contains_text",
        "subject_label__contains_text",
        "actor__exact",
        "trace_id__exact",
    )
    sortable_by = ("when",)
    search_help_text = "Actor, object, identifier or request identifier"
    date_hierarchy = None
    ordering = ("-id",)
    empty_text = "Nothing has happened yet."

    def search_conditions(self, word: str) -> list[Q]:
        """Find events by the identifier of their object, too."""
        return [*super().search_conditions(word), about(word)]

    @admin.display(description="When (UTC)", ordering="id")
    def when(self, event: AuditEvent) -> str:
        """Return the time to the second."""
        return f"{event.created_at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="Object")
    def subject(self, event: AuditEvent) -> str:
        """Return the object of the action."""
        return event.subject_label

    @admin.display(description="Actor")
    def actor_name(self, event: AuditEvent) -> str:
        """Return who acted."""
        return event.actor_label

    @admin.display(description="Event")
    def event_name(self, event: AuditEvent) -> str:
        """Return the name in fixed width."""
        return mono(event.event)

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Allow the filters of links to the events of one object."""
        return lookup in {"subject_type", "subject_id", "actor"} or super().lookup_allowed(
            lookup, value, request
        )

    def trail_of(self, obj: AuditEvent) -> dict[str, str]:
        """Return nothing: an event has no events of its own."""
        return {}

    def sections(self, request: HttpRequest, obj: AuditEvent) -> list[Section]:
        """Show every column."""
        shown = details(
            "Event",
            [
                Detail("Event", obj.event, mono=True),
                Detail("When", obj.created_at),
                Detail("Actor", f"{obj.actor_label} ({obj.actor})"),
                Detail("Object", obj.subject_label, _subject_url(obj)),
                Detail("Object type", obj.subject_type),
                Detail("Object identifier", obj.subject_id, mono=True),
                Detail("Application", obj.application_id, mono=True),
                Detail("Address", obj.ip, mono=True),
                Detail("Request identifier", obj.trace_id, mono=True),
            ],
        )
        text = documents.pretty(obj.data)
        data = Section("Details", "admin/includes/text.html", {"text": text})
        return [shown, data] if obj.data else [shown]


def _subject_url(event: AuditEvent) -> str:
    """Return the URL of the object, empty when it is deleted or has no page."""
    try:
        model = installed.get_model(event.subject_type)
        found = model._default_manager.filter(pk=event.subject_id).first()  # noqa: SLF001 - Django's documented Meta API
        return admin_url(found) if found is not None else ""
    except (LookupError, ValueError, ValidationError, NoReverseMatch):
        return ""
