"""Admin pages of profiles."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from apps.authorities.models import Authority, AuthorityState
from apps.policies.admin import preset_tabs
from apps.policies.models import Policy
from apps.policies.presets import PRESETS
from apps.principals import Principal
from apps.profiles import services
from apps.profiles.models import AcmeSubject, CsrExtras, IssuerType, MustStaple, Profile
from apps.site.display import link
from apps.site.forms import DocumentField, ServiceForm
from apps.site.model_admin import GovernedAdmin
from apps.site.pages import ObjectForm, Section

_Data = dict[str, Any]
_DEFAULTS_HELP = (
    "Fills what a request leaves out; it is checked against the policy when you save. "
    "Names: ttl, subject, key_algorithm, signature_algorithm, key_usages, extended_key_usages, "
    "basic_constraints."
)


def _issuer_choices(also: Authority | None = None) -> list[tuple[str, str]]:
    """Return active authorities, the one in use even if it is not active, and self-signed."""
    rows = list(Authority.objects.filter(state=AuthorityState.ACTIVE).select_related("key"))
    if also is not None and also not in rows:
        rows.append(also)
    named = [(str(row.pk), f"{row.name} ({row.key.get_algorithm_display()})") for row in rows]
    return [*named, (IssuerType.SELF_SIGNED.value, "Self-signed (no authority)")]


def _arguments(data: _Data) -> _Data:
    """Return form data as the services take them: the issuer as kind and authority."""
    settings = {name: data[name] for name in services.CSR_SETTINGS if data[name]}
    rest = {
        name: value
        for name, value in data.items()
        if name not in {"issuer", *services.CSR_SETTINGS}
    }
    rest["csr"] = settings
    if data["issuer"] == IssuerType.SELF_SIGNED:
        return rest | {"issuer_type": IssuerType.SELF_SIGNED, "authority": None}
    authority = Authority.objects.select_related("key").get(pk=data["issuer"])
    return rest | {"issuer_type": IssuerType.AUTHORITY, "authority": authority}


class _CsrSettings(forms.Form):
    """What becomes of content of CSRs."""

    csr_extras = forms.ChoiceField(
        choices=CsrExtras.choices,
        required=False,
        label="Extras in CSRs",
        help_text="Other extensions and attributes, and usages that the policy does not allow.",
    )
    must_staple = forms.ChoiceField(
        choices=MustStaple.choices,
        required=False,
        label="Must-staple in CSRs",
        help_text="The TLS feature status_request (RFC 7633).",
    )
    acme_subject = forms.ChoiceField(
        choices=AcmeSubject.choices,
        required=False,
        label="Subjects in CSRs over ACME",
        help_text="Attributes beside the common name.",
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        first = [name for name in self.fields if name not in services.CSR_SETTINGS]
        self.order_fields([*first, *services.CSR_SETTINGS])


class NewProfileForm(_CsrSettings, ServiceForm):
    """All properties of a profile."""

    field_of: ClassVar = {"issuer_type": "issuer", "authority": "issuer"}
    name = forms.CharField(max_length=64, help_text="Lower-case letters, digits and hyphens.")
    description = forms.CharField(max_length=255, required=False)
    issuer = forms.ChoiceField(choices=_issuer_choices, help_text="Active authorities only.")
    policy = forms.ModelChoiceField(queryset=Policy.objects.all(), empty_label=None)
    defaults = DocumentField(rows=14, required=False, help_text=_DEFAULTS_HELP)


class ProfileForm(_CsrSettings, ObjectForm):
    """All properties but the name."""

    field_of: ClassVar = NewProfileForm.field_of
    description = forms.CharField(max_length=255, required=False)
    issuer = forms.ChoiceField(choices=())
    policy = forms.ModelChoiceField(queryset=Policy.objects.all(), empty_label=None)
    defaults = DocumentField(rows=14, required=False, help_text=_DEFAULTS_HELP)

    def prepare(self) -> None:
        """Start from the present values."""
        self.fields["issuer"].choices = _issuer_choices(self.obj.authority)  # type: ignore[attr-defined]
        for name in ("description", "policy", "defaults", *services.CSR_SETTINGS):
            self.fields[name].initial = getattr(self.obj, name)
        self.fields["issuer"].initial = str(self.obj.authority_id or IssuerType.SELF_SIGNED.value)


@admin.register(Profile)
class ProfileAdmin(GovernedAdmin):
    """Profiles: templates of authority, policy and defaults that applications use."""

    add_form = NewProfileForm
    edit_form = ProfileForm
    removable = True
    settings_first = True
    remove_note = "A profile that is attached to applications, or has issued, cannot be deleted."
    list_display = ("name", "description", "issuer", "policy_link", "applications", "revision")
    list_filter = ("issuer_type", "authority", "policy")
    search_fields = ("name__icontains", "description__icontains")
    ordering = ("name",)
    list_select_related = ("authority", "policy")
    empty_text = (
        "No profiles yet. A profile joins an authority, a policy and defaults; "
        "it needs an active authority (or self-signed) and a policy."
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Profile]:
        """Add the number of applications to each row."""
        return super().get_queryset(request).annotate(application_count=Count("pairings"))

    @admin.display(ordering="authority__name")
    def issuer(self, profile: Profile) -> str:
        """Return who signs."""
        return link(profile.authority) if profile.authority else "self-signed"

    @admin.display(description="Policy", ordering="policy__name")
    def policy_link(self, profile: Profile) -> str:
        """Return a link to the rules."""
        return link(profile.policy)

    @admin.display(ordering="application_count")
    def applications(self, profile: Any) -> int:
        """Return in how many applications it is attached."""
        return int(profile.application_count)

    def initial_of_add(self, request: HttpRequest) -> _Data:
        """Start from the preset in the URL, with the policy of the same name if there is one."""
        preset = PRESETS.get(request.GET.get("preset", ""))
        if preset is None:
            return {"defaults": {"ttl": "90d"}}
        return {
            "name": preset.key,
            "description": preset.description,
            "policy": Policy.objects.filter(name=preset.key).first(),
            "defaults": preset.defaults,
        }

    def add_context(self, request: HttpRequest) -> _Data:
        """Offer the presets."""
        return preset_tabs(request.GET.get("preset", ""))

    def create(self, request: HttpRequest, principal: Principal, data: _Data) -> Profile:
        """Create a profile."""
        return services.create_profile(principal, **_arguments(data))

    def update(self, request: HttpRequest, principal: Principal, obj: Profile, data: _Data) -> None:
        """Change a profile."""
        services.update_profile(principal, obj, **_arguments(data))

    def remove(self, principal: Principal, obj: Profile) -> None:
        """Delete a profile that nothing uses."""
        services.delete_profile(principal, obj)

    def sections(self, request: HttpRequest, obj: Profile) -> list[Section]:
        """Show which applications use it."""
        pairings: Any = getattr(obj, "pairings")  # noqa: B009 - the reverse of a relation declared above this layer
        rows = [
            (
                link(pairing.application),
                "open" if pairing.api_enabled else "closed",
                "required" if pairing.requires_approval else "not required",
            )
            for pairing in pairings.select_related("application").order_by("application__name")
        ]
        return [
            Section(
                "Used by",
                "admin/includes/table.html",
                {
                    "head": ["Application", "API enrollment", "Approval"],
                    "rows": rows,
                    "empty": "No application uses this profile. Attach it on an application's page.",
                },
            )
        ]
