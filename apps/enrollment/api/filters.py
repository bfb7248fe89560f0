"""Query parameters that narrow the list of certificate requests."""

from django_filters import rest_framework as filters

from apps.certificates.models import EnrollmentMethod, RequestState
from apps.web.filters import ReferenceFilter, StrictFilterSet


class RequestFilter(StrictFilterSet):
    """Narrows the list of requests."""

    application = ReferenceFilter("application", label="name or identifier of the application")
    profile = ReferenceFilter("profile", label="name or identifier of the profile")
    state = filters.ChoiceFilter(choices=RequestState.choices, label="state")
    method = filters.ChoiceFilter(choices=EnrollmentMethod.choices, label="enrollment method")
