"""JSON representation of ACME objects (RFC 8555 section 7.1)."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from apps import clock
from apps.enrollment.acme.auth import Account
from apps.enrollment.acme.endpoint_config import EndpointConfig
from apps.enrollment.acme.models import AcmeAuthorization, AcmeChallenge, AcmeOrder
from apps.enrollment.acme.states import (
    AuthorizationStatus,
    ChallengeStatus,
    ChallengeType,
    OrderStatus,
)
from apps.errors import Malformed

# RFC 3339 section 5.6; a fraction of any length.
_RFC3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,30})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
_ZERO_TIME = datetime(1, 1, 1, tzinfo=UTC)
# A decided authorization shows only the challenges that decided it (RFC 8555 section 7.1.4).
_SHOWN_STATUSES = {
    AuthorizationStatus.VALID: {ChallengeStatus.VALID},
    AuthorizationStatus.INVALID: {ChallengeStatus.INVALID, ChallengeStatus.VALID},
}


def time_text(moment: datetime) -> str:
    """Return RFC 3339 text in UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_time(text: Any, name: str) -> datetime | None:
    """Return the time in an optional RFC 3339 member, in UTC and whole seconds.

    The zero time of Go and .NET, ``0001-01-01T00:00:00Z``, means "not given": clients written in
    them send it for a field that nobody has set.

    Raises:
        Malformed: the member is not such a text.
    """
    if text is None:
        return None
    if not isinstance(text, str) or not _RFC3339.fullmatch(text):
        raise Malformed(f"{name} is not an RFC 3339 time such as 2030-01-31T12:00:00Z.")
    try:
        moment = datetime.fromisoformat(text.upper())
        if moment == _ZERO_TIME:
            return None
        return moment.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError) as error:
        raise Malformed(f"{name} is not a time that exists.") from error


def account(config: EndpointConfig, row: Account) -> dict[str, Any]:
    """Return the account object (section 7.1.2)."""
    return {
        "status": row.status,
        "contact": list(row.contacts),
        "orders": config.url("acct", row.url_id, "orders"),
    }


def order(config: EndpointConfig, row: AcmeOrder) -> dict[str, Any]:
    """Return the order object (section 7.1.3; RFC 9773 section 5; profiles draft)."""
    shown: dict[str, Any] = {
        "status": row.status,
        "expires": time_text(row.expires_at),
        "identifiers": row.identifiers,
        "authorizations": [config.url("authz", url_id) for url_id in row.authorization_url_ids],
        "finalize": config.url("order", row.url_id, "finalize"),
    }
    if row.not_before is not None:
        shown["notBefore"] = time_text(row.not_before)
    if row.not_after is not None:
        shown["notAfter"] = time_text(row.not_after)
    if row.profile:
        shown["profile"] = row.profile
    if row.replaces:
        shown["replaces"] = row.replaces
    if row.error is not None:
        shown["error"] = row.error
    if row.status == OrderStatus.VALID:
        shown["certificate"] = config.url("cert", row.url_id)
    return shown


def authorization(
    config: EndpointConfig, row: AcmeAuthorization, challenges: Iterable[AcmeChallenge]
) -> dict[str, Any]:
    """Return the authorization object (section 7.1.4)."""
    statuses = _SHOWN_STATUSES.get(AuthorizationStatus(row.status))
    shown: dict[str, Any] = {
        "status": current_status(row),
        "expires": time_text(row.expires_at),
        "identifier": {"type": row.identifier_type, "value": row.identifier_value},
        "challenges": [
            challenge(config, item)
            for item in challenges
            if (statuses is None or item.status in statuses) and _can_be_shown(config, item)
        ],
    }
    if row.wildcard:
        shown["wildcard"] = True
    return shown


def current_status(row: AcmeAuthorization) -> str:
    """Return the status at this moment: an expired row says so before housekeeping updates it."""
    alive = row.status in (AuthorizationStatus.PENDING, AuthorizationStatus.VALID)
    if alive and row.expires_at <= clock.now():
        return AuthorizationStatus.EXPIRED
    return row.status


def challenge(config: EndpointConfig, row: AcmeChallenge) -> dict[str, Any]:
    """Return the challenge object (section 7.1.5)."""
    shown: dict[str, Any] = {
        "type": row.type,
        "url": config.url("chall", row.url_id),
        "status": row.status,
    }
    if row.type == ChallengeType.DNS_PERSIST_01:
        shown["issuerDomainNames"] = list(
            config.issuer_domain_names
        )  # draft-ietf-acme-dns-persist-02 3.1
    else:
        shown["token"] = row.token
    if row.status == ChallengeStatus.VALID and row.settled_at is not None:
        shown["validated"] = time_text(row.settled_at)
    if row.error is not None:
        shown["error"] = row.error
    return shown


def _can_be_shown(config: EndpointConfig, row: AcmeChallenge) -> bool:
    """Tell whether the endpoint still has the issuer names that dns-persist-01 needs."""
    return row.type != ChallengeType.DNS_PERSIST_01 or bool(config.issuer_domain_names)
