"""Query parameters that narrow the list of profiles."""

from django_filters import rest_framework as filters

from apps.profiles.models import IssuerType
from apps.web.filters import ReferenceFilter, SearchFilter, StrictFilterSet


class ProfileFilter(StrictFilterSet):
    """Narrows the list of profiles."""

    name = filters.CharFilter("name", label="exact name")
    search = SearchFilter("name", "description")
    issuer_type = filters.ChoiceFilter(choices=IssuerType.choices, label="who signs")
    authority = ReferenceFilter("authority", label="name or identifier of the authority")
    policy = ReferenceFilter("policy", label="name or identifier of the policy")
