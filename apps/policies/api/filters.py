"""Query parameters that narrow the list of policies."""

from django_filters import rest_framework as filters

from apps.web.filters import SearchFilter, StrictFilterSet


class PolicyFilter(StrictFilterSet):
    """Narrows the list of policies."""

    name = filters.CharFilter("name", label="exact name")
    search = SearchFilter("name", "description")


class PolicyVersionFilter(StrictFilterSet):
    """Lists of versions are only paged."""
