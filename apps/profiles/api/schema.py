"""What does the OpenAPI document promise about profiles? Serializers that only describe."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.profiles.models import IssuerType
from apps.web.schema import page_schema


@extend_schema_field(
    {"type": "object", "additionalProperties": True, "description": "see docs/profiles.md"}
)
class DefaultsField(serializers.DictField):
    """A document of defaults."""


class ProfileChangesSchema(serializers.Serializer[Any]):
    """What may change."""

    description = serializers.CharField(required=False, allow_blank=True, max_length=1024)
    issuer_type = serializers.ChoiceField(IssuerType.choices, required=False)
    authority = serializers.CharField(
        required=False, allow_null=True, max_length=1024, help_text="name or id; null = unsaid"
    )
    policy = serializers.CharField(required=False, max_length=1024, help_text="name or id")
    defaults = DefaultsField(required=False)


class NewProfileSchema(ProfileChangesSchema):
    """A profile to be made."""

    name = serializers.CharField(max_length=64)
    policy = serializers.CharField(max_length=1024, help_text="name or id")


class ProfileSchema(serializers.Serializer[Any]):
    """Authority + policy + defaults: the template that application teams pick up."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField()
    issuer_type = serializers.ChoiceField(IssuerType.choices)
    authority = serializers.CharField(allow_null=True, help_text="null when self-signed")
    policy = serializers.CharField()
    policy_version = serializers.IntegerField(allow_null=True, help_text="the one in force")
    defaults = DefaultsField()
    revision = serializers.IntegerField(help_text="counts changes")
    created_at = serializers.DateTimeField()


ProfilePageSchema = page_schema(ProfileSchema)
