"""Models of policies and their immutable versions."""

from typing import Any, ClassVar

from django.db import models

from apps import clock, ids


class Policy(models.Model):
    """A policy; its rules are in its versions."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    name = models.SlugField(max_length=64, unique=True)
    description = models.CharField(max_length=255, blank=True)
    current_version = models.OneToOneField(
        "PolicyVersion", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        """Sorted by name."""

        verbose_name_plural = "policies"
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        """Name the policy."""
        return self.name


class PolicyVersion(models.Model):
    """Immutable version of a policy's rules; each certificate refers to the one it was checked by."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    rules = models.JSONField(help_text="the rule document, see docs/policies.md")
    created_at = models.DateTimeField(default=clock.now, editable=False)
    created_by = models.CharField(max_length=200)

    class Meta:
        """Versions count up from one."""

        ordering: ClassVar = ["policy", "-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["policy", "number"], name="policy_version_number"),
        ]

    def __str__(self) -> str:
        """Name policy and version."""
        return f"{self.policy} v{self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert once: a version that certificates refer to never changes."""
        if not self._state.adding:
            raise TypeError("policy versions are immutable")
        super().save(*args, **kwargs)
