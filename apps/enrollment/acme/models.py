"""Models of ACME: endpoints, EAB keys, accounts, orders, authorizations and challenges.

Rows that clients address carry ``url_id``, a random 128-bit text: it gives nothing away (RFC 8555
section 10.5), and knowing it is not enough, because ownership is checked as well.
"""

from typing import ClassVar
from uuid import UUID

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q

from apps import clock, ids
from apps.applications.models import Pairing
from apps.certificates.models import Certificate, CertificateRequest
from apps.enrollment.acme.states import (
    AccountStatus,
    AuthorizationStatus,
    ChallengeStatus,
    ChallengeType,
    OrderStatus,
    new_url_id,
)


def _url_id() -> "models.CharField[str, str]":
    """Return the column; its index is a constraint of its own, without one for LIKE beside it."""
    return models.CharField(max_length=22, default=new_url_id, editable=False)


def default_challenge_types() -> list[str]:
    """Return the challenges that an endpoint offers unless told otherwise."""
    return [ChallengeType.HTTP_01, ChallengeType.DNS_01, ChallengeType.TLS_ALPN_01]


class AcmeEndpoint(models.Model):
    """The ACME endpoint of one application-profile pair: its directory and its settings."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    pairing = models.OneToOneField(Pairing, on_delete=models.CASCADE, related_name="acme")
    enabled = models.BooleanField(default=True, help_text="ACME clients are served")
    require_eab = models.BooleanField(
        default=True, help_text="new accounts need an external account binding key"
    )
    skip_validation = models.BooleanField(
        default=False, help_text="identifiers that an EAB key lists need no challenge"
    )
    challenge_types = models.JSONField(default=default_challenge_types)
    http_port = models.PositiveIntegerField(default=80, help_text="http-01 connects to this port")
    tls_port = models.PositiveIntegerField(
        default=443, help_text="tls-alpn-01 connects to this port"
    )
    resolvers = models.JSONField(
        default=list, blank=True, help_text="name servers, address or address:port; empty = system"
    )
    allowed_networks = models.JSONField(
        default=list, blank=True, help_text="CIDR list that validation may reach beyond the default"
    )
    check_caa = models.BooleanField(default=False, help_text="honour CAA records (RFC 8659)")
    caa_identities = models.JSONField(default=list, blank=True)
    terms_of_service = models.URLField(blank=True, help_text="accounts must agree to these terms")
    website = models.URLField(blank=True)
    order_lifetime_h = models.PositiveIntegerField(default=24)
    authz_lifetime_h = models.PositiveIntegerField(
        default=168, help_text="how long a proven identifier is believed; 0 = once only"
    )
    limits = models.JSONField(default=dict, blank=True, help_text="see services.limits.DEFAULTS")
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        """Skipping both proofs of who asks would be an open CA."""

        verbose_name = "ACME endpoint"
        constraints: ClassVar = [
            models.CheckConstraint(
                name="acme_endpoint_never_skips_both",
                condition=~Q(skip_validation=True, require_eab=False),
            ),
        ]

    def __str__(self) -> str:
        """Name the pair."""
        return f"ACME {self.pairing}"


class EabKey(models.Model):
    """A key that lets a client register an account (RFC 8555 section 7.3.4)."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    endpoint = models.ForeignKey(AcmeEndpoint, on_delete=models.CASCADE, related_name="eab_keys")
    name = models.CharField(max_length=100, blank=True)
    kid = models.CharField(max_length=22, unique=True, default=new_url_id, editable=False)
    sealed_hmac_key = models.BinaryField(
        blank=True, default=b"", help_text="32 bytes under envelope encryption"
    )
    reusable = models.BooleanField(default=False, help_text="for any number of accounts")
    expires_at = models.DateTimeField(null=True, blank=True)
    identifiers = models.JSONField(
        default=list, blank=True, help_text="DNS patterns and CIDR networks; empty = any"
    )
    networks = models.JSONField(
        default=list, blank=True, help_text="CIDR list of source addresses; empty = any"
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)
    created_by = models.CharField(max_length=200, blank=True)
    revealed_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    used_count = models.PositiveIntegerField(default=0)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Newest first; a key for one account is used at most once."""

        verbose_name = "EAB key"
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="eab_single_use", condition=Q(reusable=True) | Q(used_count__lte=1)
            ),
        ]

    def __str__(self) -> str:
        """Name the key by what may be shown of it."""
        return self.name or self.kid


class AcmeAccount(models.Model):
    """A client's key and how to reach its owner (RFC 8555 section 7.1.2)."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    url_id = _url_id()
    endpoint = models.ForeignKey(AcmeEndpoint, on_delete=models.CASCADE, related_name="accounts")
    thumbprint = models.CharField(max_length=43, help_text="RFC 7638, SHA-256, base64url")
    jwk = models.JSONField(help_text="the account's public key, required members only")
    former_thumbprints = models.JSONField(
        default=list, blank=True, editable=False, help_text="of keys it had before, newest first"
    )
    contacts = models.JSONField(default=list, blank=True)
    terms_agreed = models.BooleanField(default=False)
    status = models.CharField(
        max_length=11, choices=AccountStatus.choices(), default=AccountStatus.VALID.value
    )
    eab_key = models.ForeignKey(
        EabKey, null=True, blank=True, on_delete=models.RESTRICT, related_name="accounts"
    )
    created_ip = models.GenericIPAddressField(null=True, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        """One account per key and endpoint."""

        verbose_name = "ACME account"
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["url_id"], name="acme_account_url"),
            models.UniqueConstraint(fields=["thumbprint", "endpoint"], name="acme_account_per_key"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["created_ip", "created_at"], name="acme_account_by_address"),
        ]

    def __str__(self) -> str:
        """Name the account as its URL does."""
        return f"ACME account {self.url_id}"


class AcmeAuthorization(models.Model):
    """Whether an account may have certificates for an identifier (RFC 8555 section 7.1.4)."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    url_id = _url_id()
    account = models.ForeignKey(
        AcmeAccount, on_delete=models.CASCADE, related_name="authorizations", db_index=False
    )
    identifier_type = models.CharField(max_length=10)
    identifier_value = models.CharField(max_length=255, help_text="canonical, without '*.'")
    wildcard = models.BooleanField(default=False)
    status = models.CharField(
        max_length=11,
        choices=AuthorizationStatus.choices(),
        default=AuthorizationStatus.PENDING.value,
    )
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        """Found again by account and name."""

        verbose_name = "ACME authorization"
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["url_id"], name="acme_authorization_url"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "identifier_value"], name="acme_authorization_reuse"),
            models.Index(fields=["identifier_value"], name="acme_authorization_name"),
            models.Index(fields=["status", "-id"], name="acme_authorization_status"),
            models.Index(fields=["wildcard", "-id"], name="acme_authorization_wildcard"),
        ]

    def __str__(self) -> str:
        """Name the identifier."""
        return f"{'*.' if self.wildcard else ''}{self.identifier_value}"


class AcmeChallenge(models.Model):
    """One way to prove control over an identifier (RFC 8555 sections 7.1.5 and 8)."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    url_id = _url_id()
    authorization = models.ForeignKey(
        AcmeAuthorization, on_delete=models.CASCADE, related_name="challenges", db_index=False
    )
    type = models.CharField(max_length=20, choices=ChallengeType.choices())
    token = models.CharField(max_length=43, default=new_url_id, help_text="128 random bits")
    status = models.CharField(
        max_length=10, choices=ChallengeStatus.choices(), default=ChallengeStatus.PENDING.value
    )
    started_at = models.DateTimeField(null=True, blank=True, help_text="first asked to validate")
    settled_at = models.DateTimeField(null=True, blank=True)
    good_until = models.DateTimeField(
        null=True, blank=True, help_text="when the proof ends by itself (persistUntil)"
    )
    error = models.JSONField(null=True, blank=True, help_text="ACME problem document")
    attempts = models.JSONField(
        default=list, blank=True, help_text="what each attempt did and saw, oldest first"
    )

    class Meta:
        """One challenge of a type per authorization."""

        verbose_name = "ACME challenge"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["url_id"], name="acme_challenge_url"),
            models.UniqueConstraint(fields=["authorization", "type"], name="acme_challenge_type"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["type", "-id"], name="acme_challenge_of_type"),
            models.Index(fields=["status", "-id"], name="acme_challenge_status"),
            models.Index(fields=["settled_at"], name="acme_challenge_settled"),
        ]

    def __str__(self) -> str:
        """Name the type."""
        return f"{self.type} for {self.authorization}"


class AcmeOrder(models.Model):
    """A client's request for one certificate (RFC 8555 section 7.1.3).

    The certificate request of an order has the order's own primary key, so that an order yields
    at most one, however often it is finalized. Only an order that joins a request which waits for
    an approval has the request of an earlier order (``services.waiting``).
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    url_id = _url_id()
    account = models.ForeignKey(
        AcmeAccount, on_delete=models.CASCADE, related_name="orders", db_index=False
    )
    status = models.CharField(
        max_length=10, choices=OrderStatus.choices(), default=OrderStatus.PENDING.value
    )
    identifiers = models.JSONField(help_text='[{"type": "dns", "value": "a.example"}, ...]')
    identifiers_sha256 = models.CharField(max_length=64, help_text="of the sorted identifiers")
    authorization_url_ids = models.JSONField(
        default=list, help_text="fixed when the order is made, as their texts"
    )
    authorizations = models.ManyToManyField(
        AcmeAuthorization, through="AcmeOrderAuthorization", related_name="orders"
    )
    not_before = models.DateTimeField(null=True, blank=True)
    not_after = models.DateTimeField(null=True, blank=True)
    profile = models.CharField(max_length=64, blank=True)
    replaces = models.CharField(max_length=100, blank=True, help_text="RFC 9773 certificate id")
    replaces_certificate = models.ForeignKey(
        Certificate,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="acme_successors",
    )
    error = models.JSONField(null=True, blank=True, help_text="ACME problem document")
    expires_at = models.DateTimeField()
    certificate_request = models.OneToOneField(
        CertificateRequest,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="acme_order",
    )
    certificate = models.OneToOneField(
        Certificate, null=True, blank=True, on_delete=models.SET_NULL, related_name="acme_order"
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        """A certificate is replaced by one order that has not failed."""

        verbose_name = "ACME order"
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["url_id"], name="acme_order_url"),
            models.UniqueConstraint(
                fields=["replaces_certificate"],
                condition=~Q(status="invalid"),
                name="acme_order_one_successor",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "-id"], name="acme_order_account"),
            # Counted by the limit for an account; orders that replace a certificate are not.
            models.Index(
                fields=["account", "-id"],
                condition=Q(replaces_certificate=None),
                name="acme_order_counted",
            ),
            models.Index(fields=["identifiers_sha256", "created_at"], name="acme_order_names"),
            models.Index(
                fields=["expires_at"],
                condition=Q(status__in=["pending", "ready"]),
                name="acme_order_open",
            ),
            models.Index(fields=["status", "-id"], name="acme_order_status"),
            BrinIndex(fields=["created_at"], name="acme_order_created"),
        ]

    def __str__(self) -> str:
        """Name the first identifiers."""
        names = [str(item["value"]) for item in self.identifiers]
        return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")  # noqa: PLR2004 - three fit a line

    @property
    def request_id(self) -> UUID:
        """Return the primary key of its certificate request, which may not exist yet."""
        return self.certificate_request_id or self.pk


class AcmeOrderAuthorization(models.Model):
    """Which authorizations an order waits for."""

    id = models.BigAutoField(primary_key=True)
    order = models.ForeignKey(AcmeOrder, on_delete=models.CASCADE, related_name="+", db_index=False)
    authorization = models.ForeignKey(
        AcmeAuthorization, on_delete=models.CASCADE, related_name="order_links"
    )

    class Meta:
        """Each once."""

        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["order", "authorization"], name="acme_order_authz_once"
            ),
        ]

    def __str__(self) -> str:
        """Name both ends."""
        return f"{self.order_id} needs {self.authorization_id}"


class AcmeUsedNonce(models.Model):
    """A nonce that has been used, until it would have expired anyway.

    The value begins with the time at which the nonce expires: rows come in order, and old ones
    are purged by a range of the primary key.
    """

    nonce = models.UUIDField(primary_key=True, editable=False)

    def __str__(self) -> str:
        """Name the nonce."""
        return str(self.nonce)
