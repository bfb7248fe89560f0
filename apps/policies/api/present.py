"""How do policies look in JSON? Rows in, plain dictionaries out."""

from typing import Any

from apps.policies.models import Policy, PolicyVersion
from apps.policies.presets import Preset
from apps.web.present import time_text


def policy_row(policy: Policy) -> dict[str, Any]:
    """Return a policy as lists show it."""
    current = policy.current_version
    return {
        "id": str(policy.pk),
        "name": policy.name,
        "description": policy.description,
        "version": current.number if current else None,
        "created_at": time_text(policy.created_at),
    }


def policy_detail(policy: Policy) -> dict[str, Any]:
    """Return a policy with the rules in force."""
    current = policy.current_version
    return policy_row(policy) | {"rules": current.rules if current else {}}


def version(row: PolicyVersion) -> dict[str, Any]:
    """Return one version of a policy."""
    return {
        "id": str(row.pk),
        "version": row.number,
        "rules": row.rules,
        "created_at": time_text(row.created_at),
        "created_by": row.created_by,
    }


def preset(found: Preset) -> dict[str, Any]:
    """Return a starting point for a policy and its profile."""
    return {
        "name": found.key,
        "label": found.label,
        "description": found.description,
        "rules": found.rules,
        "defaults": found.defaults,
    }
