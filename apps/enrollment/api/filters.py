"""Query parameters that narrow the list of certificate requests."""

from django_filters import rest_framework as filters

from apps.certificates.models import EnrollmentMethod, RequestState
from apps.statements.text_index import MIN_LENGTH
from apps.web.filters import NameFilter, ReferenceFilter, StrictFilterSet


class RequestFilter(StrictFilterSet):
    """Narrows the list of requests."""

    application = ReferenceFilter("application", label="name or identifier of the application")
    profile = ReferenceFilter("profile", label="name or identifier of the profile")
    name = NameFilter(
        "search_text",
        lookup_expr="contains_text",
        min_length=MIN_LENGTH,
        label="part of a name asked for, or of who asked, in any spelling",
    )
    state = filters.ChoiceFilter(choices=RequestState.choices, label="state")
    method = filters.ChoiceFilter(choices=EnrollmentMethod.choices, label="enrollment method")
