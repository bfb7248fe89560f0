"""Factories of policies and profiles."""

from typing import Any

from apps import principals
from apps.authorities.models import Authority
from apps.policies import services as policy_services
from apps.policies.models import Policy
from apps.policies.presets import PRESETS
from apps.profiles import services as profile_services
from apps.profiles.models import IssuerType, Profile


def make_policy(
    name: str, rules: dict[str, Any] | None = None, *, preset: str = "tls-server"
) -> Policy:
    """Return a policy with these rules, or those of a preset."""
    return policy_services.create_policy(
        principals.system("tests"),
        name=name,
        description="",
        rules=PRESETS[preset].rules if rules is None else rules,
    )


def make_profile(
    name: str,
    *,
    authority: Authority | None,
    policy: Policy | None = None,
    preset: str = "tls-server",
    defaults: dict[str, Any] | None = None,
) -> Profile:
    """Return a profile on ``authority`` (self-signed without one), with a preset's defaults."""
    return profile_services.create_profile(
        principals.system("tests"),
        name=name,
        description="",
        issuer_type=IssuerType.AUTHORITY if authority else IssuerType.SELF_SIGNED,
        authority=authority,
        policy=policy or make_policy(f"{name}-policy", preset=preset),
        defaults=PRESETS[preset].defaults if defaults is None else defaults,
    )
