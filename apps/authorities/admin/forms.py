"""Admin forms that create, certify, renew and publish authorities."""

from typing import Any, ClassVar

from django import forms

from apps import clock
from apps.authorities.authority_spec import AuthoritySpec
from apps.authorities.models import Authority, AuthorityKind, AuthorityState
from apps.site.forms import LinesField, ServiceForm
from apps.site.pages import ObjectForm
from pki.algorithms import KeyAlgorithm
from pki.reasons import RevocationReason
from pki.template import SAN_TYPES, NameConstraints, TypeValue

_MAX_DEPTH = 10
_SUBJECT = (
    "country",
    "state",
    "locality",
    "organization",
    "organizational_unit",
    "common_name",
)
_OFFLINE = "elsewhere"


def room_below(authority: Authority) -> int | None:
    """Return how many CA levels may be below (RFC 5280 section 4.2.1.9).

    ``None`` for no limit; negative when the authority itself is one too many.
    """
    room: int | None = None
    current: Authority | None = authority
    for depth in range(_MAX_DEPTH):
        if current is None:
            break
        if current.path_length is not None:
            left = current.path_length - depth
            room = left if room is None else min(room, left)
        current = current.parent
    return room


def possible_parents() -> list[tuple[str, str]]:
    """Return active authorities that allow another CA below, as choices with the levels left."""
    found = []
    for row in Authority.objects.filter(state=AuthorityState.ACTIVE).select_related(
        "key", "parent"
    ):
        room = room_below(row)
        if room is not None and room < 1:
            continue
        limit = "no path length limit" if room is None else f"path length at most {room - 1}"
        found.append((str(row.pk), f"{row.name} ({row.key.get_algorithm_display()}, {limit})"))
    return found


class AuthorityForm(ServiceForm):
    """Fields of roots and intermediates."""

    field_of: ClassVar = {"subject": "common_name", "name_constraints": "permitted_names"}
    name = forms.CharField(
        max_length=64,
        help_text="Used in public URLs, so it never changes: lower-case letters, digits and hyphens.",
    )
    common_name = forms.CharField(
        required=False, help_text="At least one part of the subject is needed."
    )
    organization = forms.CharField(required=False)
    organizational_unit = forms.CharField(required=False)
    country = forms.CharField(required=False, max_length=2, help_text="Two letters, such as DE.")
    state = forms.CharField(required=False, label="State or province")
    locality = forms.CharField(required=False)
    key_algorithm = forms.ChoiceField(
        choices=[(algorithm.value, algorithm.label) for algorithm in KeyAlgorithm],
        initial=KeyAlgorithm.EC_P256.value,
        help_text="ML-DSA is post-quantum; few clients understand it yet.",
    )
    lifetime_days = forms.IntegerField(min_value=1, max_value=36500, label="Lifetime in days")
    path_length = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=10,
        help_text="How many CA levels may follow below; empty = no limit.",
    )
    permitted_names = LinesField(
        rows=3,
        help_text="Name constraints, one a line with its type, such as: dns_name example.com. "
        f"Types: {', '.join(SAN_TYPES)}. Empty = no constraint.",
    )
    excluded_names = LinesField(
        rows=3, help_text="Names that must not appear below, written alike."
    )
    publish_crl_url = forms.BooleanField(
        required=False,
        label="Publish CRL URL",
        initial=True,
        help_text="Put the built-in CRL URL into certificates.",
    )
    crl_mirror_urls = LinesField(
        rows=3, label="CRL mirror URLs", help_text="Up to four further http(s) URLs, one a line."
    )
    crl_lifetime_hours = forms.IntegerField(min_value=1, initial=168, label="CRL lifetime in hours")
    ocsp_enabled = forms.BooleanField(required=False, initial=True, label="OCSP enabled")

    def clean_permitted_names(self) -> tuple[TypeValue, ...]:
        """Return typed names."""
        return _typed(self.cleaned_data["permitted_names"])

    def clean_excluded_names(self) -> tuple[TypeValue, ...]:
        """Return typed names."""
        return _typed(self.cleaned_data["excluded_names"])


class RootForm(AuthorityForm):
    """Form of a root, which signs itself at once."""

    lifetime_days = forms.IntegerField(
        min_value=1, max_value=36500, initial=3650, label="Lifetime in days"
    )


class IntermediateForm(AuthorityForm):
    """Form of an intermediate, which its parent signs at once or an offline CA later."""

    parent = forms.ChoiceField(
        choices=lambda: [*possible_parents(), (_OFFLINE, "Signed elsewhere (a CSR is made)")],
        help_text="Only active authorities that leave room for another level are offered.",
    )
    lifetime_days = forms.IntegerField(
        min_value=1, max_value=36500, initial=1825, label="Lifetime in days"
    )
    path_length = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=10,
        initial=0,
        help_text="How many CA levels may follow below: 0 for an authority that issues to end entities.",
    )
    field_order = ("name", "parent")

    def clean_parent(self) -> Authority | None:
        """Return the parent; ``None`` for an offline CA."""
        value = self.cleaned_data["parent"]
        return None if value == _OFFLINE else Authority.objects.select_related("key").get(pk=value)


def spec_of(data: dict[str, Any], kind: AuthorityKind) -> AuthoritySpec:
    """Return the specification from the cleaned data of a root or intermediate form."""
    return AuthoritySpec(
        name=data["name"],
        kind=kind,
        subject=tuple((part, data[part]) for part in _SUBJECT if data[part]),
        key_algorithm=KeyAlgorithm(data["key_algorithm"]),
        lifetime_days=data["lifetime_days"],
        path_length=data["path_length"],
        name_constraints=NameConstraints(data["permitted_names"], data["excluded_names"]),
        crl_mirror_urls=tuple(data["crl_mirror_urls"]),
        publish_crl_url=data["publish_crl_url"],
        ocsp_enabled=data["ocsp_enabled"],
        crl_lifetime_hours=data["crl_lifetime_hours"],
        parent=data.get("parent"),
    )


def _typed(lines: list[str]) -> tuple[TypeValue, ...]:
    found = []
    for line in lines:
        kind, _, value = line.partition(" ")
        if kind not in SAN_TYPES or not value.strip():
            raise forms.ValidationError(
                f"“{line}” is not a type and a name, such as: dns_name example.com."
            )
        found.append((kind, value.strip()))
    return tuple(found)


class PublicationForm(ObjectForm):
    """Fields that may change after creation: where and for how long status is published."""

    publish_crl_url = forms.BooleanField(
        required=False,
        label="Publish CRL URL",
        help_text="Put the built-in CRL URL into certificates issued from now on.",
    )
    crl_mirror_urls = LinesField(
        rows=3, label="CRL mirror URLs", help_text="Up to four further http(s) URLs, one a line."
    )
    crl_lifetime_hours = forms.IntegerField(min_value=1, label="CRL lifetime in hours")
    ocsp_enabled = forms.BooleanField(required=False, label="OCSP enabled")

    def prepare(self) -> None:
        """Set the present values as initial ones."""
        for name in self.fields:
            self.fields[name].initial = getattr(self.obj, name)


class InstallForm(ObjectForm):
    """The certificate from an offline CA and the chain above it."""

    field_of: ClassVar = {"*": "certificate"}
    certificate = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 10, "class": "vLargeTextField sw-json"}),
        help_text="PEM, issued for the CSR of this authority.",
    )
    chain = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 10, "class": "vLargeTextField sw-json"}),
        help_text="PEM of the issuers above it, nearest first, the root last.",
    )

    def clean(self) -> dict[str, Any]:
        """Return both files as bytes."""
        data = super().clean() or {}
        return data | {name: data.get(name, "").encode() for name in ("certificate", "chain")}


_REASONS = [
    (RevocationReason.CA_COMPROMISE, "CA compromise: somebody else may have the authority's key"),
    (
        RevocationReason.KEY_COMPROMISE,
        "Key compromise: the same, for verifiers that know this word",
    ),
    (RevocationReason.AFFILIATION_CHANGED, "Affiliation changed: the subject no longer fits"),
    (RevocationReason.SUPERSEDED, "Superseded: another authority has taken its place"),
    (RevocationReason.CESSATION_OF_OPERATION, "Cessation of operation: no longer needed"),
    (RevocationReason.PRIVILEGE_WITHDRAWN, "Privilege withdrawn: it may not issue any more"),
    (RevocationReason.UNSPECIFIED, "Unspecified"),
]


class RevokeForm(ObjectForm):
    """Why, since when, and which of several certificates."""

    reason = forms.ChoiceField(
        choices=[(reason.value, text) for reason, text in _REASONS],
        help_text="Goes into the parent's CRL and OCSP answers (RFC 5280).",
    )
    invalidity_date = forms.DateTimeField(
        required=False,
        help_text="Since when the key is believed to be unsafe, in UTC, such as 2026-11-23 14:00; "
        "empty if unknown.",
    )
    serial_number = forms.ChoiceField(
        required=False,
        label="Certificates",
        help_text="A single one, which a renewal has replaced, leaves the authority as it is.",
    )

    def prepare(self) -> None:
        """Offer the earlier certificates that are in force."""
        earlier = self.obj.certificates.filter(
            is_current=False, revoked_at__isnull=True, not_after__gt=clock.now()
        )
        choices = [(row.serial_number, f"only {row.serial_number}, replaced") for row in earlier]
        field: Any = self.fields["serial_number"]
        field.choices = [("", "all of the authority"), *choices]


class RenewForm(ObjectForm):
    """Lifetime of the new certificate for the same key."""

    lifetime_days = forms.IntegerField(
        min_value=1, max_value=36500, initial=1825, label="Lifetime in days"
    )
