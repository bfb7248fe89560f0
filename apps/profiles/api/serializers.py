"""Serializers of profiles."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.profiles.models import AcmeSubject, CsrExtras, IssuerType, MustStaple
from apps.web import fields
from apps.web.serializers import Answer, Body


@extend_schema_field(
    {"type": "object", "additionalProperties": True, "description": "see docs/profiles.md"}
)
class DefaultsField(fields.ObjectField):
    """A document of defaults; ``apps.profiles.defaults`` reads it and lists what is wrong."""


class ProfileChangesSerializer(Body):
    """What may change."""

    example = {"defaults": {"ttl": "60d"}}

    description = fields.CharField(required=False, allow_blank=True)
    issuer_type = fields.ChoiceField(IssuerType.choices, required=False)
    authority = fields.CharField(
        required=False, allow_null=True, help_text="name or id; null = unsaid"
    )
    policy = fields.CharField(required=False, help_text="name or id")
    defaults = DefaultsField(required=False)
    csr_extras = fields.ChoiceField(
        CsrExtras.choices, required=False, help_text="what a CSR carries beside key and names"
    )
    must_staple = fields.ChoiceField(
        MustStaple.choices, required=False, help_text="the TLS feature status_request in a CSR"
    )
    acme_subject = fields.ChoiceField(
        AcmeSubject.choices,
        required=False,
        help_text="subject attributes beside the common name in a CSR over ACME",
    )


class NewProfileSerializer(ProfileChangesSerializer):
    """A profile to be made."""

    example = {
        "name": "tls-server",
        "authority": "issuing-ca",
        "policy": "web",
        "defaults": {"ttl": "90d", "key_algorithm": "ec-p256"},
    }

    name = fields.CharField(max_length=64)
    policy = fields.CharField(help_text="name or id")


class ProfileSerializer(Answer):
    """Authority + policy + defaults: the template that application teams pick up."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField()
    issuer_type = serializers.ChoiceField(IssuerType.choices)
    authority = serializers.CharField(
        source="authority.name", allow_null=True, help_text="null when self-signed"
    )
    policy = serializers.CharField(source="policy.name")
    policy_version = serializers.IntegerField(
        source="policy.current_version.number", allow_null=True, help_text="the one in force"
    )
    defaults = DefaultsField()
    csr_extras = serializers.ChoiceField(CsrExtras.choices)
    must_staple = serializers.ChoiceField(MustStaple.choices)
    acme_subject = serializers.ChoiceField(AcmeSubject.choices)
    revision = serializers.IntegerField(help_text="counts changes")
    created_at = serializers.DateTimeField()
