"""Model of profiles: issuer, policy and defaults of a kind of certificate."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from apps import clock, ids
from apps.authorities.models import Authority
from apps.policies.models import Policy

EXTERNAL_ISSUER = "external"
"""Issuer type of profiles whose certificates an external authority signs.

The database and the issuance pipeline take it; ``IssuerType`` will offer it as soon as there is a
connector (ADR 0015).
"""


class IssuerType(models.TextChoices):
    """Who signs: an authority of this installation, or the certificate's own key."""

    AUTHORITY = "authority", "Certificate authority"
    SELF_SIGNED = "self-signed", "Self-signed"


class CsrExtras(models.TextChoices):
    """What becomes of a CSR that carries more than key, proof of possession and names."""

    IGNORE = "ignore", "Ignore, with a note"
    REFUSE = "refuse", "Refuse the request"


class MustStaple(models.TextChoices):
    """What becomes of the TLS feature status_request (must-staple, RFC 7633) in a CSR."""

    IGNORE = "ignore", "Ignore, with a note"
    HONOUR = "honour", "Put it into the certificate"


class AcmeSubject(models.TextChoices):
    """What becomes of subject attributes beside the common name in a CSR over ACME."""

    IGNORE = "ignore", "Ignore, with a note"
    TAKE = "take", "Take; the policy decides"


class Profile(models.Model):
    """Template for application teams: authority, policy and defaults."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    name = models.SlugField(max_length=64, unique=True)
    description = models.CharField(max_length=255, blank=True)
    issuer_type = models.CharField(
        max_length=12, choices=IssuerType.choices, default=IssuerType.AUTHORITY
    )
    authority = models.ForeignKey(
        Authority, null=True, blank=True, on_delete=models.PROTECT, related_name="profiles"
    )
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="profiles")
    defaults = models.JSONField(
        default=dict, blank=True, help_text="fills what a request leaves out, see docs/profiles.md"
    )
    csr_extras = models.CharField(
        max_length=8,
        choices=CsrExtras.choices,
        default=CsrExtras.IGNORE,
        help_text="other extensions and attributes, and usages beyond the policy",
    )
    must_staple = models.CharField(
        max_length=8,
        choices=MustStaple.choices,
        default=MustStaple.IGNORE,
        help_text="the TLS feature status_request in a CSR",
    )
    acme_subject = models.CharField(
        max_length=8,
        choices=AcmeSubject.choices,
        default=AcmeSubject.IGNORE,
        help_text="subject attributes beside the common name, over ACME",
    )
    revision = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        """Profiles signed by an authority have one, self-signed ones have none."""

        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="profile_authority_iff_signed_by_one",
                condition=Q(issuer_type="authority", authority__isnull=False)
                | Q(issuer_type__in=["self-signed", EXTERNAL_ISSUER], authority__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        """Name the profile."""
        return self.name
