"""How do applications and what belongs to them look in JSON? Rows in, dictionaries out."""

from collections.abc import Collection, Iterable
from typing import Any

from apps.applications.models import ApiToken, Application, MachineIdentity, Membership, Pairing
from apps.applications.roles import Permission
from apps.applications.services import BulkResult
from apps.applications.tokens import identity_of
from apps.audit.models import AuditEvent
from apps.web.present import time_text


def application_row(application: Application) -> dict[str, Any]:
    """Return an application as lists show it."""
    return {
        "id": str(application.pk),
        "name": application.name,
        "description": application.description,
        "created_at": time_text(application.created_at),
    }


def application_detail(
    application: Application, rights: Collection[Permission], pairings: Iterable[Pairing]
) -> dict[str, Any]:
    """Return an application with the caller's rights there, and the profiles it may use."""
    return application_row(application) | {
        "permissions": sorted(right.value for right in rights),
        "profiles": [pairing(row) for row in pairings],
    }


def pairing(row: Pairing) -> dict[str, Any]:
    """Return a profile that an application may use."""
    return {
        "id": str(row.pk),
        "profile": row.profile.name,
        "profile_id": str(row.profile_id),
        "api_enabled": row.api_enabled,
        "requires_approval": row.requires_approval,
        "created_at": time_text(row.created_at),
    }


def member(row: Membership) -> dict[str, Any]:
    """Return a member and its role."""
    if row.user is not None:
        kind, _identifier, name = identity_of(row.user)
        kind = "machine_identity" if kind == "machine" else kind
    else:
        assert row.group is not None
        kind, name = "group", row.group.name
    return {
        "id": str(row.pk),
        "kind": kind,
        "name": name,
        "role": row.role,
        "created_at": time_text(row.created_at),
    }


def bulk(result: BulkResult) -> dict[str, Any]:
    """Return what became of each name."""
    return {
        "added": list(result.added),
        "skipped": list(result.skipped),
        "unresolved": list(result.unresolved),
    }


def machine(row: MachineIdentity) -> dict[str, Any]:
    """Return a machine identity."""
    return {
        "id": str(row.pk),
        "name": row.name,
        "description": row.description,
        "is_active": row.user.is_active,
        "created_at": time_text(row.created_at),
    }


def token(row: ApiToken) -> dict[str, Any]:
    """Return what may be shown of a token: everything but its text and its digest."""
    kind, _identifier, name = identity_of(row.user)
    return {
        "id": str(row.public_id),
        "name": row.name,
        "owner_kind": "machine_identity" if kind == "machine" else kind,
        "owner": name,
        "starts_with": row.token_key,
        "scopes": row.scopes,
        "application": row.application.name if row.application else None,
        "allowed_networks": row.allowed_networks,
        "created_at": time_text(row.created),
        "created_by": row.created_by,
        "expires_at": time_text(row.expiry),
        "last_used_at": time_text(row.last_used_at),
        "revoked_at": time_text(row.revoked_at),
    }


def event(row: AuditEvent) -> dict[str, Any]:
    """Return an event of the audit log."""
    return {
        "id": row.pk,
        "created_at": time_text(row.created_at),
        "event": row.event,
        "actor": row.actor,
        "actor_label": row.actor_label,
        "subject_type": row.subject_type,
        "subject_id": row.subject_id,
        "subject_label": row.subject_label,
        "application_id": str(row.application_id) if row.application_id else None,
        "ip": row.ip,
        "trace_id": row.trace_id,
        "data": row.data,
    }
