"""Admin pages of policies, edited as a rule document that can start from a preset."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse

from apps.policies import diff, selectors, services
from apps.policies.models import Policy, PolicyVersion
from apps.policies.presets import PRESETS
from apps.principals import Principal
from apps.site import documents
from apps.site.display import NOTHING, actor_name, admin_url, badge, link
from apps.site.forms import DocumentField, ServiceForm
from apps.site.model_admin import GovernedAdmin, ReadOnlyAdmin
from apps.site.pages import Detail, ObjectForm, Section, details

_Data = dict[str, Any]
_RULES_HELP = (
    "A section that is absent allows anything; an empty one allows nothing; one with rules "
    "allows only what they name. Saving other rules makes a new version."
)


class NewPolicyForm(ServiceForm):
    """Name, description and rules."""

    field_of: ClassVar = {"*": "rules"}
    name = forms.CharField(max_length=64, help_text="Lower-case letters, digits and hyphens.")
    description = forms.CharField(max_length=255, required=False)
    rules = DocumentField(rows=28, required=False, help_text=_RULES_HELP)


class PolicyForm(ObjectForm):
    """Description and rules."""

    field_of: ClassVar = {"*": "rules"}
    description = forms.CharField(max_length=255, required=False)
    rules = DocumentField(rows=28, required=False, help_text=_RULES_HELP)

    def prepare(self) -> None:
        """Start from the version in force."""
        self.fields["description"].initial = self.obj.description
        current = self.obj.current_version
        self.fields["rules"].initial = current.rules if current else {}


def preset_tabs(chosen: str) -> dict[str, Any]:
    """Return the preset tabs: links that fill the form from a preset."""
    tabs = [
        {
            "label": preset.label,
            "title": preset.description,
            "href": f"?preset={preset.key}",
            "current": preset.key == chosen,
        }
        for preset in PRESETS.values()
    ]
    return {"tabs": tabs, "tabs_label": "Start from preset"}


@admin.register(Policy)
class PolicyAdmin(GovernedAdmin):
    """Policies; their rules are in immutable versions."""

    add_form = NewPolicyForm
    edit_form = PolicyForm
    removable = True
    settings_first = True
    remove_note = "A policy that profiles use, or that certificates refer to, cannot be deleted."
    list_display = ("name", "description", "version", "profiles_using", "created_at")
    search_fields = ("name__icontains", "description__icontains")
    ordering = ("name",)
    list_select_related = ("current_version",)
    empty_text = (
        "No policies yet. A policy says what a certificate may contain; start from a preset."
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Policy]:
        """Add the number of profiles to each row."""
        found: QuerySet[Policy] = super().get_queryset(request)
        return found.annotate(profile_count=Count("profiles"))

    @admin.display
    def version(self, policy: Policy) -> str:
        """Return the number of the version in force."""
        return f"v{policy.current_version.number}" if policy.current_version else NOTHING

    @admin.display(description="Profiles", ordering="profile_count")
    def profiles_using(self, policy: Any) -> int:
        """Return how many profiles use it."""
        return int(policy.profile_count)

    def initial_of_add(self, request: HttpRequest) -> _Data:
        """Start from the preset in the URL."""
        preset = PRESETS.get(request.GET.get("preset", ""))
        if preset is None:
            return {"rules": {}}
        return {"name": preset.key, "description": preset.description, "rules": preset.rules}

    def add_context(self, request: HttpRequest) -> _Data:
        """Offer the presets."""
        return preset_tabs(request.GET.get("preset", ""))

    def create(self, request: HttpRequest, principal: Principal, data: _Data) -> Policy:
        """Create a policy with its first version."""
        return services.create_policy(principal, **data)

    def update(self, request: HttpRequest, principal: Principal, obj: Policy, data: _Data) -> None:
        """Change description, rules or both."""
        saved = services.update_policy(principal, obj, **data)
        for warning in selectors.warnings_of(saved):
            reasons = " ".join(f"{one.reason} {one.hint}" for one in warning.violations)
            self.message_user(
                request,
                f"The defaults of the profile {warning.profile} are outside of these rules: "
                f"{reasons}",
                messages.WARNING,
            )

    def remove(self, principal: Principal, obj: Policy) -> None:
        """Delete a policy that nothing uses."""
        services.delete_policy(principal, obj)

    def sections(self, request: HttpRequest, obj: Policy) -> list[Section]:
        """Show the versions, and the profiles that use the policy."""
        profiles: Any = getattr(obj, "profiles")  # noqa: B009 - the reverse of a relation declared above this layer
        return [
            Section(
                "Versions",
                "admin/includes/table.html",
                {
                    "head": ["Version", "State", "Written", "By"],
                    "rows": [
                        (
                            link(version, f"v{version.number}"),
                            badge("in force", "good")
                            if version.pk == obj.current_version_id
                            else badge("superseded"),
                            f"{version.created_at:%Y-%m-%d %H:%M}",
                            actor_name(version.created_by),
                        )
                        for version in obj.versions.order_by("-number")
                    ],
                    "empty": "No versions.",
                },
            ),
            Section(
                "Used by",
                "admin/includes/table.html",
                {
                    "head": ["Profile", "Description"],
                    "rows": [(link(profile), profile.description) for profile in profiles.all()],
                    "empty": "No profile uses this policy.",
                },
            ),
        ]


@admin.register(PolicyVersion)
class PolicyVersionAdmin(ReadOnlyAdmin):
    """Policy versions, immutable and linked from their policy."""

    list_display = ("__str__", "created_at", "author")
    list_select_related = ("policy",)
    ordering = ("policy__name", "-number")

    @admin.display(description="By", ordering="created_by")
    def author(self, version: PolicyVersion) -> str:
        """Return who wrote it."""
        return actor_name(version.created_by)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Hide the model from the menu."""
        return False

    def sections(self, request: HttpRequest, obj: PolicyVersion) -> list[Section]:
        """Show the rules and how they differ from another version."""
        others = list(obj.policy.versions.exclude(pk=obj.pk).order_by("-number"))
        wanted = request.GET.get("against", "")
        against = next(
            (version for version in others if str(version.number) == wanted),
            next((version for version in others if version.number < obj.number), None),
        )
        head = details(
            "Version",
            [
                Detail("Policy", obj.policy, admin_url(obj.policy)),
                Detail("Number", str(obj.number)),
                Detail("Written", obj.created_at),
                Detail("By", actor_name(obj.created_by)),
            ],
        )
        rules = Section("Rules", "admin/includes/text.html", {"text": documents.pretty(obj.rules)})
        if not others:
            return [head, rules]
        shown = Section(
            "Differences",
            "policies/diff.html",
            {
                "others": others,
                "against": against,
                "lines": diff.between(against.rules, obj.rules) if against else [],
                "url": reverse("admin:policies_policyversion_change", args=[obj.pk]),
            },
        )
        return [head, shown, rules]
