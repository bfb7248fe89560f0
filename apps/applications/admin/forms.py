"""Forms of the admin pages of applications and machine identities."""

from typing import Any

from django import forms
from django.contrib.auth.models import Group

from apps.accounts.models import AccountKind, User
from apps.applications.models import Application, MachineIdentity, Membership, Pairing
from apps.applications.roles import Role
from apps.principals import Scope
from apps.profiles.models import Profile
from apps.site.forms import LinesField, ServiceForm
from apps.site.pages import ObjectForm

ROLES = [(role.value, role.value.title()) for role in Role]
_ROLE_HELP = (
    "Administrators manage members and approve requests; operators request, renew and revoke; "
    "auditors read."
)
_SCOPES = {
    Scope.READ: "read: lists, details, downloads",
    Scope.REQUEST: "request: ask for certificates and renew them",
    Scope.REVOKE: "revoke: revoke, hold and release",
    Scope.EXPORT_KEY: "export-key: export private keys stored by the server",
    Scope.MANAGE: "manage: change settings and members, approve requests",
}


class NameForm(ServiceForm):
    """A name, which is part of URLs, and a description."""

    name = forms.CharField(
        max_length=64, help_text="Lower-case letters, digits and hyphens; it never changes."
    )
    description = forms.CharField(max_length=255, required=False)


class DescriptionForm(ObjectForm):
    """A description; the name cannot change, it is part of URLs and of the audit log."""

    description = forms.CharField(max_length=255, required=False)

    def prepare(self) -> None:
        """Start from the present description."""
        self.fields["description"].initial = self.obj.description


class AddMemberForm(ObjectForm):
    """A new member and a role."""

    member = forms.ChoiceField(choices=(), label="Member")
    role = forms.ChoiceField(choices=ROLES, initial=Role.OPERATOR.value, help_text=_ROLE_HELP)

    def prepare(self) -> None:
        """Offer people, groups and machine identities that are not members yet."""
        # Nobody is chosen beforehand: the first of the list would be added by a mere click.
        choices = [("", "---------"), *candidates(self.obj)]
        self.fields["member"].choices = choices  # type: ignore[attr-defined]

    def clean_member(self) -> dict[str, Any]:
        """Return the keyword argument that the service takes."""
        kind, _, key = self.cleaned_data["member"].partition(":")
        models: dict[str, Any] = {"user": User, "group": Group, "machine": MachineIdentity}
        found = models[kind]._default_manager.filter(pk=key).first()  # noqa: SLF001 - Django's documented Meta API
        if found is None:
            raise forms.ValidationError("This member no longer exists.")
        return {kind: found}


def candidates(application: Application) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return people, groups and machine identities that are not members, grouped by kind."""
    there = application.memberships.values_list
    users = User.objects.filter(kind=AccountKind.PERSON, is_active=True).exclude(
        pk__in=there("user_id", flat=True).exclude(user=None)
    )
    groups = Group.objects.exclude(pk__in=there("group_id", flat=True).exclude(group=None))
    machines = MachineIdentity.objects.exclude(
        user_id__in=there("user_id", flat=True).exclude(user=None)
    )
    found = [
        ("People", [(f"user:{u.pk}", u.username) for u in users.order_by("username")]),
        ("Groups", [(f"group:{g.pk}", g.name) for g in groups.order_by("name")]),
        ("Machine identities", [(f"machine:{m.pk}", m.name) for m in machines]),
    ]
    return [(label, choices) for label, choices in found if choices]


class MemberForm(ObjectForm):
    """One of the application's members."""

    member = forms.ModelChoiceField(queryset=Membership.objects.none())

    def prepare(self) -> None:
        """Accept members of this application only."""
        self.fields["member"].queryset = self.obj.memberships.select_related("user", "group")  # type: ignore[attr-defined]


class MemberRoleForm(MemberForm):
    """A member and a role."""

    role = forms.ChoiceField(choices=ROLES, help_text=_ROLE_HELP)


class AttachForm(ObjectForm):
    """A profile that is not attached yet, and the settings of the pairing."""

    profile = forms.ModelChoiceField(queryset=Profile.objects.none())
    api_enabled = forms.BooleanField(required=False, initial=True, label="API enrollment")
    requires_approval = forms.BooleanField(
        required=False, help_text="A second person must approve each request."
    )

    def prepare(self) -> None:
        """Offer profiles that are not attached."""
        there = self.obj.pairings.values_list("profile_id", flat=True)
        self.fields["profile"].queryset = Profile.objects.exclude(pk__in=there)  # type: ignore[attr-defined]


class PairingForm(ObjectForm):
    """One of the application's attached profiles."""

    pairing = forms.ModelChoiceField(queryset=Pairing.objects.none(), label="Profile")

    def prepare(self) -> None:
        """Accept pairings of this application only."""
        self.fields["pairing"].queryset = self.obj.pairings.select_related("profile", "application")  # type: ignore[attr-defined]


class PairingSwitchesForm(PairingForm):
    """The settings of a pairing."""

    api_enabled = forms.BooleanField(required=False, label="API enrollment")
    requires_approval = forms.BooleanField(required=False)


class NewTokenForm(ObjectForm):
    """Name, scopes, application, lifetime and source networks of a token."""

    name = forms.CharField(
        max_length=100, help_text="A name for people, e.g. the host that uses it."
    )
    scopes = forms.MultipleChoiceField(
        choices=[(scope.value, text) for scope, text in _SCOPES.items()],
        widget=forms.CheckboxSelectMultiple,
        initial=[Scope.READ.value, Scope.REQUEST.value],
        help_text="A token never allows more than its owner's role does.",
    )
    application = forms.ModelChoiceField(
        queryset=Application.objects.none(),
        required=False,
        empty_label="All of the owner's applications",
        help_text="Confine the token to one application.",
    )
    lifetime_days = forms.IntegerField(
        min_value=1, max_value=365, initial=90, label="Lifetime in days"
    )
    allowed_networks = LinesField(
        rows=3,
        help_text="Source networks such as 192.0.2.0/24, one on each line; empty = from anywhere.",
    )

    def prepare(self) -> None:
        """Offer the applications of which the machine is a member."""
        self.fields["application"].queryset = Application.objects.filter(  # type: ignore[attr-defined]
            memberships__user=self.obj.user_id
        )
