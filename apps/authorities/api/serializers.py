"""Serializers of authorities, their certificates and CRLs."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rest_framework import serializers

from apps.authorities import ca_revocation, selectors
from apps.authorities.authority_spec import AuthoritySpec
from apps.authorities.models import Authority, AuthorityCertificate, AuthorityKind, AuthorityState
from apps.authorities.signing import publication_of
from apps.web import fields
from apps.web.fields import DistinguishedNameField, PemField
from apps.web.serializers import (
    KEY_ALGORITHMS,
    REVOCATION_REASONS,
    Answer,
    AttributeSerializer,
    Body,
)
from pki import bundles
from pki.algorithms import KeyAlgorithm
from pki.reasons import RevocationReason
from pki.template import SAN_TYPES, NameConstraints

MAX_PEM_TEXT = 512 * 1024
MAX_MIRRORS_SENT = 20


def current_of(authority: Authority) -> AuthorityCertificate | None:
    """Return the certificate in force of an authority from ``selectors.authorities``."""
    current: list[AuthorityCertificate] = getattr(authority, "current_certificates", [])
    return current[0] if current else None


class _OfCurrentCertificate:
    """Mixin of fields that read from an authority's current certificate."""

    def get_attribute(self, instance: Authority) -> Any:
        return super().get_attribute(current_of(instance))  # type: ignore[misc]  # the field's


class _CurrentCharField(_OfCurrentCertificate, serializers.CharField):
    """A text of the current certificate."""


class _CurrentDateTimeField(_OfCurrentCertificate, serializers.DateTimeField):
    """A time of the current certificate."""


class SubtreeSerializer(Answer):
    """Names at and below ``value``."""

    type = serializers.ChoiceField(SAN_TYPES)
    value = serializers.CharField()

    def to_representation(self, instance: Sequence[str]) -> dict[str, str]:
        """Return the pair by name."""
        kind, value = instance
        return {"type": kind, "value": value}


class NameConstraintsSerializer(Answer):
    """Which names certificates below may hold (RFC 5280 section 4.2.1.10)."""

    permitted = SubtreeSerializer(many=True)
    excluded = SubtreeSerializer(many=True)

    def to_representation(self, instance: dict[str, Any]) -> dict[str, Any]:
        """Return both sides, also one that constrains nothing."""
        return super().to_representation({"permitted": [], "excluded": []} | instance)


class NewNameConstraintsSerializer(Body):
    """Which names certificates below may hold; an absent side constrains nothing."""

    permitted = fields.TypedNamesField(required=False)
    excluded = fields.TypedNamesField(required=False)


class AuthorityChangesSerializer(Body):
    """What may change: how the authority publishes, in certificates issued from now on."""

    example = {"crl_lifetime_hours": 48, "ocsp_enabled": True}

    # More than the four that are possible, so that the service can say so.
    crl_mirror_urls = fields.ListField(
        child=fields.CharField(),
        max_length=MAX_MIRRORS_SENT,
        required=False,
        help_text="at most four, in order",
    )
    publish_crl_url = fields.BooleanField(
        required=False, help_text="put the built-in CRL address into certificates"
    )
    crl_lifetime_hours = fields.IntegerField(required=False, help_text="1 to 8784")
    ocsp_enabled = fields.BooleanField(required=False)


class NewAuthoritySerializer(AuthorityChangesSerializer):
    """An authority to be made."""

    example = {
        "name": "issuing-ca",
        "kind": "intermediate",
        "subject": {"common_name": "Issuing CA", "organization": "Example"},
        "key_algorithm": "ec-p256",
        "parent": "root-ca",
        "path_length": 0,
    }

    name = fields.CharField(max_length=64, help_text="stands in URLs and never changes")
    kind = fields.ChoiceField(AuthorityKind.choices)
    subject = fields.SubjectField()
    key_algorithm = fields.ChoiceField(KEY_ALGORITHMS)
    lifetime_days = fields.IntegerField(
        required=False, help_text="default: ten years, or until the parent's end"
    )
    path_length = fields.IntegerField(
        required=False, allow_null=True, help_text="CAs that may stand below; null = no limit"
    )
    name_constraints = NewNameConstraintsSerializer(required=False)
    parent = fields.CharField(
        required=False,
        allow_null=True,
        help_text="name or id of the authority that signs; without one an intermediate waits "
        "for install-certificate",
    )

    @classmethod
    def read(cls, body: Any, parent_named: Any) -> AuthoritySpec:
        """Return the specification.

        Args:
            body: as it was sent.
            parent_named: returns the authority with a name or identifier.

        Raises:
            Malformed: see ``parse``.
            NotFound: there is no such parent.
        """
        values = cls.parse(body)
        values["kind"] = AuthorityKind(values["kind"])
        values["key_algorithm"] = KeyAlgorithm(values["key_algorithm"])
        if "name_constraints" in values:
            values["name_constraints"] = NameConstraints(**values["name_constraints"])
        parent = values.pop("parent", None)
        if parent is not None:
            values["parent"] = parent_named(parent)
        return AuthoritySpec(**values)


class AuthorityRowSerializer(Answer):
    """An authority as lists show it; dates and digests are those of its current certificate."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(AuthorityKind.choices)
    state = serializers.ChoiceField(AuthorityState.choices)
    parent = serializers.CharField(source="parent.name", allow_null=True)
    subject = DistinguishedNameField(help_text="RFC 4514")
    subject_attributes = AttributeSerializer(source="subject", many=True)
    key_algorithm = serializers.ChoiceField(KEY_ALGORITHMS, source="key.algorithm")
    spki_sha256 = serializers.CharField(source="key.spki_sha256")
    path_length = serializers.IntegerField(allow_null=True)
    name_constraints = NameConstraintsSerializer()
    publish_crl_url = serializers.BooleanField()
    crl_mirror_urls = serializers.ListField(child=serializers.CharField())
    crl_lifetime_hours = serializers.IntegerField()
    ocsp_enabled = serializers.BooleanField()
    serial_number = _CurrentCharField(allow_null=True, help_text="lower-case hex")
    fingerprint_sha256 = _CurrentCharField(allow_null=True)
    not_before = _CurrentDateTimeField(allow_null=True)
    not_after = _CurrentDateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class AuthorityCertificateSerializer(Answer):
    """One certificate of an authority's key."""

    id = serializers.UUIDField()
    serial_number = serializers.CharField(help_text="lower-case hex")
    fingerprint_sha256 = serializers.CharField()
    not_before = serializers.DateTimeField()
    not_after = serializers.DateTimeField()
    is_current = serializers.BooleanField()
    revoked_at = serializers.DateTimeField(allow_null=True)
    revocation_reason = serializers.ChoiceField(
        REVOCATION_REASONS, allow_blank=True, help_text="empty unless revoked"
    )
    pem = PemField(source="der")
    created_at = serializers.DateTimeField()


class CrlSerializer(Answer):
    """The head of a certificate revocation list."""

    crl_number = serializers.IntegerField(source="number")
    this_update = serializers.DateTimeField()
    next_update = serializers.DateTimeField()
    entry_count = serializers.IntegerField()
    sha256 = serializers.CharField()
    created_at = serializers.DateTimeField()


class AftermathSerializer(Answer):
    """What the revocation of an authority means for everything below it."""

    revoked_at = serializers.DateTimeField()
    reason = serializers.ChoiceField(REVOCATION_REASONS)
    certificates_in_force = serializers.IntegerField(
        help_text="that it issued, neither expired nor revoked"
    )
    certificates_url = serializers.CharField(help_text="lists the active ones in the inventory")
    authorities_below = serializers.ListField(child=serializers.CharField())
    next_steps = serializers.ListField(child=serializers.CharField())


class AuthoritySerializer(AuthorityRowSerializer):
    """An authority with everything that relying parties need."""

    pem = serializers.CharField(allow_null=True)
    chain_pem = serializers.CharField(allow_null=True, help_text="those above, root last")
    certificates = AuthorityCertificateSerializer(many=True)
    crl = CrlSerializer(allow_null=True)
    revocation = AftermathSerializer(allow_null=True, help_text="null unless revoked")
    crl_urls = serializers.ListField(child=serializers.CharField())
    ocsp_urls = serializers.ListField(child=serializers.CharField())
    ca_issuers_urls = serializers.ListField(child=serializers.CharField())

    def to_representation(self, instance: Authority) -> dict[str, Any]:
        """Return the row with what has to be looked up for one authority."""
        current = current_of(instance)
        last = selectors.latest_crl(instance.pk)
        addresses = publication_of(instance)
        certificates = selectors.certificates_of(instance)
        return AuthorityRowSerializer.of(instance) | {
            "pem": bundles.to_pem([bytes(current.der)]) if current else None,
            "chain_pem": bundles.to_pem(selectors.chain_of(current)[1:]) if current else None,
            "certificates": [AuthorityCertificateSerializer.of(row) for row in certificates],
            "crl": CrlSerializer.of(last) if last else None,
            "revocation": _aftermath(instance),
            "crl_urls": list(addresses.crl_urls),
            "ocsp_urls": list(addresses.ocsp_urls),
            "ca_issuers_urls": list(addresses.ca_issuers_urls),
        }


def _aftermath(authority: Authority) -> dict[str, Any] | None:
    found = ca_revocation.aftermath(authority)
    if found is None:
        return None
    address = f"/api/v1/certificates/?authority={authority.name}&state=active"
    return asdict(found) | {
        "certificates_url": address,
        "authorities_below": list(found.authorities_below),
        "next_steps": list(found.next_steps),
    }


class AuthorityRevocationSerializer(Body):
    """Why an authority is revoked, and since when its key is doubted."""

    example = {"reason": "cACompromise", "invalidity_date": "2027-01-31T12:00:00Z"}

    reason = fields.ReasonField(
        [choice for choice in REVOCATION_REASONS if choice[0] != RevocationReason.CERTIFICATE_HOLD]
    )
    serial_number = fields.SerialNumberField(
        required=False,
        help_text="only this earlier certificate, which a renewal has replaced; hex in any spelling",
    )
    invalidity_date = fields.DateTimeField(required=False)


class LifetimeSerializer(Body):
    """How long the new certificate is to be valid."""

    example = {"lifetime_days": 1825}

    lifetime_days = fields.IntegerField()


class InstallationSerializer(Body):
    """What a CA outside this product issued."""

    example = {"certificate": "-----BEGIN CERTIFICATE-----\nMIIB...\n-----END CERTIFICATE-----\n"}

    certificate = fields.PemOrDerField(
        max_length=MAX_PEM_TEXT, help_text="PEM (may hold the chain) or base64 of DER"
    )
    chain = fields.PemOrDerField(
        max_length=MAX_PEM_TEXT, required=False, help_text="issuers above, in any order"
    )


class CsrSerializer(Answer):
    """A certificate signing request."""

    csr = serializers.CharField(help_text="PKCS#10, PEM")


class CarrierSerializer(Answer):
    """Certificates of one authority that carry a PKI URL."""

    authority = serializers.CharField(help_text="name of the issuer")
    certificates = serializers.IntegerField(help_text="that had not expired")
    last_not_after = serializers.DateTimeField(help_text="end of the last of them")


class PkiUrlSerializer(Answer):
    """A value that SEALWRIGHT_PKI_URL has or had."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    is_current = serializers.BooleanField(help_text="whether new certificates carry it")
    adopted_at = serializers.DateTimeField()
    replaced_at = serializers.DateTimeField(allow_null=True)
    needed_until = serializers.DateTimeField(
        allow_null=True, help_text="until then it must lead here; null for the current one"
    )
    carriers = CarrierSerializer(
        many=True, help_text="counted when it was replaced; empty for the current one"
    )
