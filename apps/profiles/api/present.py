"""How do profiles look in JSON? Rows in, plain dictionaries out."""

from typing import Any

from apps.profiles.models import Profile
from apps.web.present import time_text


def profile(row: Profile) -> dict[str, Any]:
    """Return a profile; from ``selectors.profiles``."""
    version = row.policy.current_version
    return {
        "id": str(row.pk),
        "name": row.name,
        "description": row.description,
        "issuer_type": row.issuer_type,
        "authority": row.authority.name if row.authority else None,
        "policy": row.policy.name,
        "policy_version": version.number if version else None,
        "defaults": row.defaults,
        "revision": row.revision,
        "created_at": time_text(row.created_at),
    }
