"""Query parameters of the lists of ACME accounts and orders."""

from typing import Any

from django.db.models import Q
from django_filters import rest_framework as filters

from apps.enrollment.acme.states import AccountStatus, OrderStatus
from apps.profiles.models import Profile
from apps.statements.alternatives import matching_any
from apps.web.filters import NameFilter, StrictFilterSet


class AcmeAccountFilter(StrictFilterSet):
    """Narrows the list of accounts."""

    status = filters.ChoiceFilter("status", choices=AccountStatus.choices(), label="status")
    profile = NameFilter(Profile, "endpoint__pairing__profile", label="name of the profile")
    eab_kid = filters.CharFilter("eab_key__kid", label="EAB key it registered with")
    thumbprint = filters.CharFilter("thumbprint", label="of the account's key (RFC 7638)")


class AcmeOrderFilter(StrictFilterSet):
    """Narrows the list of orders."""

    status = filters.ChoiceFilter("status", choices=OrderStatus.choices(), label="status")
    profile = NameFilter(
        Profile, "account__endpoint__pairing__profile", label="name of the profile"
    )
    account = filters.UUIDFilter("account_id", label="who ordered")
    name = filters.CharFilter(method="with_name", label="a name in it, without '*.'")

    def with_name(self, rows: Any, _name: str, value: str) -> Any:
        """Narrow to the orders that count on an authorization of this name."""
        return matching_any(rows, [Q(authorizations__identifier_value=value)])
