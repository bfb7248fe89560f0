"""Admin pages of applications, with their members and attached profiles."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from apps import registry
from apps.applications import services
from apps.applications.admin import forms
from apps.applications.models import Application, Pairing
from apps.applications.roles import Role
from apps.principals import Principal
from apps.site.display import admin_url, badge
from apps.site.model_admin import GovernedAdmin
from apps.site.pages import ObjectAction, Section

_Data = dict[str, Any]


def _add_member(_: HttpRequest, principal: Principal, application: Application, data: _Data) -> str:
    made = services.add_member(principal, application, role=Role(data["role"]), **data["member"])
    return f"{made}."


def _change_role(_: HttpRequest, principal: Principal, _obj: Application, data: _Data) -> str:
    return f"{services.change_role(principal, data['member'], Role(data['role']))}."


def _remove_member(_: HttpRequest, principal: Principal, obj: Application, data: _Data) -> str:
    member = data["member"]
    label = str(member.user or member.group)
    services.remove_member(principal, member)
    return f"{label} is no longer a member of {obj}."


def _attach(_: HttpRequest, principal: Principal, application: Application, data: _Data) -> str:
    services.attach_profile(
        principal,
        application,
        data["profile"],
        api_enabled=data["api_enabled"],
        requires_approval=data["requires_approval"],
    )
    return f"The profile {data['profile']} is attached."


def _set_switches(_: HttpRequest, principal: Principal, _obj: Application, data: _Data) -> str:
    services.update_pairing(
        principal,
        data["pairing"],
        api_enabled=data["api_enabled"],
        requires_approval=data["requires_approval"],
    )
    return f"{data['pairing']} was saved."


def _detach(_: HttpRequest, principal: Principal, _obj: Application, data: _Data) -> str:
    profile = data["pairing"].profile
    services.detach_profile(principal, data["pairing"])
    return f"The profile {profile} is detached; certificates already issued stay valid."


@admin.register(Application)
class ApplicationAdmin(GovernedAdmin):
    """Applications with members and attached profiles."""

    add_form = forms.NameForm
    edit_form = forms.DescriptionForm
    removable = True
    remove_note = (
        "Members, attached profiles and tokens confined to this application are deleted as well. "
        "An application that has certificates or requests cannot be deleted."
    )
    list_display = ("name", "description", "members", "profiles", "created_at")
    search_fields = ("name__icontains", "description__icontains")
    ordering = ("name",)
    empty_text = "No applications yet. An application is a service or workload whose team requests certificates."
    object_actions: ClassVar = (
        ObjectAction(
            name="add-member", label="Add member…", form=forms.AddMemberForm, run=_add_member
        ),
        ObjectAction(
            name="attach-profile", label="Attach profile…", form=forms.AttachForm, run=_attach
        ),
        ObjectAction(
            name="change-role",
            label="Change role",
            form=forms.MemberRoleForm,
            run=_change_role,
            listed=False,
        ),
        ObjectAction(
            name="remove-member",
            label="Remove member",
            form=forms.MemberForm,
            run=_remove_member,
            danger=True,
            listed=False,
            intro="All rights in this application end with the next request.",
        ),
        ObjectAction(
            name="switches",
            label="Save switches",
            form=forms.PairingSwitchesForm,
            run=_set_switches,
            listed=False,
        ),
        ObjectAction(
            name="detach-profile",
            label="Detach profile",
            form=forms.PairingForm,
            run=_detach,
            danger=True,
            listed=False,
            intro="No further certificates are issued through this pair. "
            "Certificates already issued stay valid.",
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Application]:
        """Add the numbers of members and profiles to each row."""
        return (
            super()
            .get_queryset(request)
            .annotate(
                member_count=Count("memberships", distinct=True),
                profile_count=Count("pairings", distinct=True),
            )
        )

    @admin.display(ordering="member_count")
    def members(self, application: Any) -> int:
        """Return how many members there are."""
        return int(application.member_count)

    @admin.display(ordering="profile_count")
    def profiles(self, application: Any) -> int:
        """Return how many profiles are attached."""
        return int(application.profile_count)

    def create(self, request: HttpRequest, principal: Principal, data: _Data) -> Application:
        """Create an application."""
        return services.create_application(principal, **data)

    def update(
        self, request: HttpRequest, principal: Principal, obj: Application, data: _Data
    ) -> None:
        """Change the description."""
        services.update_application(principal, obj, description=data["description"])

    def remove(self, principal: Principal, obj: Application) -> None:
        """Delete an application without certificates."""
        services.delete_application(principal, obj)

    def sections(self, request: HttpRequest, obj: Application) -> list[Section]:
        """Show members and attached profiles, each with its controls."""
        members = obj.memberships.select_related("user__machine_identity", "group").order_by("id")
        pairings = obj.pairings.select_related("application", "profile").order_by("profile__name")
        return [
            Section(
                "Members",
                "applications/members.html",
                {
                    "members": list(members),
                    "roles": forms.ROLES,
                    "form": forms.AddMemberForm(obj=obj),
                },
            ),
            Section(
                "Profiles",
                "applications/pairings.html",
                {"pairings": list(pairings), "form": forms.AttachForm(obj=obj)},
            ),
            Section(
                "Enrollment",
                "applications/enrollment.html",
                {"endpoints": [row for pairing in pairings for row in _endpoints(pairing)]},
            ),
        ]


def _endpoints(pairing: Pairing) -> list[_Data]:
    """Return what each registered enrollment method shows about a pair."""
    return [
        {
            "pairing": pairing,
            "label": method.label,
            "state": badge("open", "good") if method.is_open(pairing) else badge("closed"),
            "panel": panel,
            "settings": admin_url(panel.settings) if panel.settings is not None else "",
        }
        for method in registry.enrollment_methods.values()
        if (panel := method.panel(pairing)) is not None
    ]
