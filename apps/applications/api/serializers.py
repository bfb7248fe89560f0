"""Serializers of applications, their members and profiles, machine identities and tokens."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from apps.accounts.models import User
from apps.applications.models import Membership
from apps.applications.roles import Permission, Role
from apps.applications.tokens import identity_of
from apps.principals import Scope
from apps.web import fields
from apps.web.serializers import Answer, Body

MAX_BULK = 200
MAX_NETWORKS = 50
MEMBER_KINDS = ("user", "group", "machine_identity")

_ROLES = [(role.value, role.value) for role in Role]
_SCOPES = [(scope.value, scope.value) for scope in Scope]
_KINDS = list(MEMBER_KINDS)


def _kind_of(account: User) -> str:
    return "machine_identity" if identity_of(account)[0] == "machine" else "user"


class _OwnerNameField(serializers.CharField):
    """The name of an account, without the prefix of machines."""

    def to_representation(self, value: Any) -> str:
        """Return the name."""
        return identity_of(value)[2]


class _OwnerKindField(serializers.ChoiceField):
    """The kind of an account."""

    def to_representation(self, value: Any) -> str:
        """Return the kind."""
        return _kind_of(value)


class BearerScheme(OpenApiAuthenticationExtension):
    """Tells the document how callers sign in; drf-spectacular finds it by being imported."""

    target_class = "apps.applications.tokens.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:  # noqa: ARG002 - the extension's signature
        """Describe the header ``Authorization: Bearer swt_...``."""
        return {"type": "http", "scheme": "bearer", "description": "A token starting with swt_."}


class DescriptionSerializer(Body):
    """What may change; names stay, because addresses and the audit log use them."""

    example = {"description": "Card payments"}

    description = fields.CharField(required=False, allow_blank=True)


class NewApplicationSerializer(DescriptionSerializer):
    """An application to be made."""

    example = {"name": "payments", "description": "Card payments"}

    name = fields.CharField(max_length=64, help_text="stands in URLs and never changes")


class ApplicationRowSerializer(Answer):
    """An application as lists show it."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField()
    created_at = serializers.DateTimeField()


class SwitchesSerializer(Body):
    """Under which conditions an application uses a profile."""

    example = {"requires_approval": True}

    api_enabled = fields.BooleanField(required=False, help_text="requests by the API are allowed")
    requires_approval = fields.BooleanField(
        required=False, help_text="a second person must approve each request"
    )


class NewPairingSerializer(SwitchesSerializer):
    """A profile to be attached."""

    example = {"profile": "tls-server", "requires_approval": True}

    profile = fields.CharField(max_length=1024, help_text="name or id")


class PairingSerializer(Answer):
    """A profile that the application may use."""

    id = serializers.UUIDField()
    profile = serializers.CharField(source="profile.name")
    profile_id = serializers.UUIDField()
    api_enabled = serializers.BooleanField()
    requires_approval = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class ApplicationSerializer(ApplicationRowSerializer):
    """An application with what the caller may do and use there."""

    permissions = serializers.ListField(
        child=serializers.ChoiceField([(right.value, right.value) for right in Permission])
    )
    profiles = PairingSerializer(many=True)


class RoleChangeSerializer(Body):
    """A member's new role."""

    example = {"role": "operator"}

    role = fields.ChoiceField(_ROLES)


class NewMemberSerializer(RoleChangeSerializer):
    """A member to be added: exactly one of a person, a group or a machine identity."""

    example = {"user": "alice", "role": "operator"}

    hints = {"request.one_member": f"Exactly one of: {', '.join(MEMBER_KINDS)}."}

    user = fields.CharField(required=False, help_text="user name")
    group = fields.CharField(required=False, help_text="name")
    machine_identity = fields.CharField(required=False, help_text="name or id")

    def conflicts(self, data: Mapping[str, Any]) -> dict[str, ErrorDetail]:
        """Refuse none or several members."""
        if sum(kind in data for kind in MEMBER_KINDS) == 1:
            return {}
        return {"user": ErrorDetail("Name exactly one member.", "request.one_member")}


class BulkMembersSerializer(RoleChangeSerializer):
    """People and machine identities to be added at once."""

    example = {"names": ["alice", "build-server"], "role": "auditor"}

    names = fields.ListField(child=fields.CharField(), max_length=MAX_BULK)


class BulkResultSerializer(Answer):
    """What became of each name."""

    added = serializers.ListField(child=serializers.CharField())
    skipped = serializers.ListField(
        child=serializers.CharField(), help_text="members already, or yourself"
    )
    unresolved = serializers.ListField(child=serializers.CharField(), help_text="nobody's name")


class MemberSerializer(Answer):
    """A member and its role."""

    id = serializers.UUIDField(help_text="of the membership")
    kind = serializers.ChoiceField(_KINDS)
    name = serializers.CharField()
    role = serializers.ChoiceField(_ROLES)
    created_at = serializers.DateTimeField()

    def to_representation(self, instance: Membership) -> dict[str, Any]:
        """Return the membership with the kind and the name of its member."""
        user, group = instance.user, instance.group
        if user is not None:
            who = {"kind": _kind_of(user), "name": identity_of(user)[2]}
        else:
            assert group is not None
            who = {"kind": "group", "name": group.name}
        return {
            "id": str(instance.pk),
            **who,
            "role": instance.role,
            "created_at": self.fields["created_at"].to_representation(instance.created_at),
        }


class NewMachineIdentitySerializer(DescriptionSerializer):
    """A machine identity to be made."""

    example = {"name": "build-server", "description": "Nightly builds"}

    name = fields.CharField(max_length=64)


class MachineIdentitySerializer(Answer):
    """A workload's own identity."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField()
    is_active = serializers.BooleanField(source="user.is_active")
    created_at = serializers.DateTimeField()


class NewTokenSerializer(Body):
    """A token to be made."""

    example = {
        "name": "nightly build",
        "scopes": ["read", "request"],
        "machine_identity": "build-server",
        "application": "payments",
        "lifetime_days": 90,
    }

    name = fields.CharField(max_length=100)
    scopes = fields.ChoicesField(_SCOPES)
    machine_identity = fields.CharField(
        required=False,
        allow_null=True,
        help_text="name or id of the owner; without one the token is your own",
    )
    application = fields.CharField(
        required=False,
        allow_null=True,
        help_text="name or id of the only application it may touch",
    )
    lifetime_days = fields.IntegerField(required=False, help_text="1 to 365")
    allowed_networks = fields.ListField(
        child=fields.CharField(),
        required=False,
        max_length=MAX_NETWORKS,
        help_text="CIDR",
    )


class TokenSerializer(Answer):
    """What may be shown of a token."""

    id = serializers.UUIDField(source="public_id")
    name = serializers.CharField()
    owner_kind = _OwnerKindField(["user", "machine_identity"], source="user")
    owner = _OwnerNameField(source="user")
    starts_with = serializers.CharField(source="token_key", help_text="to recognise it by")
    scopes = serializers.ListField(child=serializers.ChoiceField(_SCOPES))
    application = serializers.CharField(source="application.name", allow_null=True)
    allowed_networks = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField(source="created")
    created_by = serializers.CharField()
    expires_at = serializers.DateTimeField(source="expiry", allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)


class CreatedTokenSerializer(TokenSerializer):
    """A token just made, with the text that is shown this once."""

    token = serializers.CharField()
