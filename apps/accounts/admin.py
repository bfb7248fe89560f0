"""Admin pages of people, groups and counted sign-in failures."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from apps.accounts import groups, lockout, services
from apps.accounts.models import AccountKind, LoginCounter, User
from apps.principals import Principal, ProductRole
from apps.site.display import admin_url, badge, tone_of
from apps.site.forms import ServiceForm
from apps.site.model_admin import GovernedAdmin, ReadOnlyAdmin
from apps.site.pages import Confirmation, Detail, ObjectAction, ObjectForm, Section, details

_ROLES = [(role.value, role.value.title()) for role in ProductRole]
_ROLE_HELP = (
    "Administrators govern authorities, policies, profiles and applications and may use these "
    "pages; members work in the applications to which they are added."
)


class NewPersonForm(ServiceForm):
    """Name, address, first password and product role."""

    username = forms.CharField(max_length=150)
    email = forms.EmailField(required=False)
    password = forms.CharField(
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 14 characters; the person can change it after signing in.",
    )
    product_role = forms.ChoiceField(choices=_ROLES, initial="member", help_text=_ROLE_HELP)


class PasswordForm(ObjectForm):
    """A new password."""

    password = forms.CharField(
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 14 characters.",
    )


class RoleForm(ObjectForm):
    """A product role."""

    product_role = forms.ChoiceField(choices=_ROLES, help_text=_ROLE_HELP)

    def prepare(self) -> None:
        """Start from the present role."""
        self.fields["product_role"].initial = self.obj.product_role


def _set_password(
    _request: HttpRequest, principal: Principal, user: User, data: dict[str, Any]
) -> str:
    services.set_password(principal, user, data["password"])
    return f"{user} has a new password; all other sessions have ended."


def _change_role(
    _request: HttpRequest, principal: Principal, user: User, data: dict[str, Any]
) -> str:
    services.change_product_role(principal, user, ProductRole(data["product_role"]))
    return f"{user} is now {data['product_role']}."


def _disable(_request: HttpRequest, principal: Principal, user: User, _data: dict[str, Any]) -> str:
    services.disable_person(principal, user)
    return f"{user} can no longer sign in."


def _enable(_request: HttpRequest, principal: Principal, user: User, _data: dict[str, Any]) -> str:
    services.enable_person(principal, user)
    return f"{user} can sign in again."


def _clear_failures(
    _request: HttpRequest, principal: Principal, user: User, _data: dict[str, Any]
) -> str:
    lockout.clear(principal, lockout.counters_of_user(user), subject=user)
    return f"{user} can try to sign in without a wait."


def _clear_counter(
    _request: HttpRequest, principal: Principal, counter: LoginCounter, _data: dict[str, Any]
) -> str:
    lockout.clear(principal, LoginCounter.objects.filter(pk=counter.pk), subject=counter.user)
    return f"The counter of {counter} was cleared."


@admin.register(User)
class UserAdmin(GovernedAdmin):
    """Accounts of people; machine identities have their own pages."""

    add_form = NewPersonForm
    list_display = ("username", "email", "role", "active", "last_login")
    list_filter = ("product_role", "is_active")
    search_fields = ("username__icontains", "email__icontains")
    ordering = ("username",)
    object_actions: ClassVar = (
        ObjectAction(name="password", label="Set password…", form=PasswordForm, run=_set_password),
        ObjectAction(name="role", label="Change product role…", form=RoleForm, run=_change_role),
        ObjectAction(
            name="disable",
            label="Disable…",
            form=Confirmation,
            run=_disable,
            danger=True,
            intro="The person's sessions and tokens are refused from the next request on. "
            "Memberships stay, so that enabling restores everything.",
            available=lambda user: user.is_active,
        ),
        ObjectAction(
            name="enable",
            label="Enable",
            form=Confirmation,
            run=_enable,
            intro="The person can sign in again, with the memberships that are in place.",
            available=lambda user: not user.is_active,
        ),
        ObjectAction(
            name="clear-failures",
            label="Clear failed sign-ins…",
            form=Confirmation,
            run=_clear_failures,
            intro="After failed attempts this account has to wait before the next one. The "
            "counted failures are forgotten; those of an address are cleared on its own page.",
            available=lambda user: lockout.counters_of_user(user).filter(failures__gt=0).exists(),
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Return people only."""
        return super().get_queryset(request).filter(kind=AccountKind.PERSON)

    @admin.display(description="Product role", ordering="product_role")
    def role(self, user: User) -> str:
        """Return the role, coloured."""
        return badge(user.get_product_role_display(), tone_of(user.product_role))

    @admin.display(description="Can sign in", boolean=True, ordering="is_active")
    def active(self, user: User) -> bool:
        """Tell whether the account is enabled."""
        return user.is_active

    def create(self, request: HttpRequest, principal: Principal, data: dict[str, Any]) -> User:
        """Create a person."""
        return services.create_person(
            principal,
            username=data["username"],
            email=data["email"],
            password=data["password"],
            product_role=ProductRole(data["product_role"]),
        )

    def sections(self, request: HttpRequest, obj: User) -> list[Section]:
        """Show account and memberships."""
        account = [
            Detail("User name", obj.username),
            Detail("E-mail", obj.email),
            Detail("Product role", obj.get_product_role_display()),
            Detail("Can sign in", "yes" if obj.is_active else "no"),
            Detail("Last login", obj.last_login),
            Detail("Created", obj.date_joined),
            Detail("Groups", [group.name for group in obj.groups.order_by("name")] or ""),
        ]
        return [details("Account", account)]


class NewGroupForm(ServiceForm):
    """A name and the people in it."""

    name = forms.CharField(max_length=150)
    people = forms.ModelMultipleChoiceField(
        queryset=User.objects.none(), required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["people"].queryset = _people()  # type: ignore[attr-defined]


class GroupForm(ObjectForm):
    """The people in a group."""

    people = forms.ModelMultipleChoiceField(
        queryset=User.objects.none(), required=False, widget=forms.CheckboxSelectMultiple
    )

    def prepare(self) -> None:
        """Offer all people; those in the group are selected."""
        self.fields["people"].queryset = _people()  # type: ignore[attr-defined]
        self.fields["people"].initial = list(self.obj.user_set.all())


def _people() -> QuerySet[User]:
    return User.objects.filter(kind=AccountKind.PERSON).order_by("username")


@admin.register(Group)
class GroupAdmin(GovernedAdmin):
    """Groups of people, which can be members of applications."""

    add_form = NewGroupForm
    edit_form = GroupForm
    list_display = ("name", "people")
    search_fields = ("name__icontains",)
    ordering = ("name",)
    empty_text = "No groups yet. A group can be made a member of an application as a whole."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        """Add the number of people to each row."""
        return super().get_queryset(request).annotate(people_count=Count("user"))

    @admin.display(description="People", ordering="people_count")
    def people(self, group: Any) -> int:
        """Return how many people are in the group."""
        return int(group.people_count)

    def create(self, request: HttpRequest, principal: Principal, data: dict[str, Any]) -> Group:
        """Create a group."""
        return groups.create_group(principal, name=data["name"], people=list(data["people"]))

    def update(
        self, request: HttpRequest, principal: Principal, obj: Group, data: dict[str, Any]
    ) -> None:
        """Set the people of the group."""
        groups.set_people(principal, obj, list(data["people"]))

    def sections(self, request: HttpRequest, obj: Group) -> list[Section]:
        """Show the people in the group, with links."""
        people = [Detail(user.username, user.email, admin_url(user)) for user in obj.user_set.all()]
        return [details("People", people)] if people else []


@admin.register(LoginCounter)
class LoginCounterAdmin(ReadOnlyAdmin):
    """Counted sign-in failures, with the waits that follow from them."""

    list_display = ("who", "network", "failures", "counted_at", "blocked_until")
    list_select_related = ("user",)
    search_fields = ("user__username__icontains", "network__icontains")
    ordering = ("-counted_at",)
    empty_text = "No failed sign-in is counted."
    object_actions: ClassVar = (
        ObjectAction(
            name="clear",
            label="Clear…",
            form=Confirmation,
            run=_clear_counter,
            intro="The counted failures are forgotten: the next attempt is looked at immediately.",
            available=lambda counter: counter.failures > 0,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[LoginCounter]:
        """Return counters with failures; the others only remember a success."""
        return super().get_queryset(request).filter(failures__gt=0)

    @admin.display(description="Account", ordering="user__username")
    def who(self, counter: LoginCounter) -> str:
        """Return the account; names without one are not kept."""
        if not counter.account:
            return "any account"
        return counter.user.get_username() if counter.user is not None else "unknown account"

    def trail_of(self, obj: LoginCounter) -> dict[str, str]:
        """Return nothing: events of sign-ins are filed under the account."""
        return {}

    def sections(self, request: HttpRequest, obj: LoginCounter) -> list[Section]:
        """Show what is counted, and until when attempts have to wait."""
        counted = [
            Detail("Account", self.who(obj), admin_url(obj.user) if obj.user is not None else ""),
            Detail("Address", obj.network or "any address", mono=True),
            Detail("Failures", obj.failures),
            Detail("Last failure", obj.counted_at),
            Detail("Waits until", obj.blocked_until or "no wait"),
        ]
        return [details("Counted failures", counted)]
