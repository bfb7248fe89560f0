"""Models of applications, members, machine identities, tokens and attached profiles."""

from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Q
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase
from knox.models import AbstractAuthToken

from apps import clock, ids
from apps.applications.roles import Permission, Role
from apps.profiles.models import Profile


class Application(models.Model):  # type: ignore[django-manager-missing]  # knox has no types
    """A service or workload; the boundary of isolation between teams."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    name = models.SlugField(max_length=64, unique=True, help_text="used in enrollment URLs")
    description = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        """Permissions are those of ``roles.Permission``, without Django's default ones."""

        ordering: ClassVar = ["name"]
        default_permissions = ()
        permissions: ClassVar = [(p.value, p.value.replace("_", " ")) for p in Permission]

    def __str__(self) -> str:
        """Name the application."""
        return self.name


class ApplicationUserObjectPermission(UserObjectPermissionBase):
    """Object permissions of users; a direct foreign key lets rights be read by one join."""

    content_object = models.ForeignKey(Application, on_delete=models.CASCADE)


class ApplicationGroupObjectPermission(GroupObjectPermissionBase):
    """Object permissions of groups."""

    content_object = models.ForeignKey(Application, on_delete=models.CASCADE)


class Membership(models.Model):
    """Role of a person, machine identity or group in an application; permissions follow from it."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    application = models.ForeignKey(
        Application, on_delete=models.CASCADE, related_name="memberships"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="memberships",
    )
    group = models.ForeignKey(
        Group, null=True, blank=True, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=10, choices=[(r.value, r.value.title()) for r in Role])
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        """One role per member; a member is a user or a group, never both."""

        constraints: ClassVar = [
            models.CheckConstraint(
                name="membership_user_xor_group",
                condition=Q(user__isnull=False, group__isnull=True)
                | Q(user__isnull=True, group__isnull=False),
            ),
            models.UniqueConstraint(fields=["application", "user"], name="membership_user_once"),
            models.UniqueConstraint(fields=["application", "group"], name="membership_group_once"),
        ]

    def __str__(self) -> str:
        """Return member, role and application."""
        return f"{self.user or self.group} is {self.role} of {self.application}"


class Pairing(models.Model):
    """A profile attached to an application; every enrollment method belongs to such a pair.

    Attributes:
        issuer_version: values of ``authorities.signing.ISSUER_VERSION`` for the profile's
            authority, read with the pairing; ``None`` unless it comes from
            ``applications.pairings``.
        governance_version: under which it was read; empty unless it comes from there.
    """

    issuer_version: tuple[Any, ...] | None = None
    governance_version = ""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="pairings")
    profile = models.ForeignKey(Profile, on_delete=models.PROTECT, related_name="pairings")
    api_enabled = models.BooleanField(default=True, help_text="requests by the API are allowed")
    requires_approval = models.BooleanField(
        default=False, help_text="a second person must approve each request"
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        """A profile is attached once."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["application", "profile"], name="pairing_once"),
        ]

    def __str__(self) -> str:
        """Return application and profile."""
        return f"{self.application}/{self.profile}"


class MachineIdentity(models.Model):
    """Identity of a workload: a user without a password that authenticates by tokens."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="machine_identity"
    )
    name = models.SlugField(max_length=64, unique=True)
    description = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        """Sorted by name."""

        verbose_name_plural = "machine identities"
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        """Name the identity."""
        return self.name


class ApiToken(AbstractAuthToken):
    """An expiring bearer token; only its digest is stored (django-rest-knox).

    Attributes:
        governance_version: version under which the row was read, if the token was presented by
            a request; otherwise empty.
    """

    governance_version = ""

    public_id = models.UUIDField(default=ids.uuid7, unique=True, editable=False)
    name = models.CharField(max_length=100)
    scopes = models.JSONField(
        default=list, help_text="names of Scope; what the token may be used for"
    )
    application = models.ForeignKey(
        Application,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="tokens",
        help_text="the only application it may touch; empty = all of its owner's",
    )
    allowed_networks = models.JSONField(
        default=list, blank=True, help_text="CIDR list of source addresses; empty = any"
    )
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_by = models.CharField(max_length=200)

    class Meta:
        """Newest first."""

        verbose_name = "API token"
        ordering: ClassVar = ["-created"]

    def __str__(self) -> str:
        """Return the name, and the first characters of the token."""
        return f"{self.name} ({self.token_key}…)"


class GovernanceChange(models.Model):
    """One change of governance, written by triggers; see ``governance_version``."""

    id = models.BigAutoField(primary_key=True)
    token = models.BigIntegerField(editable=False, help_text="44 random bits")

    def __str__(self) -> str:
        """Return the number."""
        return str(self.token)


class AppliedRoleTable(models.Model):
    """The table of roles that members' rights were last derived from; one row, see ``role_table``."""

    id = models.BigAutoField(primary_key=True)
    digest = models.CharField(max_length=64, editable=False)
    applied_at = models.DateTimeField(editable=False)

    def __str__(self) -> str:
        """Return the beginning of the digest."""
        return self.digest[:8]
