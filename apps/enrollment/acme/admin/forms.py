"""Forms of the admin pages of ACME."""

from typing import Any, ClassVar

from django import forms

from apps.applications.models import Pairing
from apps.enrollment.acme.models import default_challenge_types
from apps.enrollment.acme.services.limits import DEFAULTS
from apps.enrollment.acme.states import ChallengeType
from apps.profiles.models import IssuerType
from apps.site.forms import LinesField, ServiceForm
from apps.site.pages import ObjectForm

_LIMIT_LABELS = {
    "accounts_per_address": "New accounts an hour, by address",
    "orders_per_account": "Orders an hour, by account",
    "orders_per_names": "Orders an hour for the same names",
    "failures_per_account": "Failed validations an hour, by account",
}
_MORE = dict.fromkeys(
    ("orders_per_account", "orders_per_names"),
    ", and more for certificates that live less than a day",
)


class _Settings(ServiceForm):
    """The settings of an endpoint; empty limits have their defaults."""

    field_of: ClassVar = {f"limits.{name}": name for name in DEFAULTS} | {"profile": "pairing"}
    enabled = forms.BooleanField(required=False, initial=True, help_text="ACME clients are served.")
    require_eab = forms.BooleanField(
        required=False,
        initial=True,
        label="Require EAB",
        help_text="New accounts need an external account binding key.",
    )
    skip_validation = forms.BooleanField(
        required=False,
        help_text="Names that the account's EAB key lists need no proof. "
        "Not possible where no EAB key is required.",
    )
    challenge_types = forms.MultipleChoiceField(
        choices=ChallengeType.choices(),
        initial=default_challenge_types,
        widget=forms.CheckboxSelectMultiple,
    )
    http_port = forms.IntegerField(
        initial=80, label="HTTP port", help_text="http-01 connects to this port."
    )
    tls_port = forms.IntegerField(
        initial=443, label="TLS port", help_text="tls-alpn-01 connects to this port."
    )
    resolvers = LinesField(
        help_text="Name servers, address or address:port, one a line; empty = the system's."
    )
    allowed_networks = LinesField(
        help_text="Networks that validation may reach beyond the default, one a line. "
        "Private networks are reached anyway; loopback, link-local and cloud metadata are not."
    )
    check_caa = forms.BooleanField(
        required=False, label="Check CAA", help_text="Honour CAA records (RFC 8659)."
    )
    caa_identities = LinesField(
        rows=2, label="CAA identities", help_text="Our names in CAA records, one a line."
    )
    terms_of_service = forms.CharField(
        required=False, max_length=200, help_text="URL; accounts must agree."
    )
    website = forms.CharField(required=False, max_length=200)
    order_lifetime_h = forms.IntegerField(initial=24, label="Order lifetime in hours")
    authz_lifetime_h = forms.IntegerField(
        initial=168,
        label="Proof lifetime in hours",
        help_text="How long a proven name is believed; 0 = for one order only.",
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name, default in DEFAULTS.items():
            self.fields[name] = forms.IntegerField(
                required=False,
                min_value=0,
                label=_LIMIT_LABELS[name],
                help_text=f"Empty = {default}{_MORE.get(name, '')}; 0 = no limit.",
            )

    def clean(self) -> dict[str, Any]:
        """Gather the limits under one name, as the service takes them."""
        data: dict[str, Any] = super().clean() or {}
        given = {name: data.pop(name, None) for name in DEFAULTS}
        data["limits"] = {name: value for name, value in given.items() if value is not None}
        return data


class NewEndpointForm(_Settings):
    """An endpoint for a pair that has none."""

    pairing = forms.ModelChoiceField(
        queryset=Pairing.objects.none(), label="Application and profile", empty_label=None
    )
    field_order = ("pairing",)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        choice: Any = self.fields["pairing"]
        choice.queryset = (
            Pairing.objects.filter(acme=None, profile__issuer_type=IssuerType.AUTHORITY)
            .select_related("application", "profile")
            .order_by("application__name", "profile__name")
        )


class SettingsForm(_Settings, ObjectForm):
    """An endpoint's settings as they are."""

    def prepare(self) -> None:
        """Start from the row."""
        names = [name for name in self.fields if name not in DEFAULTS]
        self.initial = {name: getattr(self.obj, name) for name in names} | self.obj.limits


class NewEabKeyForm(ObjectForm):
    """On which terms a key lets clients in."""

    field_of: ClassVar = {"identifiers": "restrict_to"}
    name = forms.CharField(required=False, max_length=100, help_text="For people.")
    reusable = forms.BooleanField(
        required=False, help_text="For any number of accounts rather than one."
    )
    expires_at = forms.DateTimeField(
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text="UTC. Nobody can register with it from then on.",
    )
    restrict_to = LinesField(
        label="Identifiers",
        help_text="Names that its accounts may have certificates for, such as **.shop.example, "
        "and networks, one a line; empty = whatever the policy allows.",
    )
    networks = LinesField(
        rows=2, help_text="Source addresses of its accounts (CIDR), one a line; empty = any."
    )


class RevokeEabKeyForm(ObjectForm):
    """How far a revocation goes."""

    accounts = forms.BooleanField(
        required=False, label="End the accounts too", help_text="Their certificates stay valid."
    )
