"""Serializers of policies, their versions and presets."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.policies import selectors
from apps.policies.models import Policy
from apps.web import fields
from apps.web.serializers import Answer, Body, ViolationSerializer


@extend_schema_field(
    {"type": "object", "additionalProperties": True, "description": "see docs/policies.md"}
)
class RulesField(fields.ObjectField):
    """A rule document; ``apps.policies.rules`` reads it and lists what is wrong with it."""


class _CurrentRulesField(RulesField):
    """The rules of a policy that are in force."""

    def get_attribute(self, instance: Policy) -> Any:
        """Return no rules where no version is in force yet."""
        current = instance.current_version
        return current.rules if current else {}


class NewPolicySerializer(Body):
    """A policy to be made."""

    example = {
        "name": "web",
        "description": "Web servers",
        "rules": {
            "subject_alt_names": [{"type": "dns_name", "allowed": ["*.example.com"]}],
            "key_algorithms": ["ec-p256"],
            "validity": {"max": "90d"},
        },
    }

    name = fields.CharField(max_length=64)
    description = fields.CharField(required=False, allow_blank=True)
    rules = RulesField()


class PolicyChangesSerializer(Body):
    """What may change; other rules become a new version."""

    example = {
        "rules": {
            "subject_alt_names": [{"type": "dns_name", "allowed": ["*.example.com"]}],
            "key_algorithms": ["ec-p256"],
            "validity": {"max": "90d"},
        }
    }

    description = fields.CharField(required=False, allow_blank=True)
    rules = RulesField(required=False)


class PolicyRowSerializer(Answer):
    """A policy as lists show it."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField()
    version = serializers.IntegerField(
        source="current_version.number", allow_null=True, help_text="the one in force"
    )
    created_at = serializers.DateTimeField()


class PolicySerializer(PolicyRowSerializer):
    """A policy with its rules."""

    rules = _CurrentRulesField()


class _WarningsField(serializers.ListField):
    """The profiles whose defaults the rules in force refuse."""

    def get_attribute(self, instance: Policy) -> Any:
        """Look at the profiles of the policy."""
        return selectors.warnings_of(instance)


class ProfileWarningSerializer(Answer):
    """A profile whose defaults the rules refuse."""

    profile = serializers.CharField()
    violations = ViolationSerializer(many=True)


class SavedPolicySerializer(PolicySerializer):
    """A policy as it was saved, and what to look at because of it."""

    warnings = _WarningsField(
        child=ProfileWarningSerializer(),
        help_text="profiles with defaults outside of the rules: requests get the nearest lifetime, "
        "key or usages that the rules allow, with a note, or are refused",
    )


class PolicyVersionSerializer(Answer):
    """One version of a policy; it never changes."""

    id = serializers.UUIDField()
    version = serializers.IntegerField(source="number")
    rules = RulesField()
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField(help_text="who wrote it, e.g. user:7")


class PolicyPresetSerializer(Answer):
    """A starting point for a policy and its profile."""

    name = serializers.CharField(source="key")
    label = serializers.CharField()
    description = serializers.CharField()
    rules = RulesField()
    defaults = RulesField()
