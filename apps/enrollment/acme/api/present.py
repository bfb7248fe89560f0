"""How do ACME endpoints, clients and orders look in JSON? Rows in, plain dictionaries out."""

from typing import Any

from apps.enrollment.acme import wire
from apps.enrollment.acme.api.wire import SETTINGS
from apps.enrollment.acme.models import (
    AcmeAccount,
    AcmeAuthorization,
    AcmeChallenge,
    AcmeEndpoint,
    AcmeOrder,
    EabKey,
)
from apps.enrollment.acme.selectors import FailingClient, directory_url
from apps.enrollment.acme.services import eab
from apps.web.present import time_text


def endpoint(row: AcmeEndpoint) -> dict[str, Any]:
    """Return an endpoint with all its settings."""
    return {
        "id": str(row.pk),
        "application": row.pairing.application.name,
        "profile": row.pairing.profile.name,
        "directory_url": directory_url(row),
        **{name: getattr(row, name) for name in SETTINGS},
        "created_at": time_text(row.created_at),
    }


def eab_key(row: EabKey) -> dict[str, Any]:
    """Return an EAB key without its secret."""
    return {
        "id": str(row.pk),
        "name": row.name,
        "kid": row.kid,
        "state": eab.state_of(row),
        "reusable": row.reusable,
        "expires_at": time_text(row.expires_at),
        "identifiers": row.identifiers,
        "networks": row.networks,
        "used_count": row.used_count,
        "last_used_at": time_text(row.last_used_at),
        "revealed_at": time_text(row.revealed_at),
        "revoked_at": time_text(row.revoked_at),
        "created_by": row.created_by,
        "created_at": time_text(row.created_at),
    }


def account(row: AcmeAccount) -> dict[str, Any]:
    """Return a client; ``order_count`` and ``failure_count`` come with the query."""
    found: Any = row
    return {
        "id": str(row.pk),
        "profile": row.endpoint.pairing.profile.name,
        "status": row.status,
        "thumbprint": row.thumbprint,
        "contacts": row.contacts,
        "eab_kid": row.eab_key.kid if row.eab_key else None,
        "created_ip": row.created_ip,
        "orders": found.order_count,
        "failures": found.failure_count,
        "created_at": time_text(row.created_at),
    }


def order(row: AcmeOrder) -> dict[str, Any]:
    """Return an order as lists show it."""
    return {
        "id": str(row.pk),
        "account": str(row.account_id),
        "profile": row.account.endpoint.pairing.profile.name,
        "status": row.status,
        "identifiers": row.identifiers,
        "error": row.error,
        "replaces": row.replaces or None,
        "not_before": time_text(row.not_before),
        "not_after": time_text(row.not_after),
        "expires_at": time_text(row.expires_at),
        "certificate_request": _id(row.certificate_request_id),
        "certificate": _id(row.certificate_id),
        "created_at": time_text(row.created_at),
    }


def order_detail(row: AcmeOrder) -> dict[str, Any]:
    """Return an order with every challenge and all that its attempts saw."""
    return order(row) | {"authorizations": [authorization(a) for a in row.authorizations.all()]}


def authorization(row: AcmeAuthorization) -> dict[str, Any]:
    """Return the proof of one identifier."""
    return {
        "id": str(row.pk),
        "identifier": {"type": row.identifier_type, "value": row.identifier_value},
        "wildcard": row.wildcard,
        "status": wire.current_status(row),
        "expires_at": time_text(row.expires_at),
        "challenges": [challenge(item) for item in row.challenges.all()],
    }


def challenge(row: AcmeChallenge) -> dict[str, Any]:
    """Return a challenge with its attempts, oldest first."""
    return {
        "type": row.type,
        "status": row.status,
        "started_at": time_text(row.started_at),
        "settled_at": time_text(row.settled_at),
        "error": row.error,
        "attempts": row.attempts,
    }


def failing(client: FailingClient) -> dict[str, Any]:
    """Return a client whose validations fail."""
    return {
        "account": str(client.account.pk),
        "profile": client.account.endpoint.pairing.profile.name,
        "contacts": client.account.contacts,
        "failures": client.failures,
        "last_at": time_text(client.last_at),
        "reason": client.reason,
        "identifiers": list(client.names),
    }


def _id(value: Any) -> str | None:
    return str(value) if value else None
