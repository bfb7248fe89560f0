"""What does the OpenAPI document promise about policies? Serializers that only describe."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.web.schema import page_schema


@extend_schema_field(
    {"type": "object", "additionalProperties": True, "description": "see docs/policies.md"}
)
class RulesField(serializers.DictField):
    """A rule document."""


class NewPolicySchema(serializers.Serializer[Any]):
    """A policy to be made."""

    name = serializers.CharField(max_length=64)
    description = serializers.CharField(required=False, allow_blank=True, max_length=1024)
    rules = RulesField()


class PolicyChangesSchema(serializers.Serializer[Any]):
    """What may change; other rules become a new version."""

    description = serializers.CharField(required=False, allow_blank=True, max_length=1024)
    rules = RulesField(required=False)


class PolicyRowSchema(serializers.Serializer[Any]):
    """A policy as lists show it."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField()
    version = serializers.IntegerField(allow_null=True, help_text="the one in force")
    created_at = serializers.DateTimeField()


class PolicySchema(PolicyRowSchema):
    """A policy with its rules."""

    rules = RulesField()


class PolicyVersionSchema(serializers.Serializer[Any]):
    """One version of a policy; it never changes."""

    id = serializers.UUIDField()
    version = serializers.IntegerField()
    rules = RulesField()
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField(help_text="who wrote it, e.g. user:7")


class PolicyPresetSchema(serializers.Serializer[Any]):
    """A starting point for a policy and its profile."""

    name = serializers.CharField()
    label = serializers.CharField()
    description = serializers.CharField()
    rules = RulesField()
    defaults = RulesField()


PolicyPageSchema = page_schema(PolicyRowSchema)
PolicyVersionPageSchema = page_schema(PolicyVersionSchema)
PolicyPresetPageSchema = page_schema(PolicyPresetSchema)
