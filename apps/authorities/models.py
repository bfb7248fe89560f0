"""Authorities with their certificates and OCSP responders, and their ledgers.

The ledgers (``IssuedSerial``, ``RevokedSerial``, ``CRL``) are below applications because an
authority must know every serial number it has used, whoever requested the certificate.
"""

from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import Q

from apps import clock, ids
from apps.keys.models import Key
from pki.reasons import RevocationReason


class AuthorityKind(models.TextChoices):
    """Place of an authority in the hierarchy."""

    ROOT = "root", "Root"
    INTERMEDIATE = "intermediate", "Intermediate"


class AuthorityState(models.TextChoices):
    """State of an authority: only active ones issue certificates, all of them publish CRLs.

    ``revoked`` is final: a key that its parent has revoked is never certified again.
    """

    PENDING_CERTIFICATE = "pending-certificate", "Pending certificate"
    ACTIVE = "active", "Active"
    DISABLED = "disabled", "Disabled"
    REVOKED = "revoked", "Revoked"


class Authority(models.Model):
    """A certificate authority that Sealwright runs."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    name = models.SlugField(
        max_length=64, unique=True, help_text="used in public URLs; never changes"
    )
    kind = models.CharField(max_length=15, choices=AuthorityKind.choices)
    state = models.CharField(
        max_length=20, choices=AuthorityState.choices, default=AuthorityState.PENDING_CERTIFICATE
    )
    key = models.OneToOneField(Key, on_delete=models.PROTECT, related_name="authority")
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="children"
    )
    subject = models.JSONField(help_text='ordered [["common_name", "Example Root"], ...]')
    path_length = models.PositiveSmallIntegerField(null=True, blank=True)
    name_constraints = models.JSONField(
        default=dict,
        blank=True,
        help_text='{"permitted": [["dns_name", "example.com"]], "excluded": []}',
    )
    crl_mirror_urls = models.JSONField(
        default=list, blank=True, help_text="up to four further http(s) URLs, in order"
    )
    publish_crl_url = models.BooleanField(
        default=True, help_text="put the built-in CRL URL into issued certificates"
    )
    crl_lifetime_hours = models.PositiveIntegerField(default=168)
    ocsp_enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        """A root has no parent."""

        verbose_name_plural = "authorities"
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="authority_root_has_no_parent",
                condition=~Q(kind="root") | Q(parent__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        """Name the authority."""
        return self.name


class AuthorityCertificate(models.Model):
    """One certificate of an authority's key; renewals add rows, exactly one is current.

    The parent's ledger says what CRL and OCSP tell about it. ``revoked_at`` repeats that for pages,
    and is all there is where the parent is a CA outside this product.
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    authority = models.ForeignKey(Authority, on_delete=models.PROTECT, related_name="certificates")
    der = models.BinaryField()
    chain_der = models.JSONField(
        default=list,
        blank=True,
        help_text="base64 DER of issuers outside this product, nearest first",
    )
    serial_number = models.CharField(max_length=40, help_text="lower-case hex")
    fingerprint_sha256 = models.CharField(max_length=64, unique=True)
    not_before = models.DateTimeField()
    not_after = models.DateTimeField()
    is_current = models.BooleanField(default=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revocation_reason = models.CharField(
        max_length=25,
        blank=True,
        choices=[(reason.value, reason.value) for reason in RevocationReason],
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        """An authority has one current certificate; a revoked one has a time and a reason."""

        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["authority"],
                condition=Q(is_current=True),
                name="authority_one_current_cert",
            ),
            models.CheckConstraint(
                name="authority_cert_revoked_with_reason",
                condition=Q(revoked_at__isnull=True, revocation_reason="")
                | (Q(revoked_at__isnull=False) & ~Q(revocation_reason="")),
            ),
        ]

    def __str__(self) -> str:
        """Name the authority and the certificate's serial number."""
        return f"{self.authority} {self.serial_number}"


class OcspResponder(models.Model):
    """A delegated responder certificate and its key (RFC 6960 section 4.2.2.2)."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    authority = models.ForeignKey(Authority, on_delete=models.CASCADE, related_name="responders")
    key = models.OneToOneField(Key, on_delete=models.PROTECT, related_name="responder")
    certificate_der = models.BinaryField()
    serial_number = models.CharField(max_length=40)
    not_before = models.DateTimeField()
    not_after = models.DateTimeField()
    is_current = models.BooleanField(
        default=True, help_text="kept answers of any other responder are not served any more"
    )

    class Meta:
        """The newest responder comes first: it signs the responses."""

        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["authority"],
                condition=Q(is_current=True),
                name="authority_one_current_responder",
            ),
        ]

    def __str__(self) -> str:
        """Name the authority it answers for."""
        return f"OCSP responder of {self.authority}"


class OcspAnswer(models.Model):
    """A signed OCSP response about one certificate, kept to be served again (RFC 5019).

    Whoever changes the status of the serial number deletes the row in the same transaction; see
    ``ocsp_answers``.
    """

    id = models.BigAutoField(primary_key=True)
    # The unique constraint's index begins with it.
    authority = models.ForeignKey(
        Authority, on_delete=models.CASCADE, related_name="ocsp_answers", db_index=False
    )
    responder = models.ForeignKey(OcspResponder, on_delete=models.CASCADE, related_name="answers")
    serial_number = models.CharField(max_length=40, help_text="lower-case hex, no leading zeros")
    hash_algorithm = models.CharField(max_length=6, help_text="of the CertID: sha1 or sha256")
    cert_id = models.BinaryField(help_text="CertID that it answers, DER")
    der = models.BinaryField(help_text="OCSPResponse")
    is_final = models.BooleanField(help_text="revoked for good: no later answer says otherwise")
    this_update = models.DateTimeField()
    next_update = models.DateTimeField()
    refresh_at = models.DateTimeField(db_index=True, help_text="half of its time is over")
    asked_at = models.DateTimeField(help_text="when it was last signed because a client asked")

    class Meta:
        """One answer for each form in which clients name a certificate."""

        verbose_name = "OCSP answer"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["authority", "serial_number", "hash_algorithm"], name="ocsp_answer_unique"
            ),
        ]

    def __str__(self) -> str:
        """Name the serial number and the hash algorithm."""
        return f"{self.serial_number} {self.hash_algorithm}"


class IssuedSerial(models.Model):
    """A serial number that an authority has used, written before anything is signed.

    ``request_id`` names the certificate request it is for, written by the same commit. Certificates
    of authorities and OCSP responders have none.
    """

    id = models.BigAutoField(primary_key=True)
    # The unique constraint's index begins with it.
    authority = models.ForeignKey(
        Authority, on_delete=models.PROTECT, related_name="issued_serials", db_index=False
    )
    serial_number = models.CharField(max_length=40, help_text="lower-case hex, no leading zeros")
    tbs_sha256 = models.CharField(max_length=64, help_text="digest of what is to be signed")
    not_after = models.DateTimeField()
    request_id = models.UUIDField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        """RFC 5280 section 4.1.2.2: unique per issuer."""

        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["authority", "serial_number"], name="serial_unique_per_authority"
            ),
        ]

    def __str__(self) -> str:
        """Name the serial number."""
        return self.serial_number


class RevokedSerial(models.Model):
    """A revoked serial number, the source of CRLs and OCSP responses.

    Rows are never deleted. A released hold keeps its row with ``released_at`` set; every other
    revocation is final (RFC 5280 section 5.3.1).
    """

    id = models.BigAutoField(primary_key=True)
    authority = models.ForeignKey(
        Authority, on_delete=models.PROTECT, related_name="revoked_serials"
    )
    serial_number = models.CharField(max_length=40, help_text="lower-case hex, no leading zeros")
    reason = models.CharField(
        max_length=25, choices=[(reason.value, reason.value) for reason in RevocationReason]
    )
    revoked_at = models.DateTimeField()
    invalidity_date = models.DateTimeField(null=True, blank=True)
    not_after = models.DateTimeField(
        help_text="end of the certificate; entries outlive it by one CRL"
    )
    released_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """One row for each serial number; only a hold can be released."""

        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["authority", "serial_number"], name="revoked_once_per_authority"
            ),
            models.CheckConstraint(
                name="revoked_only_holds_are_released",
                condition=Q(released_at__isnull=True) | Q(reason="certificateHold"),
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["authority", "id"],
                condition=Q(released_at__isnull=True),
                name="revoked_in_force",
            ),
        ]

    def __str__(self) -> str:
        """Name serial and reason."""
        return f"{self.serial_number} {self.reason}"


class CRL(models.Model):
    """One published certificate revocation list (RFC 5280 section 5)."""

    id = models.BigAutoField(primary_key=True)
    authority = models.ForeignKey(Authority, on_delete=models.PROTECT, related_name="crls")
    number = models.BigIntegerField(help_text="strictly rising per authority")
    this_update = models.DateTimeField()
    next_update = models.DateTimeField()
    entry_count = models.PositiveIntegerField()
    size = models.PositiveBigIntegerField(default=0, help_text="of the DER, in octets")
    sha256 = models.CharField(max_length=64, help_text="of the DER, which CRLPart rows hold")
    recent_changes = models.CharField(
        max_length=64, blank=True, help_text="digest of the latest ledger changes that it knows"
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        """CRL numbers never repeat (RFC 5280 section 5.2.3)."""

        verbose_name = "CRL"
        verbose_name_plural = "CRLs"
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["authority", "number"], name="crl_number_unique"),
        ]

    def __str__(self) -> str:
        """Name authority and number."""
        return f"{self.authority} #{self.number}"


class CRLPart(models.Model):
    """A piece of a CRL's DER, found by the digest of the whole.

    A CRL of a million entries has 40 MB, which neither a statement nor a process should hold at once.
    The parts are written before the CRL's row and outside its transaction.
    """

    id = models.BigAutoField(primary_key=True)
    sha256 = models.CharField(max_length=64, help_text="of the whole CRL")
    position = models.PositiveIntegerField()
    data = models.BinaryField()
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        """One row for each position."""

        verbose_name = "CRL part"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["sha256", "position"], name="crl_part_unique"),
        ]

    def __str__(self) -> str:
        """Name the digest and the position."""
        return f"{self.sha256} {self.position}"


class PkiUrl(models.Model):
    """One value that ``SEALWRIGHT_PKI_URL`` has had; certificates carry it until they expire.

    ``carriers`` is written when another value takes its place.
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    url = models.CharField("URL", max_length=300)
    is_current = models.BooleanField(default=True)
    adopted_at = models.DateTimeField(default=clock.now)
    replaced_at = models.DateTimeField(null=True, blank=True)
    carriers = models.JSONField(
        default=list,
        help_text='[{"authority": "...", "certificates": 3, "last_not_after": "..."}]',
    )

    class Meta:
        """One value is in force."""

        verbose_name = "PKI URL"
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["is_current"], condition=Q(is_current=True), name="pki_url_one_current"
            ),
        ]

    def __str__(self) -> str:
        """Return the URL."""
        return self.url

    @property
    def needed_until(self) -> datetime | None:
        """Return when the last certificate with this former URL ends; ``None`` without any."""
        ends = [datetime.fromisoformat(one["last_not_after"]) for one in self.carriers]
        return max(ends, default=None)
