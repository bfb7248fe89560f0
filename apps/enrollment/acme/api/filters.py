"""Query parameters of the lists of ACME accounts and orders."""

from django_filters import rest_framework as filters

from apps.enrollment.acme.models import AcmeAccount, AcmeEndpoint, AcmeOrder, EabKey
from apps.enrollment.acme.states import AccountStatus, OrderStatus
from apps.web.filters import StrictFilterSet


class AcmeEndpointFilter(StrictFilterSet):
    """Lists of endpoints are only paged."""

    class Meta:
        """The model behind the filters."""

        model = AcmeEndpoint
        fields: tuple[str, ...] = ()


class EabKeyFilter(StrictFilterSet):
    """Lists of EAB keys are only paged."""

    class Meta:
        """The model behind the filters."""

        model = EabKey
        fields: tuple[str, ...] = ()


class AcmeAccountFilter(StrictFilterSet):
    """Narrows the list of accounts."""

    status = filters.ChoiceFilter("status", choices=AccountStatus.choices(), label="status")
    profile = filters.CharFilter("endpoint__pairing__profile__name", label="name of the profile")
    eab_kid = filters.CharFilter("eab_key__kid", label="EAB key it registered with")
    thumbprint = filters.CharFilter("thumbprint", label="of the account's key (RFC 7638)")

    class Meta:
        """The model behind the filters."""

        model = AcmeAccount
        fields: tuple[str, ...] = ()


class AcmeOrderFilter(StrictFilterSet):
    """Narrows the list of orders."""

    status = filters.ChoiceFilter("status", choices=OrderStatus.choices(), label="status")
    profile = filters.CharFilter(
        "account__endpoint__pairing__profile__name", label="name of the profile"
    )
    account = filters.UUIDFilter("account_id", label="who ordered")
    name = filters.CharFilter(
        "authorizations__identifier_value", distinct=True, label="a name in it, without '*.'"
    )

    class Meta:
        """The model behind the filters."""

        model = AcmeOrder
        fields: tuple[str, ...] = ()
