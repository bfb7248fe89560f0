"""How do ACME objects look as JSON? RFC 8555 section 7.1."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from apps import clock
from apps.enrollment.acme.auth import Account
from apps.enrollment.acme.endpoint_config import Door
from apps.enrollment.acme.models import AcmeAuthorization, AcmeChallenge, AcmeOrder
from apps.enrollment.acme.states import (
    AuthorizationStatus,
    ChallengeStatus,
    ChallengeType,
    OrderStatus,
)
from apps.errors import Malformed

# After the outcome, only the challenges that led to it are shown (RFC 8555 section 7.1.4).
_TELLING = {
    AuthorizationStatus.VALID: {ChallengeStatus.VALID},
    AuthorizationStatus.INVALID: {ChallengeStatus.INVALID, ChallengeStatus.VALID},
}


def time_text(moment: datetime) -> str:
    """Return RFC 3339 text in UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_time(text: Any, name: str) -> datetime | None:
    """Return the moment that an optional RFC 3339 member names, whole seconds.

    Raises:
        Malformed: it is no such text.
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise Malformed(f"{name} is not an RFC 3339 time.") from error
    if moment.tzinfo is None:
        raise Malformed(f"{name} lacks its time zone.")
    return moment.astimezone(UTC).replace(microsecond=0)


def account(door: Door, row: Account) -> dict[str, Any]:
    """Return the account object (section 7.1.2)."""
    return {
        "status": row.status,
        "contact": list(row.contacts),
        "orders": door.url("acct", row.url_id, "orders"),
    }


def order(door: Door, row: AcmeOrder) -> dict[str, Any]:
    """Return the order object (section 7.1.3; RFC 9773 section 5; profiles draft)."""
    shown: dict[str, Any] = {
        "status": row.status,
        "expires": time_text(row.expires_at),
        "identifiers": row.identifiers,
        "authorizations": [door.url("authz", url_id) for url_id in row.authorization_url_ids],
        "finalize": door.url("order", row.url_id, "finalize"),
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
        shown["certificate"] = door.url("cert", row.url_id)
    return shown


def authorization(
    door: Door, row: AcmeAuthorization, challenges: Iterable[AcmeChallenge]
) -> dict[str, Any]:
    """Return the authorization object (section 7.1.4)."""
    telling = _TELLING.get(AuthorizationStatus(row.status))
    shown: dict[str, Any] = {
        "status": status_now(row),
        "expires": time_text(row.expires_at),
        "identifier": {"type": row.identifier_type, "value": row.identifier_value},
        "challenges": [
            challenge(door, item)
            for item in challenges
            if (telling is None or item.status in telling) and _can_be_shown(door, item)
        ],
    }
    if row.wildcard:
        shown["wildcard"] = True
    return shown


def status_now(row: AcmeAuthorization) -> str:
    """Return the status; one whose time has run out is expired before a sweep says so."""
    alive = row.status in (AuthorizationStatus.PENDING, AuthorizationStatus.VALID)
    if alive and row.expires_at <= clock.now():
        return AuthorizationStatus.EXPIRED
    return row.status


def challenge(door: Door, row: AcmeChallenge) -> dict[str, Any]:
    """Return the challenge object (section 7.1.5)."""
    shown: dict[str, Any] = {
        "type": row.type,
        "url": door.url("chall", row.url_id),
        "status": row.status,
    }
    if row.type == ChallengeType.DNS_PERSIST_01:
        shown["issuerDomainNames"] = list(door.issuers)  # draft-ietf-acme-dns-persist-02 3.1
    else:
        shown["token"] = row.token
    if row.status == ChallengeStatus.VALID and row.settled_at is not None:
        shown["validated"] = time_text(row.settled_at)
    if row.error is not None:
        shown["error"] = row.error
    return shown


def _can_be_shown(door: Door, row: AcmeChallenge) -> bool:
    """Tell whether it has all its members: names may have been taken from the endpoint since."""
    return row.type != ChallengeType.DNS_PERSIST_01 or bool(door.issuers)
