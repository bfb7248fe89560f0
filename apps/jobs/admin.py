"""Admin pages of jobs, with the actions retry and cancel."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps import registry
from apps.jobs import services
from apps.jobs.models import OPEN_STATES, Job, JobState
from apps.principals import Principal
from apps.site import documents
from apps.site.display import mono, state_badge
from apps.site.model_admin import ReadOnlyAdmin
from apps.site.pages import Confirmation, Detail, ObjectAction, Section, details


def _retry(_request: HttpRequest, principal: Principal, job: Job, _data: dict[str, Any]) -> str:
    services.retry(principal, job)
    return "The job is queued again; its attempts start from zero."


def _cancel(_request: HttpRequest, principal: Principal, job: Job, _data: dict[str, Any]) -> str:
    services.cancel(principal, job)
    return "The job was cancelled."


class KindFilter(admin.SimpleListFilter):
    """Filter by kind; Django's own filter would read the whole table for the kinds there are."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the kinds that are registered."""
        return [(kind, kind) for kind in sorted(registry.job_kinds)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> Any:
        """Narrow the list."""
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """Jobs, which only the runner writes; people retry or cancel them."""

    list_display = (
        "kind_name",
        "state_shown",
        "attempts",
        "next_attempt_at",
        "created_at",
        "outcome",
    )
    list_display_links = ("kind_name",)
    list_filter = ("state", KindFilter, "created_at")
    search_fields = ("kind__exact", "result__contains_text", "last_error__contains_text")
    search_help_text = "Kind as a whole, or a part of the result or error"
    sortable_by = ()
    ordering = ("-id",)
    empty_text = "No background work has been asked for yet."
    object_actions: ClassVar = (
        ObjectAction(
            name="retry",
            label="Retry now",
            form=Confirmation,
            run=_retry,
            intro="The job is queued again: attempts at zero, due now.",
            available=lambda job: job.state not in {JobState.RUNNING, JobState.SUCCEEDED},
        ),
        ObjectAction(
            name="cancel",
            label="Cancel…",
            form=Confirmation,
            run=_cancel,
            danger=True,
            intro="The job is taken off the list. If an attempt is under way, its outcome is ignored.",
            available=lambda job: job.state in OPEN_STATES,
        ),
    )

    @admin.display(description="Kind")
    def kind_name(self, job: Job) -> str:
        """Return the kind in fixed width."""
        return mono(job.kind)

    @admin.display(description="State")
    def state_shown(self, job: Job) -> str:
        """Return a coloured badge with the state."""
        return state_badge(job)

    @admin.display(description="Outcome")
    def outcome(self, job: Job) -> str:
        """Return the last error, the result or the progress."""
        return (job.last_error or job.result or job.progress)[:120]

    def sections(self, request: HttpRequest, obj: Job) -> list[Section]:
        """Return every column."""
        arguments = documents.pretty(obj.arguments)
        return [
            details(
                "Job",
                [
                    Detail("Kind", obj.kind, mono=True),
                    Detail("State", obj.get_state_display()),
                    Detail("Attempts", str(obj.attempts)),
                    Detail("Next attempt", obj.next_attempt_at if obj.state in OPEN_STATES else ""),
                    Detail("Leased until", obj.lease_until),
                    Detail("Progress", obj.progress),
                    Detail("Result", obj.result),
                    Detail("Last error", obj.last_error),
                    Detail("Idempotency key", obj.idempotency_key, mono=True),
                    Detail("Created", obj.created_at),
                    Detail("Finished", obj.finished_at),
                ],
            ),
            Section("Arguments", "admin/includes/text.html", {"text": arguments}),
        ]
