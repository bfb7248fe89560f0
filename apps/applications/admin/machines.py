"""Admin pages of machine identities and API tokens; a token's text is shown once."""

from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from apps import clock
from apps.applications import services
from apps.applications.admin import forms
from apps.applications.models import ApiToken, MachineIdentity
from apps.principals import Principal
from apps.site.display import admin_url, badge, link
from apps.site.model_admin import GovernedAdmin, ReadOnlyAdmin
from apps.site.pages import Confirmation, Detail, ObjectAction, Section, details

_Data = dict[str, Any]


def _disable(_: HttpRequest, principal: Principal, machine: MachineIdentity, _data: _Data) -> str:
    services.disable_machine_identity(principal, machine)
    return f"All tokens of {machine} are refused from now on."


def _enable(_: HttpRequest, principal: Principal, machine: MachineIdentity, _data: _Data) -> str:
    services.enable_machine_identity(principal, machine)
    return f"The tokens of {machine} are accepted again."


def _create_token(
    request: HttpRequest, principal: Principal, machine: MachineIdentity, data: _Data
) -> HttpResponse:
    """Show the token in the answer itself: for a redirect it would have to be stored."""
    _token, text = services.create_token(principal, machine, **data)
    context = admin.site.each_context(request) | {
        "title": "The new token",
        "opts": MachineIdentity._meta,  # noqa: SLF001 - Django's documented Meta API
        "original": machine,
        "object_url": admin_url(machine),
        "list_url": reverse("admin:applications_machineidentity_changelist"),
        "secret": text,
    }
    return TemplateResponse(request, "admin/secret_page.html", context)


@admin.register(MachineIdentity)
class MachineIdentityAdmin(GovernedAdmin):
    """Workloads that authenticate by tokens."""

    add_form = forms.NameForm
    edit_form = forms.DescriptionForm
    removable = True
    remove_note = (
        "Its tokens and memberships are deleted as well; its events stay in the audit log."
    )
    list_display = ("name", "description", "enabled", "created_at")
    search_fields = ("name__icontains", "description__icontains")
    ordering = ("name",)
    list_select_related = ("user",)
    empty_text = (
        "No machine identities yet. A machine identity lets a workload use the API by tokens."
    )
    object_actions: ClassVar = (
        ObjectAction(
            name="create-token",
            label="Create token…",
            form=forms.NewTokenForm,
            run=_create_token,
            intro="The token is shown once, on the next page.",
            available=lambda machine: machine.user.is_active,
        ),
        ObjectAction(
            name="disable",
            label="Disable…",
            form=Confirmation,
            run=_disable,
            danger=True,
            intro="All its tokens are refused from the next request on, until it is enabled again.",
            available=lambda machine: machine.user.is_active,
        ),
        ObjectAction(
            name="enable",
            label="Enable",
            form=Confirmation,
            run=_enable,
            intro="Tokens that are neither expired nor revoked are accepted again.",
            available=lambda machine: not machine.user.is_active,
        ),
    )

    @admin.display(boolean=True, ordering="user__is_active")
    def enabled(self, machine: MachineIdentity) -> bool:
        """Tell whether its tokens are accepted."""
        return machine.user.is_active

    def create(self, request: HttpRequest, principal: Principal, data: _Data) -> MachineIdentity:
        """Create a machine identity."""
        return services.create_machine_identity(principal, **data)

    def update(
        self, request: HttpRequest, principal: Principal, obj: MachineIdentity, data: _Data
    ) -> None:
        """Change the description."""
        services.update_machine_identity(principal, obj, description=data["description"])

    def remove(self, principal: Principal, obj: MachineIdentity) -> None:
        """Delete the identity."""
        services.delete_machine_identity(principal, obj)

    def sections(self, request: HttpRequest, obj: MachineIdentity) -> list[Section]:
        """Show tokens and memberships."""
        tokens = ApiToken.objects.filter(user=obj.user).select_related("application")
        memberships = obj.user.memberships.select_related("application").order_by(
            "application__name"
        )
        return [
            Section(
                "Tokens",
                "admin/includes/table.html",
                {
                    "head": ["Token", "State", "Scopes", "Application", "Expires", "Last used"],
                    "rows": [
                        (
                            link(token),
                            token_badge(token),
                            ", ".join(token.scopes),
                            token.application or "all",
                            _day(token.expiry),
                            _day(token.last_used_at) if token.last_used_at else "never",
                        )
                        for token in tokens
                    ],
                    "empty": "No tokens yet.",
                },
            ),
            Section(
                "Memberships",
                "admin/includes/table.html",
                {
                    "head": ["Application", "Role"],
                    "rows": [(link(m.application), m.get_role_display()) for m in memberships],
                    "empty": "It is a member of no application, so it can do nothing yet.",
                },
            ),
        ]


def _day(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "never"


def token_badge(token: ApiToken) -> str:
    """Return a badge: accepted, or why not."""
    if token.revoked_at is not None:
        return badge("revoked", "bad")
    if token.expiry is None or token.expiry <= clock.now():
        return badge("expired", "quiet")
    return badge("accepted", "good") if token.user.is_active else badge("owner disabled", "wait")


def _revoke(_: HttpRequest, principal: Principal, token: ApiToken, _data: _Data) -> str:
    services.revoke_token(principal, token)
    return f"The token “{token.name}” is refused from now on."


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """API tokens: shown and revoked here, created on the page of their owner."""

    list_display = ("token", "owner", "state", "application", "expiry", "last_used_at")
    list_display_links = None
    list_filter = ("application", "expiry")
    search_fields = ("name__icontains", "user__username__icontains", "token_key__exact")
    list_select_related = ("user__machine_identity", "application")
    ordering = ("-created",)
    empty_text = "No tokens yet. They are created on the page of a machine identity."
    object_actions: ClassVar = (
        ObjectAction(
            name="revoke",
            label="Revoke…",
            form=Confirmation,
            run=_revoke,
            danger=True,
            intro="The token is refused from the next request on. This cannot be undone.",
            available=lambda token: token.revoked_at is None,
        ),
    )

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> ApiToken | None:
        """Return the token with this public identifier."""
        try:
            wanted = UUID(object_id)
        except ValueError:
            return None
        return self.get_queryset(request).filter(public_id=wanted).first()

    def trail_of(self, obj: ApiToken) -> dict[str, str]:
        """Return the filters for the owner, under whom events of tokens are recorded."""
        return {"subject_type": "accounts.user", "subject_id": str(obj.user_id)}

    @admin.display(ordering="name")
    def token(self, token: ApiToken) -> str:
        """Return a link by public identifier."""
        return link(token, token.name)

    @admin.display(ordering="user__username")
    def owner(self, token: ApiToken) -> str:
        """Return a link to the owner."""
        return link(getattr(token.user, "machine_identity", None) or token.user)

    @admin.display
    def state(self, token: ApiToken) -> str:
        """Return whether it is accepted."""
        return token_badge(token)

    def sections(self, request: HttpRequest, obj: ApiToken) -> list[Section]:
        """Show the properties of a token that are not secret."""
        owner = getattr(obj.user, "machine_identity", None) or obj.user
        return [
            details(
                "Token",
                [
                    Detail("Name", obj.name),
                    Detail("Owner", owner, admin_url(owner)),
                    Detail("State", token_badge(obj)),
                    Detail("Starts with", f"{obj.token_key}…", mono=True),
                    Detail("Scopes", list(obj.scopes)),
                    Detail("Application", obj.application or "all of its owner's"),
                    Detail("Source networks", obj.allowed_networks or "any", mono=True),
                    Detail("Created", f"{_day(obj.created)} by {obj.created_by}"),
                    Detail("Expires", _day(obj.expiry)),
                    Detail("Last used", _day(obj.last_used_at)),
                    Detail("Revoked", _day(obj.revoked_at) if obj.revoked_at else ""),
                ],
            )
        ]
