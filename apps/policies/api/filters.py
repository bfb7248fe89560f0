"""Query parameters that narrow the list of policies."""

from django_filters import rest_framework as filters

from apps.policies.models import Policy, PolicyVersion
from apps.web.filters import SearchFilter, StrictFilterSet


class PolicyFilter(StrictFilterSet):
    """Narrows the list of policies."""

    name = filters.CharFilter("name", label="exact name")
    search = SearchFilter("name", "description")

    class Meta:
        """The model behind the filters."""

        model = Policy
        fields: tuple[str, ...] = ()


class PolicyVersionFilter(StrictFilterSet):
    """Lists of versions are only paged."""

    class Meta:
        """The model behind the filters."""

        model = PolicyVersion
        fields: tuple[str, ...] = ()
