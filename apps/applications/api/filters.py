"""Query parameters that narrow lists of applications, members, machines and tokens."""

from typing import Any

from django_filters import rest_framework as filters

from apps.accounts.models import AccountKind
from apps.applications.roles import Role
from apps.web.filters import ReferenceFilter, SearchFilter, StrictFilterSet

_YES_NO = [("true", "true"), ("false", "false")]


class ApplicationFilter(StrictFilterSet):
    """Narrows the list of applications."""

    name = filters.CharFilter("name", label="exact name")
    search = SearchFilter("name", "description")
    profile = ReferenceFilter(
        "pairings__profile", label="name or identifier of an attached profile"
    )


class PairingFilter(StrictFilterSet):
    """Narrows the list of attached profiles."""

    search = SearchFilter("profile__name", "profile__description")


class MemberFilter(StrictFilterSet):
    """Narrows the list of members."""

    role = filters.ChoiceFilter(choices=[(role.value, role.value) for role in Role], label="role")
    kind = filters.ChoiceFilter(
        method="of_kind",
        choices=[(kind, kind) for kind in ("user", "group", "machine_identity")],
        label="kind of member",
    )
    search = SearchFilter("user__username", "group__name")

    def of_kind(self, rows: Any, _name: str, value: str) -> Any:
        """Narrow to people, machines or groups."""
        if value == "group":
            return rows.filter(group__isnull=False)
        kind = AccountKind.PERSON if value == "user" else AccountKind.MACHINE
        return rows.filter(user__kind=kind)


class MachineIdentityFilter(StrictFilterSet):
    """Narrows the list of machine identities."""

    name = filters.CharFilter("name", label="exact name")
    search = SearchFilter("name", "description")
    is_active = filters.ChoiceFilter(method="active", choices=_YES_NO, label="may sign in")

    def active(self, rows: Any, _name: str, value: str) -> Any:
        """Narrow to enabled or disabled ones."""
        return rows.filter(user__is_active=value == "true")


class TokenFilter(StrictFilterSet):
    """Narrows the list of tokens."""

    search = SearchFilter("name")
    machine_identity = ReferenceFilter(
        "user__machine_identity", label="name or identifier of the machine that owns it"
    )
    user = filters.CharFilter("user__username", label="user name of the person that owns it")
    application = ReferenceFilter(
        "application", label="name or identifier of the only one it may touch"
    )
    revoked = filters.ChoiceFilter(method="ended", choices=_YES_NO, label="ended by hand")

    def ended(self, rows: Any, _name: str, value: str) -> Any:
        """Narrow to tokens that were, or were not, revoked."""
        return rows.filter(revoked_at__isnull=value == "false")
