"""Query parameters that narrow the list of certificate requests."""

from django_filters import rest_framework as filters

from apps.applications.models import Application
from apps.certificates.models import EnrollmentMethod, RequestState
from apps.profiles.models import Profile
from apps.web.filters import NameFilter, StrictFilterSet


class RequestFilter(StrictFilterSet):
    """Narrows the list of requests."""

    application = NameFilter(Application, "application", label="application name")
    profile = NameFilter(Profile, "profile", label="profile name")
    state = filters.ChoiceFilter(choices=RequestState.choices, label="state")
    method = filters.ChoiceFilter(choices=EnrollmentMethod.choices, label="enrollment method")
