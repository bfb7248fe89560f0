"""User accounts of people and machine identities, and counters of failed sign-ins."""

from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q

from apps import clock
from apps.principals import ProductRole


class AccountKind(models.TextChoices):
    """Kind of account: a person signs in with a password, a machine uses tokens."""

    PERSON = "person", "Person"
    MACHINE = "machine", "Machine identity"


class User(AbstractUser):  # type: ignore[django-manager-missing]  # knox has no types
    """Account of a person or a machine identity, the same for guardian, audit and throttles."""

    kind = models.CharField(
        max_length=10, choices=AccountKind.choices, default=AccountKind.PERSON, editable=False
    )
    product_role = models.CharField(
        max_length=10,
        choices=[(role.value, role.value.title()) for role in ProductRole],
        default=ProductRole.MEMBER.value,
        help_text="Administrators govern authorities, policies, profiles and applications; "
        "members work in the applications to which they are added.",
    )

    class Meta(AbstractUser.Meta):
        """A machine can never use the admin pages."""

        constraints: ClassVar = [
            models.CheckConstraint(
                name="user_machine_never_staff",
                condition=Q(kind="person") | Q(is_staff=False, is_superuser=False),
            ),
        ]


class LoginCounter(models.Model):
    """Failed sign-ins of one account, of one address, or of one account from one address.

    ``account`` is a keyed digest of the user name as typed: people type passwords there by
    mistake. ``network`` is an IPv4 address or an IPv6 /64. An empty column means "any", so the
    three kinds of counter share one unique constraint. The rules are in ``accounts.lockout``.
    """

    account = models.CharField(max_length=64, blank=True, editable=False)
    network = models.CharField(max_length=45, blank=True, editable=False)
    user = models.ForeignKey(
        User,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.CASCADE,
        help_text="the account, where one with this name exists",
    )
    failures = models.PositiveSmallIntegerField(default=0, editable=False)
    counted_at = models.DateTimeField(default=clock.now, editable=False)
    blocked_until = models.DateTimeField(null=True, blank=True, editable=False)
    signed_in_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="last success of this account from this address",
    )

    class Meta:
        """One row for each key; the index serves the hourly sweep and the eviction."""

        verbose_name = "sign-in counter"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "network"], name="login_counter_once"),
            models.CheckConstraint(
                name="login_counter_has_key", condition=~Q(account="") | ~Q(network="")
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["counted_at"], name="login_counter_age")]

    def __str__(self) -> str:
        """Return account and address as far as the counter has them."""
        if not self.account:
            return f"any account from {self.network}"
        name = self.user.get_username() if self.user is not None else "unknown account"
        return f"{name} from {self.network or 'any address'}"
