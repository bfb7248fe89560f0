"""Query parameters that narrow the list of profiles."""

from django_filters import rest_framework as filters

from apps.profiles.models import IssuerType
from apps.web.filters import SearchFilter, StrictFilterSet


class ProfileFilter(StrictFilterSet):
    """Narrows the list of profiles."""

    name = filters.CharFilter("name", label="exact name")
    search = SearchFilter("name", "description")
    issuer_type = filters.ChoiceFilter(choices=IssuerType.choices, label="who signs")
    authority = filters.CharFilter("authority__name", label="name of the authority")
    policy = filters.CharFilter("policy__name", label="name of the policy")
