"""What does the OpenAPI document promise? Serializers that describe, and never run.

Bodies are read by ``wire`` and written by ``present``, which list every mistake at once and
cost a fraction of a serializer; a test holds both against these descriptions.
"""

from rest_framework import serializers

from apps.certificates.export import ExportFormat
from apps.certificates.issuance import MAX_ENROLLMENTS
from apps.certificates.models import (
    CertificateSource,
    CertificateState,
    EnrollmentMethod,
    RequestState,
)
from apps.web.naming import NamesField, SubjectField
from apps.web.serializers import (
    KEY_ALGORITHMS,
    REVOCATION_REASONS,
    SIGNATURE_ALGORITHMS,
    AttributeSerializer,
    NameSerializer,
    ProblemSerializer,
    ViolationSerializer,
    page_serializer,
)
from pki.template import EXTENDED_KEY_USAGES, KEY_USAGES


class KeySpecSchema(serializers.Serializer):
    """The key that the server is to make."""

    algorithm = serializers.ChoiceField(
        KEY_ALGORITHMS, required=False, help_text="default: the profile's"
    )


class BasicConstraintsSchema(serializers.Serializer):
    """Whether the certificate is one of an authority."""

    is_ca = serializers.BooleanField()
    path_length = serializers.IntegerField(
        min_value=0, max_value=255, allow_null=True, required=False
    )


class RequestedContentSchema(serializers.Serializer):
    """What a request may say beside its CSR or key."""

    subject = SubjectField(required=False, help_text="attribute to value or values")
    subject_alt_names = NamesField(required=False)
    key_usages = serializers.ListField(child=serializers.ChoiceField(KEY_USAGES), required=False)
    extended_key_usages = serializers.ListField(
        child=serializers.ChoiceField(EXTENDED_KEY_USAGES), required=False
    )
    signature_algorithm = serializers.ChoiceField(SIGNATURE_ALGORITHMS, required=False)
    ttl = serializers.CharField(required=False, help_text="90d, 12h, 30m")
    not_before = serializers.DateTimeField(required=False)
    not_after = serializers.DateTimeField(required=False)
    basic_constraints = BasicConstraintsSchema(required=False)


class RequestBodySchema(RequestedContentSchema):
    """A certificate request: a CSR, or a key specification."""

    application = serializers.CharField(help_text="name or id")
    profile = serializers.CharField(help_text="name or id; attached to the application")
    csr = serializers.CharField(required=False, help_text="PKCS#10 as PEM, or base64 of DER")
    key = KeySpecSchema(required=False)


class ManyRequestsItemSchema(RequestedContentSchema):
    """One of many certificate requests: always from a CSR."""

    csr = serializers.CharField(help_text="PKCS#10 as PEM, or base64 of DER")


class ManyRequestsSchema(serializers.Serializer):
    """Up to a hundred certificate requests at one application and profile."""

    application = serializers.CharField(help_text="name or id")
    profile = serializers.CharField(help_text="name or id; attached to the application")
    requests = serializers.ListField(
        child=ManyRequestsItemSchema(), min_length=1, max_length=MAX_ENROLLMENTS
    )


class CertificateRowSchema(serializers.Serializer):
    """A certificate as lists show it."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(CertificateState.choices)
    source = serializers.ChoiceField(CertificateSource.choices)
    application = serializers.CharField(allow_null=True)
    profile = serializers.CharField(allow_null=True)
    policy_version = serializers.CharField(allow_null=True)
    request = serializers.UUIDField(allow_null=True)
    serial_number = serializers.CharField(help_text="lower-case hex")
    fingerprint_sha256 = serializers.CharField()
    spki_sha256 = serializers.CharField()
    subject = serializers.CharField(help_text="RFC 4514")
    issuer = serializers.CharField(help_text="RFC 4514")
    common_name = serializers.CharField()
    subject_alt_names = NameSerializer(many=True)
    key_algorithm = serializers.ChoiceField(KEY_ALGORITHMS)
    signature_algorithm = serializers.ChoiceField(SIGNATURE_ALGORITHMS)
    not_before = serializers.DateTimeField()
    not_after = serializers.DateTimeField()
    has_private_key = serializers.BooleanField()
    replaces = serializers.UUIDField(allow_null=True)
    lineage = serializers.UUIDField()
    revoked_at = serializers.DateTimeField(allow_null=True)
    revocation_reason = serializers.ChoiceField(REVOCATION_REASONS, allow_null=True)
    created_at = serializers.DateTimeField()


class CertificateDetailSchema(CertificateRowSchema):
    """A certificate with its encodings."""

    pem = serializers.CharField()
    chain_pem = serializers.CharField(help_text="issuers, nearest first, without the root")


CertificatePageSchema = page_serializer(CertificateRowSchema)


class ContentSchema(serializers.Serializer):
    """The decoded content of a certificate."""

    subject = serializers.CharField()
    subject_attributes = AttributeSerializer(many=True)
    subject_alt_names = NameSerializer(many=True)
    key_algorithm = serializers.ChoiceField(KEY_ALGORITHMS)
    spki_sha256 = serializers.CharField()
    signature_algorithm = serializers.ChoiceField(SIGNATURE_ALGORITHMS)
    key_usages = serializers.ListField(child=serializers.ChoiceField(KEY_USAGES))
    extended_key_usages = serializers.ListField(child=serializers.ChoiceField(EXTENDED_KEY_USAGES))
    basic_constraints = BasicConstraintsSchema()
    not_before = serializers.DateTimeField()
    not_after = serializers.DateTimeField()


class RequestRowSchema(serializers.Serializer):
    """A request as lists show it."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(RequestState.choices)
    method = serializers.ChoiceField(EnrollmentMethod.choices)
    application = serializers.CharField()
    profile = serializers.CharField()
    policy_version = serializers.CharField()
    requested_by = serializers.CharField()
    requester = serializers.CharField()
    violations = ViolationSerializer(many=True)
    failure = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


class RequestDetailSchema(RequestRowSchema):
    """A request with its content and outcome."""

    content = ContentSchema(allow_null=True)
    csr_pem = serializers.CharField(allow_null=True)
    certificate = CertificateDetailSchema(allow_null=True)


RequestPageSchema = page_serializer(RequestRowSchema)


class OutcomeSchema(RequestRowSchema):
    """What a request became."""

    certificate = CertificateDetailSchema(allow_null=True)
    private_key_pem = serializers.CharField(
        required=False, help_text="only for a key made by the server"
    )
    retry_after_s = serializers.IntegerField(required=False, help_text="only while pending")


class RequestResultSchema(serializers.Serializer):
    """What one of many requests became."""

    status = serializers.IntegerField(help_text="201, 202, or that of the problem")
    request = OutcomeSchema(allow_null=True)
    problem = ProblemSerializer(allow_null=True)


class ManyOutcomesSchema(serializers.Serializer):
    """What many requests became, in the order in which they were sent."""

    issued = serializers.IntegerField()
    pending = serializers.IntegerField()
    refused = serializers.IntegerField()
    results = RequestResultSchema(many=True)


class VerdictSchema(serializers.Serializer):
    """One rule and whether it holds."""

    rule = serializers.CharField()
    field = serializers.CharField()
    passed = serializers.BooleanField()
    violation = ViolationSerializer(allow_null=True)


class DecisionSchema(serializers.Serializer):
    """What a request would become."""

    accepted = serializers.BooleanField()
    policy_version = serializers.CharField()
    certificate = ContentSchema(allow_null=True)
    rules = VerdictSchema(many=True)
    violations = ViolationSerializer(many=True)
    notes = serializers.ListField(child=serializers.CharField())


class RevocationSchema(serializers.Serializer):
    """Why a certificate is revoked."""

    reason = serializers.ChoiceField(REVOCATION_REASONS, default="unspecified")
    invalidity_date = serializers.DateTimeField(required=False)


class RenewalSchema(serializers.Serializer):
    """Which key the successor certifies."""

    key = serializers.ChoiceField(["new", "reuse", "csr"], required=False)
    csr = serializers.CharField(required=False)


class ExportSchema(serializers.Serializer):
    """In which form the key leaves."""

    format = serializers.ChoiceField([ExportFormat.PKCS12.value, ExportFormat.PRIVATE_KEY.value])
    password = serializers.CharField(required=False, max_length=256)


class CommentSchema(serializers.Serializer):
    """A word to the requester."""

    comment = serializers.CharField(required=False, max_length=1024)
