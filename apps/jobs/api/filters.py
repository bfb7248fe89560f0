"""Query filters of the job list."""

from django_filters import rest_framework as filters

from apps.jobs.models import JobState
from apps.web.filters import SearchFilter, StrictFilterSet


class JobFilter(StrictFilterSet):
    """Narrows the list of jobs."""

    kind = filters.CharFilter("kind", label="kind of work, e.g. crl.publish")
    state = filters.ChoiceFilter(choices=JobState.choices, label="state")
    search = SearchFilter("result", "last_error", is_indexed=True)
    since = filters.IsoDateTimeFilter("created_at", lookup_expr="gte", label="not before")
    until = filters.IsoDateTimeFilter("created_at", lookup_expr="lt", label="before")
