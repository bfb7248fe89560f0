"""What do these endpoints promise in the OpenAPI document? Serializers that write answers."""

from typing import ClassVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers

from apps.applications.models import Application, Pairing
from apps.audit.models import AuditEvent


class BearerScheme(OpenApiAuthenticationExtension):
    """Tells the document how callers sign in; drf-spectacular finds it by being imported."""

    target_class = "apps.applications.tokens.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:  # noqa: ARG002 - the extension's signature
        """Describe the header ``Authorization: Bearer swt_...``."""
        return {"type": "http", "scheme": "bearer", "description": "A token starting with swt_."}


class ApplicationSerializer(serializers.ModelSerializer[Application]):
    """An application in a list."""

    class Meta:
        """Read-only throughout."""

        model = Application
        fields = ("id", "name", "description", "created_at")
        read_only_fields = fields


class PairingSerializer(serializers.ModelSerializer[Pairing]):
    """A profile that the application may use."""

    profile = serializers.CharField(source="profile.name", read_only=True)
    profile_id = serializers.UUIDField(read_only=True)

    class Meta:
        """Read-only throughout."""

        model = Pairing
        fields = ("id", "profile", "profile_id", "api_enabled", "requires_approval")
        read_only_fields = fields


class ApplicationDetailSerializer(ApplicationSerializer):
    """An application with what the caller may do and use there."""

    permissions = serializers.ListField(child=serializers.CharField(), read_only=True)
    profiles = PairingSerializer(many=True, read_only=True)

    class Meta:
        """Read-only throughout."""

        model = Application
        fields = (*ApplicationSerializer.Meta.fields, "permissions", "profiles")
        read_only_fields = fields


class ApplicationPageSerializer(serializers.Serializer[Application]):
    """One page of applications."""

    results = ApplicationSerializer(many=True)
    next = serializers.URLField(allow_null=True)


class AuditEventSerializer(serializers.ModelSerializer[AuditEvent]):
    """One event."""

    class Meta:
        """Read-only throughout."""

        model = AuditEvent
        fields: ClassVar = (
            "id",
            "created_at",
            "event",
            "actor",
            "actor_label",
            "subject_type",
            "subject_id",
            "subject_label",
            "application_id",
            "ip",
            "trace_id",
            "data",
        )
        read_only_fields = fields


class AuditEventPageSerializer(serializers.Serializer[AuditEvent]):
    """One page of events."""

    results = AuditEventSerializer(many=True)
    next = serializers.URLField(allow_null=True)
