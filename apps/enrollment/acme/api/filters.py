"""Query parameters of the lists of ACME accounts and orders."""

from django_filters import rest_framework as filters

from apps.enrollment.acme.states import AccountStatus, OrderStatus
from apps.web.filters import NameFilter, ReferenceFilter, StrictFilterSet


class AcmeAccountFilter(StrictFilterSet):
    """Narrows the list of accounts."""

    status = filters.ChoiceFilter("status", choices=AccountStatus.choices(), label="status")
    profile = ReferenceFilter(
        "endpoint__pairing__profile", label="name or identifier of the profile"
    )
    eab_kid = filters.CharFilter("eab_key__kid", label="EAB key it registered with")
    thumbprint = filters.CharFilter("thumbprint", label="of the account's key (RFC 7638)")


class AcmeOrderFilter(StrictFilterSet):
    """Narrows the list of orders."""

    status = filters.ChoiceFilter("status", choices=OrderStatus.choices(), label="status")
    profile = ReferenceFilter(
        "account__endpoint__pairing__profile", label="name or identifier of the profile"
    )
    account = filters.UUIDFilter("account_id", label="who ordered")
    name = NameFilter(
        "authorizations__identifier_value",
        label="a name in it, in any spelling, without '*.'",
    )
