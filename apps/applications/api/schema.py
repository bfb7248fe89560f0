"""What does the OpenAPI document promise about applications? Serializers that only describe."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers

from apps.applications.api.wire import MAX_BULK, MAX_NETWORKS, MEMBER_KINDS
from apps.applications.roles import Permission, Role
from apps.audit.events import Event
from apps.principals import Scope
from apps.web.serializers import page_serializer

_ROLES = [(role.value, role.value) for role in Role]
_SCOPES = [(scope.value, scope.value) for scope in Scope]
_KINDS = list(MEMBER_KINDS)


class BearerScheme(OpenApiAuthenticationExtension):
    """Tells the document how callers sign in; drf-spectacular finds it by being imported."""

    target_class = "apps.applications.tokens.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:  # noqa: ARG002 - the extension's signature
        """Describe the header ``Authorization: Bearer swt_...``."""
        return {"type": "http", "scheme": "bearer", "description": "A token starting with swt_."}


class DescriptionSchema(serializers.Serializer[Any]):
    """What may change; names stay, because addresses and the audit log use them."""

    description = serializers.CharField(required=False, allow_blank=True, max_length=1024)


class NewApplicationSchema(DescriptionSchema):
    """An application to be made."""

    name = serializers.CharField(max_length=64, help_text="stands in URLs and never changes")


class ApplicationRowSchema(serializers.Serializer[Any]):
    """An application as lists show it."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField()
    created_at = serializers.DateTimeField()


class SwitchesSchema(serializers.Serializer[Any]):
    """Under which conditions an application uses a profile."""

    api_enabled = serializers.BooleanField(required=False, help_text="the API door is open")
    requires_approval = serializers.BooleanField(
        required=False, help_text="a second person must approve each request"
    )


class NewPairingSchema(SwitchesSchema):
    """A profile to be attached."""

    profile = serializers.CharField(max_length=1024, help_text="name or id")


class PairingSchema(serializers.Serializer[Any]):
    """A profile that the application may use."""

    id = serializers.UUIDField()
    profile = serializers.CharField()
    profile_id = serializers.UUIDField()
    api_enabled = serializers.BooleanField()
    requires_approval = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class ApplicationSchema(ApplicationRowSchema):
    """An application with what the caller may do and use there."""

    permissions = serializers.ListField(
        child=serializers.ChoiceField([(right.value, right.value) for right in Permission])
    )
    profiles = PairingSchema(many=True)


class RoleChangeSchema(serializers.Serializer[Any]):
    """A member's new role."""

    role = serializers.ChoiceField(_ROLES)


class NewMemberSchema(RoleChangeSchema):
    """A member to be added: exactly one of a person, a group or a machine identity."""

    user = serializers.CharField(required=False, max_length=1024, help_text="user name")
    group = serializers.CharField(required=False, max_length=1024, help_text="name")
    machine_identity = serializers.CharField(
        required=False, max_length=1024, help_text="name or id"
    )


class BulkMembersSchema(RoleChangeSchema):
    """People and machine identities to be added at once."""

    names = serializers.ListField(child=serializers.CharField(max_length=1024), max_length=MAX_BULK)


class BulkResultSchema(serializers.Serializer[Any]):
    """What became of each name."""

    added = serializers.ListField(child=serializers.CharField())
    skipped = serializers.ListField(
        child=serializers.CharField(), help_text="members already, or yourself"
    )
    unresolved = serializers.ListField(child=serializers.CharField(), help_text="nobody's name")


class MemberSchema(serializers.Serializer[Any]):
    """A member and its role."""

    id = serializers.UUIDField(help_text="of the membership")
    kind = serializers.ChoiceField(_KINDS)
    name = serializers.CharField()
    role = serializers.ChoiceField(_ROLES)
    created_at = serializers.DateTimeField()


class NewMachineIdentitySchema(DescriptionSchema):
    """A machine identity to be made."""

    name = serializers.CharField(max_length=64)


class MachineIdentitySchema(serializers.Serializer[Any]):
    """A workload's own identity."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField()
    is_active = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class NewTokenSchema(serializers.Serializer[Any]):
    """A token to be made."""

    name = serializers.CharField(max_length=100)
    scopes = serializers.ListField(child=serializers.ChoiceField(_SCOPES))
    machine_identity = serializers.CharField(
        required=False,
        allow_null=True,
        max_length=1024,
        help_text="name or id of the owner; without one the token is your own",
    )
    application = serializers.CharField(
        required=False,
        allow_null=True,
        max_length=1024,
        help_text="name or id of the only application it may touch",
    )
    lifetime_days = serializers.IntegerField(required=False, help_text="1 to 365")
    allowed_networks = serializers.ListField(
        child=serializers.CharField(max_length=1024),
        required=False,
        max_length=MAX_NETWORKS,
        help_text="CIDR",
    )


class TokenSchema(serializers.Serializer[Any]):
    """What may be shown of a token."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    owner_kind = serializers.ChoiceField(["user", "machine_identity"])
    owner = serializers.CharField()
    starts_with = serializers.CharField(help_text="to recognise it by")
    scopes = serializers.ListField(child=serializers.ChoiceField(_SCOPES))
    application = serializers.CharField(allow_null=True)
    allowed_networks = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)


class CreatedTokenSchema(TokenSchema):
    """A token just made, with the text that is shown this once."""

    token = serializers.CharField()


class AuditEventSchema(serializers.Serializer[Any]):
    """One event."""

    id = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    event = serializers.ChoiceField([(event.value, event.value) for event in Event])
    actor = serializers.CharField()
    actor_label = serializers.CharField()
    subject_type = serializers.CharField()
    subject_id = serializers.CharField()
    subject_label = serializers.CharField()
    application_id = serializers.UUIDField(allow_null=True)
    ip = serializers.CharField()
    trace_id = serializers.CharField()
    data = serializers.DictField(help_text="details of the act; never secrets")


ApplicationPageSchema = page_serializer(ApplicationRowSchema)
PairingPageSchema = page_serializer(PairingSchema)
MemberPageSchema = page_serializer(MemberSchema)
MachineIdentityPageSchema = page_serializer(MachineIdentitySchema)
TokenPageSchema = page_serializer(TokenSchema)
AuditEventPageSchema = page_serializer(AuditEventSchema)
