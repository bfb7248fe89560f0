"""Query parameters that narrow the list of certificate requests."""

from django_filters import rest_framework as filters

from apps.certificates.models import EnrollmentMethod, RequestState
from apps.web.filters import StrictFilterSet


class RequestFilter(StrictFilterSet):
    """Narrows the list of requests."""

    application = filters.CharFilter("application__name", label="application name")
    profile = filters.CharFilter("profile__name", label="profile name")
    state = filters.ChoiceFilter(choices=RequestState.choices, label="state")
    method = filters.ChoiceFilter(choices=EnrollmentMethod.choices, label="enrollment method")
