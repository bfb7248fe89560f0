"""Certificate requests and the inventory of certificates."""

from typing import ClassVar

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q

from apps import clock, ids
from apps.applications.models import Application
from apps.authorities.models import Authority, AuthorityCertificate
from apps.keys.models import KEY_ALGORITHM_CHOICES
from apps.policies.models import PolicyVersion
from apps.profiles.models import EXTERNAL_ISSUER, IssuerType, Profile
from apps.statements.alternatives import matching_any
from pki import names
from pki.reasons import RevocationReason


class RequestState(models.TextChoices):
    """The life of a request. No other edge than those of ``states.py`` exists."""

    PENDING_APPROVAL = "pending_approval", "Pending approval"
    APPROVED = "approved", "Approved"
    SIGNING = "signing", "Signing"
    SUBMITTED = "submitted", "Submitted to an external CA"
    ISSUED = "issued", "Issued"
    REJECTED = "rejected", "Rejected"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Expired"


class EnrollmentMethod(models.TextChoices):
    """How a request came in."""

    API = "api", "API"
    ACME = "acme", "ACME"
    EST = "est", "EST"
    SCEP = "scep", "SCEP"
    RENEWAL = "renewal", "Server-driven renewal"


class CertificateRequest(models.Model):
    """One attempt to obtain a certificate through one application-profile pairing.

    Written before anything is signed, with the serial number and the exact bytes to be signed, so
    that a crash between signing and storing loses neither (docs/architecture.md, commit 1).
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    # Each index costs every insert: a column has its own only where no index in Meta begins with
    # it and some query needs it.
    application = models.ForeignKey(
        Application,
        on_delete=models.PROTECT,
        related_name="certificate_requests",
        db_index=False,
    )
    profile = models.ForeignKey(
        Profile, on_delete=models.PROTECT, related_name="certificate_requests", db_index=False
    )
    profile_revision = models.IntegerField()
    policy_version = models.ForeignKey(
        PolicyVersion,
        on_delete=models.PROTECT,
        related_name="certificate_requests",
        db_index=False,
    )
    authority = models.ForeignKey(
        Authority,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="certificate_requests",
        db_index=False,
    )
    issuer_type = models.CharField(
        max_length=12,
        choices=[*IssuerType.choices, (EXTERNAL_ISSUER, "External authority")],
        default=IssuerType.AUTHORITY,
        help_text="who signs; of the profile when the request was made",
    )
    state = models.CharField(max_length=20, choices=RequestState.choices)
    method = models.CharField(max_length=10, choices=EnrollmentMethod.choices)
    requested_by = models.CharField(max_length=200, help_text="actor, e.g. machine:demo")
    requester_label = models.CharField(max_length=200, blank=True)
    search_text = models.TextField(
        blank=True, help_text="names asked for and who asked, lower case, space-separated"
    )
    csr_der = models.BinaryField(
        blank=True, default=b"", help_text="PKCS#10 request as received; empty for server-made keys"
    )
    leaf = models.JSONField(help_text="the content decided upon, see pki.template.Leaf.as_dict")
    violations = models.JSONField(default=list, blank=True)
    notes = models.JSONField(
        default=list,
        blank=True,
        help_text="what was changed or left out on the way, see pki.findings.Note",
    )
    approved_at = models.DateTimeField(null=True, blank=True, editable=False)
    awaits_client = models.BooleanField(
        default=False, help_text="approved, and signed when its client comes for the certificate"
    )
    approved_by = models.CharField(max_length=200, blank=True, help_text="label of who approved")
    failure = models.TextField(blank=True)
    sealed_private_key = models.BinaryField(blank=True, default=b"")
    serial_number = models.CharField(max_length=40, blank=True, help_text="lower-case hex")
    tbs_der = models.BinaryField(blank=True, default=b"", help_text="what is to be signed")
    tbs_sha256 = models.CharField(max_length=64, blank=True)
    upstream_reference = models.CharField(
        max_length=200, blank=True, help_text="the order at an external authority"
    )
    replaces = models.ForeignKey(
        "Certificate",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="renewal_requests",
        db_index=False,
    )
    signing_since = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        """Invariants live here, where the database enforces them."""

        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="request_signing_has_intent",
                # An external authority chooses the serial number, and writes the TBSCertificate.
                condition=~Q(state__in=["signing", "issued"])
                | Q(issuer_type=EXTERNAL_ISSUER)
                | (~Q(serial_number="") & ~Q(tbs_sha256="")),
            ),
            models.UniqueConstraint(
                fields=["replaces"],
                condition=Q(state__in=["pending_approval", "approved", "signing", "submitted"]),
                name="request_one_open_renewal",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["application", "-id"], name="request_application"),
            models.Index(fields=["profile", "-id"], name="request_profile"),
            models.Index(fields=["method", "-id"], name="request_method"),
            models.Index(fields=["state", "-id"], name="request_state"),
            # Rows are in order of time: on PostgreSQL a block-range index suffices.
            BrinIndex(fields=["created_at"], name="request_created"),
            models.Index(
                fields=["signing_since"], condition=Q(state="signing"), name="request_signing"
            ),
            models.Index(
                fields=["replaces"],
                condition=Q(replaces__isnull=False),
                name="request_replaces",
            ),
        ]

    def __str__(self) -> str:
        """Name the request as people know it: by what was asked for."""
        name = self.name
        return f"request for {name}" if name else f"request {self.pk}"

    @property
    def name(self) -> str:
        """Return the first name asked for; empty when the request could not be read."""
        leaf = self.leaf or {}
        return names.first_name(leaf.get("subject", ()), leaf.get("subject_alt_names", ()))


class CertificateState(models.TextChoices):
    """Whether a certificate is good for use."""

    ACTIVE = "active", "Active"
    HELD = "held", "On hold"
    REVOKED = "revoked", "Revoked"
    EXPIRED = "expired", "Expired"


# States that end with the validity; a revoked certificate stays revoked.
_ENDING = (CertificateState.ACTIVE, CertificateState.HELD)


class CertificateQuerySet(models.QuerySet["Certificate"]):
    """Certificates narrowed by what they are now."""

    def in_state(self, state: str) -> models.QuerySet["Certificate"]:
        """Return the certificates whose ``current_state`` this is, each part by an index.

        A certificate that has ended stays marked as it was until the next sweep.
        """
        marked, ended = Q(state=state), Q(not_after__lt=clock.now())
        if state == CertificateState.EXPIRED:
            unmarked = [Q(state=other) & ended for other in _ENDING]
            return matching_any(self, [marked, *unmarked])
        return self.filter(marked & ~ended if state in _ENDING else marked)


class CertificateSource(models.TextChoices):
    """How a certificate came into the inventory."""

    ISSUED = "issued", "Issued here"
    IMPORTED = "imported", "Imported"
    DISCOVERED = "discovered", "Discovered"


class Certificate(models.Model):
    """An end-entity certificate in the inventory."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    request = models.OneToOneField(
        CertificateRequest,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="certificate",
    )
    application = models.ForeignKey(
        Application,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="certificates",
        db_index=False,
    )
    profile = models.ForeignKey(
        Profile,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="certificates",
        db_index=False,
    )
    policy_version = models.ForeignKey(
        PolicyVersion,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="certificates",
        db_index=False,
    )
    authority = models.ForeignKey(
        Authority,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="issued_certificates",
        db_index=False,
    )
    issuer_certificate = models.ForeignKey(
        AuthorityCertificate,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    source = models.CharField(
        max_length=10, choices=CertificateSource.choices, default=CertificateSource.ISSUED
    )
    state = models.CharField(
        max_length=10, choices=CertificateState.choices, default=CertificateState.ACTIVE
    )
    der = models.BinaryField()
    fingerprint_sha256 = models.CharField(max_length=64)
    serial_number = models.CharField(max_length=40, help_text="lower-case hex, no leading zeros")
    subject = models.TextField(help_text="RFC 4514 text")
    issuer = models.TextField(help_text="RFC 4514 text")
    common_name = models.CharField(max_length=255, blank=True)
    subject_alt_names = models.JSONField(default=list, help_text='[["dns_name", "a.example"], ...]')
    search_text = models.TextField(help_text="common name and names, lower case, space-separated")
    key_algorithm = models.CharField(max_length=20, choices=KEY_ALGORITHM_CHOICES)
    signature_algorithm = models.CharField(max_length=20)
    spki_sha256 = models.CharField(max_length=64)
    not_before = models.DateTimeField()
    not_after = models.DateTimeField()
    sealed_private_key = models.BinaryField(blank=True, default=b"")
    replaces = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="replaced_by"
    )
    lineage_id = models.UUIDField(
        default=ids.uuid7, db_index=True, help_text="shared by a certificate and all its renewals"
    )
    revoked_at = models.DateTimeField(null=True, blank=True)
    revocation_reason = models.CharField(
        max_length=25, blank=True, choices=[(r.value, r.value) for r in RevocationReason]
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)

    objects = CertificateQuerySet.as_manager()

    class Meta:
        """One certificate per issuer and serial number; each can be renewed once."""

        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            # The serial number first: people look for it without knowing the authority.
            models.UniqueConstraint(
                fields=["serial_number", "authority"], name="certificate_unique_serial"
            ),
            models.UniqueConstraint(
                fields=["fingerprint_sha256"], name="certificate_unique_fingerprint"
            ),
            models.CheckConstraint(
                name="certificate_revoked_has_reason",
                condition=~Q(state__in=["revoked", "held"])
                | (Q(revoked_at__isnull=False) & ~Q(revocation_reason="")),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["application", "-id"], name="certificate_application"),
            models.Index(fields=["profile", "-id"], name="certificate_profile"),
            models.Index(fields=["authority", "-id"], name="certificate_authority"),
            models.Index(fields=["key_algorithm", "-id"], name="certificate_algorithm"),
            models.Index(fields=["state", "-id"], name="certificate_state"),
            models.Index(fields=["source", "-id"], name="certificate_source"),
            models.Index(fields=["not_after", "id"], name="certificate_not_after"),
            models.Index(fields=["spki_sha256"], name="certificate_key"),
            models.Index(
                fields=["not_after", "id"], condition=Q(state="active"), name="certificate_expiring"
            ),
        ]

    def __str__(self) -> str:
        """Name the certificate as people know it."""
        return self.name

    @property
    def current_state(self) -> CertificateState:
        """Return the state now: what has ended is expired, marked as such or not yet."""
        state = CertificateState(self.state)
        if state in _ENDING and self.not_after < clock.now():
            return CertificateState.EXPIRED
        return state

    @property
    def name(self) -> str:
        """Return the first name, or what else tells it from others. The one such function."""
        subject = (("common_name", self.common_name),) if self.common_name else ()
        first = names.first_name(subject, self.subject_alt_names)
        return first or self.subject or self.serial_number


class IdempotentCall(models.Model):
    """One call that its client may repeat: at most one row per caller, endpoint and key."""

    # Answers are sealed under the label of the app that had the model first.
    stored_label: ClassVar[str] = "enrollment.IdempotentCall"

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    caller = models.CharField(max_length=200, help_text="actor, e.g. machine:demo")
    endpoint = models.CharField(max_length=200, help_text="method and path")
    key = models.CharField(max_length=255)
    body_sha256 = models.CharField(max_length=64)
    subject_id = models.UUIDField(
        default=ids.uuid7, help_text="identifier given to whatever the call creates"
    )
    started_at = models.DateTimeField(default=clock.now)
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    sealed_answer = models.BinaryField(
        blank=True, default=b"", help_text="the answer, sealed: it may hold a private key"
    )

    class Meta:
        """The unique constraint is the lock: of parallel calls one inserts."""

        db_table = "enrollment_idempotentcall"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["caller", "endpoint", "key"], name="idempotent_call")
        ]
        indexes: ClassVar = [models.Index(fields=["started_at"], name="idempotent_started")]

    def __str__(self) -> str:
        """Name the call."""
        return f"{self.endpoint} {self.key}"
