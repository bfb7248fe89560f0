"""What does the OpenAPI document promise about authorities? Serializers that only describe."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.authorities.api.wire import MAX_MIRRORS_SENT
from apps.authorities.models import AuthorityKind, AuthorityState
from apps.web.naming import SubjectField, TypedNamesField
from apps.web.schema import KEY_ALGORITHMS, AttributeSchema, page_schema
from pki.template import SAN_TYPES


class SubtreeSchema(serializers.Serializer[Any]):
    """Names at and below ``value``."""

    type = serializers.ChoiceField(SAN_TYPES)
    value = serializers.CharField()


class NameConstraintsSchema(serializers.Serializer[Any]):
    """Which names certificates below may hold (RFC 5280 section 4.2.1.10)."""

    permitted = SubtreeSchema(many=True)
    excluded = SubtreeSchema(many=True)


class NewNameConstraintsSchema(serializers.Serializer[Any]):
    """Which names certificates below may hold; an absent side constrains nothing."""

    permitted = TypedNamesField(required=False)
    excluded = TypedNamesField(required=False)


@extend_schema_field(
    {
        "type": "array",
        "items": {"type": "string", "minLength": 1, "maxLength": 1024},
        "maxItems": MAX_MIRRORS_SENT,
    }
)
class _MirrorsField(serializers.ListField):
    """Up to four further http(s) addresses of the CRL, in order."""


class AuthorityChangesSchema(serializers.Serializer[Any]):
    """What may change: how the authority publishes, in certificates issued from now on."""

    crl_mirror_urls = _MirrorsField(required=False, help_text="at most four, in order")
    publish_crl_url = serializers.BooleanField(
        required=False, help_text="put the built-in CRL address into certificates"
    )
    crl_lifetime_hours = serializers.IntegerField(required=False, help_text="1 to 8784")
    ocsp_enabled = serializers.BooleanField(required=False)


class NewAuthoritySchema(AuthorityChangesSchema):
    """An authority to be made."""

    name = serializers.CharField(max_length=64, help_text="stands in URLs and never changes")
    kind = serializers.ChoiceField(AuthorityKind.choices)
    subject = SubjectField()
    key_algorithm = serializers.ChoiceField(KEY_ALGORITHMS)
    lifetime_days = serializers.IntegerField(
        required=False, help_text="default: ten years, or until the parent's end"
    )
    path_length = serializers.IntegerField(
        required=False, allow_null=True, help_text="CAs that may stand below; null = no limit"
    )
    name_constraints = NewNameConstraintsSchema(required=False)
    parent = serializers.CharField(
        required=False,
        allow_null=True,
        max_length=1024,
        help_text="name or id of the authority that signs; without one an intermediate waits "
        "for install-certificate",
    )


class AuthorityRowSchema(serializers.Serializer[Any]):
    """An authority as lists show it; dates and digests are those of its current certificate."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(AuthorityKind.choices)
    state = serializers.ChoiceField(AuthorityState.choices)
    parent = serializers.CharField(allow_null=True)
    subject = serializers.CharField(help_text="RFC 4514")
    subject_attributes = AttributeSchema(many=True)
    key_algorithm = serializers.ChoiceField(KEY_ALGORITHMS)
    spki_sha256 = serializers.CharField()
    path_length = serializers.IntegerField(allow_null=True)
    name_constraints = NameConstraintsSchema()
    publish_crl_url = serializers.BooleanField()
    crl_mirror_urls = serializers.ListField(child=serializers.CharField())
    crl_lifetime_hours = serializers.IntegerField()
    ocsp_enabled = serializers.BooleanField()
    serial_number = serializers.CharField(allow_null=True, help_text="lower-case hex")
    fingerprint_sha256 = serializers.CharField(allow_null=True)
    not_before = serializers.DateTimeField(allow_null=True)
    not_after = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class AuthorityCertificateSchema(serializers.Serializer[Any]):
    """One certificate of an authority's key."""

    id = serializers.UUIDField()
    serial_number = serializers.CharField(help_text="lower-case hex")
    fingerprint_sha256 = serializers.CharField()
    not_before = serializers.DateTimeField()
    not_after = serializers.DateTimeField()
    is_current = serializers.BooleanField()
    pem = serializers.CharField()
    created_at = serializers.DateTimeField()


class CrlSchema(serializers.Serializer[Any]):
    """The head of a certificate revocation list."""

    crl_number = serializers.IntegerField()
    this_update = serializers.DateTimeField()
    next_update = serializers.DateTimeField()
    entry_count = serializers.IntegerField()
    sha256 = serializers.CharField()
    created_at = serializers.DateTimeField()


class AuthoritySchema(AuthorityRowSchema):
    """An authority with everything that relying parties need."""

    pem = serializers.CharField(allow_null=True)
    chain_pem = serializers.CharField(allow_null=True, help_text="those above, root last")
    certificates = AuthorityCertificateSchema(many=True)
    crl = CrlSchema(allow_null=True)
    crl_urls = serializers.ListField(child=serializers.CharField())
    ocsp_urls = serializers.ListField(child=serializers.CharField())
    ca_issuers_urls = serializers.ListField(child=serializers.CharField())


class LifetimeSchema(serializers.Serializer[Any]):
    """How long the new certificate is to be valid."""

    lifetime_days = serializers.IntegerField()


class InstallationSchema(serializers.Serializer[Any]):
    """What a CA outside this product issued."""

    certificate = serializers.CharField(help_text="PEM (may hold the chain) or base64 of DER")
    chain = serializers.CharField(required=False, help_text="issuers above, in any order")


class CsrSchema(serializers.Serializer[Any]):
    """A certificate signing request."""

    csr = serializers.CharField(help_text="PKCS#10, PEM")


AuthorityPageSchema = page_schema(AuthorityRowSchema)
CrlPageSchema = page_schema(CrlSchema)
