"""Serializers of certificates, and of requests and what became of them."""

from typing import Any

from rest_framework import serializers

from apps.certificates import export
from apps.certificates.export import ExportFormat
from apps.certificates.models import (
    Certificate,
    CertificateRequest,
    CertificateSource,
    CertificateState,
    EnrollmentMethod,
    RequestState,
)
from apps.certificates.outcomes import Issued, Pending
from apps.web import fields
from apps.web.serializers import (
    KEY_ALGORITHMS,
    REVOCATION_REASONS,
    SIGNATURE_ALGORITHMS,
    Answer,
    AttributeSerializer,
    Body,
    NameSerializer,
    NoteSerializer,
    ViolationSerializer,
)
from pki import bundles, keys
from pki.findings import shown
from pki.reasons import RevocationReason
from pki.template import EXTENDED_KEY_USAGES, KEY_USAGES, Leaf

_MAX_CSR_TEXT = 65_536
_ASN1_SEQUENCE = b"\x30"


class CsrField(fields.PemOrDerField):
    """A PKCS#10 request, read as bytes."""

    def __init__(self, **options: Any) -> None:
        """Take DRF's options."""
        options.setdefault("help_text", "PKCS#10 as PEM, or base64 of DER")
        super().__init__(max_length=_MAX_CSR_TEXT, **options)


class _SetReasonField(serializers.ChoiceField):
    """A revocation reason in an answer; ``null`` where there is none."""

    def to_representation(self, value: Any) -> Any:
        """Return the reason."""
        return value or None


class _SetTextField(serializers.CharField):
    """A text in an answer; ``null`` where it is empty."""

    def to_representation(self, value: Any) -> Any:
        """Return the text."""
        return value or None


class CertificateRowSerializer(Answer):
    """A certificate as lists show it."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(CertificateState.choices, source="current_state")
    source = serializers.ChoiceField(CertificateSource.choices)
    application = serializers.CharField(source="application.name", allow_null=True)
    profile = serializers.CharField(source="profile.name", allow_null=True)
    policy_version = serializers.CharField(allow_null=True)
    request = serializers.UUIDField(source="request_id", allow_null=True)
    serial_number = serializers.CharField(help_text="lower-case hex")
    fingerprint_sha256 = serializers.CharField()
    spki_sha256 = serializers.CharField()
    subject = serializers.CharField(help_text="RFC 4514")
    issuer = serializers.CharField(help_text="RFC 4514")
    name = serializers.CharField(help_text="common name, else first other name: for people")
    common_name = serializers.CharField()
    subject_alt_names = NameSerializer(many=True)
    key_algorithm = serializers.ChoiceField(KEY_ALGORITHMS)
    signature_algorithm = serializers.ChoiceField(SIGNATURE_ALGORITHMS)
    not_before = serializers.DateTimeField()
    not_after = serializers.DateTimeField()
    has_private_key = serializers.BooleanField(source="sealed_private_key")
    replaces = serializers.UUIDField(source="replaces_id", allow_null=True)
    lineage = serializers.UUIDField(source="lineage_id")
    revoked_at = serializers.DateTimeField(allow_null=True)
    revocation_reason = _SetReasonField(REVOCATION_REASONS, allow_null=True)
    created_at = serializers.DateTimeField()


class CertificateDetailSerializer(CertificateRowSerializer):
    """A certificate with its encodings."""

    pem = fields.PemField(source="der")
    chain_pem = serializers.CharField(help_text="issuers, nearest first, without the root")

    def to_representation(self, instance: Certificate) -> dict[str, Any]:
        """Return the certificate with the chain above it."""
        return CertificateRowSerializer.of(instance) | {
            "pem": bundles.to_pem([bytes(instance.der)]),
            "chain_pem": bundles.to_pem(export.chain_ders(instance)),
        }


class BasicConstraintsSerializer(Body):
    """Whether the certificate is one of an authority."""

    is_ca = fields.BooleanField()
    path_length = fields.IntegerField(min_value=0, max_value=255, allow_null=True, required=False)


class _SortedField(serializers.ListField):
    """A set in the object, a sorted array in JSON."""

    def to_representation(self, data: Any) -> list[Any]:
        """Return the array."""
        return sorted(data)


class _FingerprintField(serializers.CharField):
    """A public key in the object, the SHA-256 of its SubjectPublicKeyInfo in JSON."""

    def to_representation(self, value: Any) -> str:
        """Return lower-case hex."""
        return keys.spki_sha256(value)


class ContentSerializer(Answer):
    """The decoded content of a certificate."""

    subject = fields.DistinguishedNameField()
    subject_attributes = AttributeSerializer(source="subject", many=True)
    subject_alt_names = NameSerializer(many=True)
    key_algorithm = serializers.ChoiceField(KEY_ALGORITHMS)
    spki_sha256 = _FingerprintField(source="public_key_der")
    signature_algorithm = serializers.ChoiceField(SIGNATURE_ALGORITHMS)
    key_usages = _SortedField(source="key_usage", child=serializers.ChoiceField(KEY_USAGES))
    extended_key_usages = serializers.ListField(
        source="extended_key_usage", child=serializers.ChoiceField(EXTENDED_KEY_USAGES)
    )
    basic_constraints = BasicConstraintsSerializer(source="*")
    must_staple = serializers.BooleanField(help_text="the TLS feature status_request")
    not_before = serializers.DateTimeField()
    not_after = serializers.DateTimeField()


class RequestRowSerializer(Answer):
    """A request as lists show it."""

    id = serializers.UUIDField()
    name = serializers.CharField(help_text="first name asked for; empty for what cannot be read")
    state = serializers.ChoiceField(RequestState.choices)
    method = serializers.ChoiceField(EnrollmentMethod.choices)
    application = serializers.CharField(source="application.name")
    profile = serializers.CharField(source="profile.name")
    policy_version = serializers.CharField()
    requested_by = serializers.CharField()
    requester = serializers.CharField(source="requester_label")
    violations = ViolationSerializer(many=True)
    notes = NoteSerializer(many=True, help_text="what was changed or left out on the way")
    failure = _SetTextField(allow_null=True)
    approved_at = serializers.DateTimeField(allow_null=True)
    approved_by = _SetTextField(allow_null=True)
    created_at = serializers.DateTimeField()


class RequestDetailSerializer(RequestRowSerializer):
    """A request with its content and outcome."""

    content = ContentSerializer(allow_null=True)
    csr_pem = serializers.CharField(allow_null=True)
    certificate = CertificateDetailSerializer(allow_null=True)


def request_detail(request: CertificateRequest, certificate: Certificate | None) -> dict[str, Any]:
    """Return a request with its content, its CSR and, once issued, its certificate."""
    csr_der = bytes(request.csr_der)
    # A request that was refused may hold bytes that are no CSR.
    is_der = csr_der.startswith(_ASN1_SEQUENCE)
    return RequestRowSerializer.of(request) | {
        "content": ContentSerializer.of(Leaf.from_dict(request.leaf)) if request.leaf else None,
        "csr_pem": bundles.pem_block("CERTIFICATE REQUEST", csr_der) if is_der else None,
        "certificate": CertificateDetailSerializer.of(certificate) if certificate else None,
    }


class OutcomeSerializer(RequestRowSerializer):
    """What a request became."""

    certificate = CertificateDetailSerializer(allow_null=True)
    private_key_pem = serializers.CharField(
        required=False, help_text="only for a key made by the server"
    )
    retry_after_s = serializers.IntegerField(required=False, help_text="only while pending")

    def to_representation(self, instance: Issued | Pending) -> dict[str, Any]:
        """Return the request with its certificate, or with when to ask again."""
        shown = RequestRowSerializer.of(instance.request)
        if isinstance(instance, Pending):
            return shown | {"certificate": None, "retry_after_s": instance.retry_after_s}
        shown["certificate"] = CertificateDetailSerializer.of(instance.certificate)
        if instance.private_key_der is not None:
            key = keys.private_key_from_pkcs8(instance.private_key_der, trusted=True)
            shown["private_key_pem"] = keys.private_key_to_pem(key).decode()
        return shown


class RevocationSerializer(Body):
    """Why a certificate is revoked."""

    example = {"reason": "keyCompromise", "invalidity_date": "2027-01-31T12:00:00Z"}

    reason = fields.ReasonField(REVOCATION_REASONS, default=RevocationReason.UNSPECIFIED)
    invalidity_date = fields.DateTimeField(required=False)
    allow_expired = fields.BooleanField(
        default=False, help_text="revoke a certificate that has expired, too"
    )


class SerialNumberRevocationSerializer(RevocationSerializer):
    """Which certificate is revoked, and why."""

    example = {
        "serial_number": "5A:3F:09:C1",
        "authority": "issuing-ca",
        "reason": "keyCompromise",
    }

    serial_number = fields.SerialNumberField()
    authority = fields.CharField(
        required=False,
        help_text="name or identifier of the issuer; needed where several have used the number",
    )


class RenewalSerializer(Body):
    """Which key the successor certifies."""

    example = {"key": "new"}

    key = fields.ChoiceField(["new", "reuse", "csr"], required=False)
    csr = CsrField(required=False, help_text=None)


class FormatField(fields.ChoiceField):
    """A file format that can hold a private key."""

    def to_internal_value(self, data: Any) -> ExportFormat:
        """Return the format.

        Raises:
            UnsupportedFormat: there is no such format.
        """
        if not isinstance(data, str):
            self.fail("invalid_choice", input=shown(data)[:100])
        return export.parse_format(data)


class PasswordField(fields.CharField):
    """A password; no answer repeats it."""

    secret = True


class ExportSerializer(Body):
    """In which form the key leaves."""

    example = {"format": "pkcs12", "password": "a long passphrase"}

    format = FormatField([ExportFormat.PKCS12.value, ExportFormat.PRIVATE_KEY.value])
    password = PasswordField(required=False, max_length=256)
    legacy = fields.BooleanField(
        default=False,
        help_text="PKCS#12 with triple DES and SHA-1, for old devices; weak against guessing",
    )
