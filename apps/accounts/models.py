"""Who can sign in? People and machine identities, with their product-wide role."""

from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q

from apps.principals import ProductRole


class AccountKind(models.TextChoices):
    """A person signs in with a password; a machine only ever uses tokens."""

    PERSON = "person", "Person"
    MACHINE = "machine", "Machine identity"


class User(AbstractUser):  # type: ignore[django-manager-missing]  # knox ships no types
    """One principal known to Django: guardian, audit and throttles treat all callers alike."""

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
        """A machine can never hold the keys of the whole product's admin pages."""

        constraints: ClassVar = [
            models.CheckConstraint(
                name="user_machine_never_staff",
                condition=Q(kind="person") | Q(is_staff=False, is_superuser=False),
            ),
        ]
