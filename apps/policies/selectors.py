"""Look-up of policies and of the compiled rules of their versions."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from apps import registry
from apps.policies.models import Policy, PolicyVersion
from apps.policies.rules import Rules, parse_rules
from pki.findings import Violation

MAX_COMPILED = 512
compiled: dict[UUID, Rules] = {}


@dataclass(frozen=True, slots=True)
class ProfileWarning:
    """A profile whose defaults the rules in force refuse.

    Attributes:
        profile: its name.
        violations: each default that breaks a rule.
    """

    profile: str
    violations: tuple[Violation, ...]


def warnings_of(policy: Policy) -> list[ProfileWarning]:
    """Return the profiles that the rules in force leave with defaults outside of them."""
    return [found for check in registry.policy_checks for found in check(policy)]


def policies() -> QuerySet[Policy]:
    """Return all policies with their current versions."""
    return Policy.objects.select_related("current_version")


def policies_used_by(application_ids: Collection[UUID] | None) -> QuerySet[Policy]:
    """Return the policies behind the profiles of these applications; ``None`` means all."""
    if application_ids is None:
        return policies()
    used = Policy.objects.filter(profiles__pairings__application_id__in=application_ids)
    return policies().filter(pk__in=used.values("pk"))


def rules_of(version: PolicyVersion) -> Rules:
    """Return a version's rules, compiled once per process.

    Versions never change and their identifiers are never used again, so an entry cannot
    become stale.
    """
    found = compiled.get(version.id)
    if found is None:
        found = parse_rules(version.rules)
        if len(compiled) >= MAX_COMPILED:
            compiled.clear()
        compiled[version.id] = found
    return found
