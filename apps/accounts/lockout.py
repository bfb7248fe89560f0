"""Exponential lock-out of password guessing, by account and by address (ADR 0019).

Each attempt is counted before the password is looked at, under a row lock: parallel attempts
cannot all pass on the same count. Three counters decide:

- the pair of account and address, strict;
- the address, for attempts on many accounts;
- the account, for attempts from many addresses.

The last two do not hold up a pair that has signed in lately, so that nobody can lock people out
from where they usually work. A counter loses one failure for each ``LOGIN_MAX_WAIT_S`` without a
counted attempt. Attempts during a wait are not counted: they do not prolong it.
"""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils.crypto import salted_hmac

from apps import clock
from apps.accounts.models import LoginCounter, User
from apps.audit.events import Event
from apps.audit.record import record
from apps.errors import InvalidInput
from apps.principals import Principal
from pki.findings import Violation

MAX_ROWS = 20_000
"""Rows kept at most; beyond, those with the fewest failures go first."""

TRUST = timedelta(days=30)
"""How long a success exempts an account at an address from the wider counters."""

UNKNOWN_NETWORK = "unknown"
_IPV6_PREFIX = 64  # what one subscriber gets at least (RFC 6177)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One counted attempt to sign in.

    Attributes:
        account: digest of the user name.
        network: where it comes from.
        waits: counters by which the next attempt has to wait, should this one fail.
    """

    account: str
    network: str
    waits: tuple[LoginCounter, ...]


def begin(username: str, address: str) -> Attempt | None:
    """Count an attempt to sign in, before its password is looked at.

    Args:
        username: as typed; no such account need exist.
        address: of the client, as text; empty or unusable counts as one unknown address.

    Returns:
        The attempt, to be handed to ``succeed`` if the password is right; ``None`` when the
        caller has to wait: then the password must not be looked at.
    """
    account, network = account_key(username), network_of(address)
    keys = [(account, network), (account, "")]
    if network != UNKNOWN_NETWORK:
        keys.append(("", network))
    found = _counters(account, network)
    if _has_to_wait(found, clock.now()):
        return None  # nothing is written: rows cannot be piled up during a wait
    if len(found) < len(keys) and LoginCounter.objects.count() >= MAX_ROWS:
        _evict()
    user = User.objects.filter(username__iexact=username).first()
    with transaction.atomic():
        LoginCounter.objects.bulk_create(
            [
                LoginCounter(account=key, network=where, user=user if key else None)
                # All writers lock in this order, else two of them could wait for each other.
                for key, where in sorted(keys)
            ],
            ignore_conflicts=True,
        )
        rows = _counters(account, network, lock=True)
        now = clock.now()  # waiting for the lock may have taken a while
        if len(rows) < len(keys) or _has_to_wait(rows, now):
            return None
        for row in rows:
            _set_failures(row, _failures_at(row, now) + 1, now)
        LoginCounter.objects.bulk_update(rows, ["failures", "counted_at", "blocked_until"])
    waits = tuple(row for row in rows if row.blocked_until is not None)
    return Attempt(account, network, waits)


def succeed(attempt: Attempt) -> None:
    """Forget the account's failures after a right password.

    The address gets back only this attempt. Otherwise somebody with an account of their own
    could try others' passwords without a wait, by signing in now and then.
    """
    with transaction.atomic():
        rows = _counters(attempt.account, attempt.network, lock=True)
        now = clock.now()
        for row in rows:
            _set_failures(row, 0 if row.account else row.failures - 1, row.counted_at)
            if row.account and row.network:
                row.signed_in_at = now
        LoginCounter.objects.bulk_update(rows, ["failures", "blocked_until", "signed_in_at"])


def wait_s(row: LoginCounter) -> int:
    """Return how long the counter makes the next attempt wait, in seconds from its last one."""
    over = row.failures - _free_tries(row)
    return min(2**over, _max_wait_s()) if over >= 0 else 0


def clear(principal: Principal, chosen: QuerySet[LoginCounter], subject: User | None = None) -> int:
    """Forget counted failures; the next attempt is looked at immediately.

    Args:
        principal: a product administrator.
        chosen: counters, e.g. from ``counters_of_user`` or ``counters_of_address``.
        subject: the person for whom this is done, for the audit log.

    Returns:
        The number of counters that were cleared.

    Raises:
        AccessDenied: not a product administrator.
    """
    principal.require_governance()
    with transaction.atomic():
        counted = chosen.filter(failures__gt=0).order_by("account", "network")
        rows = list(counted.select_for_update())
        # The rows stay for ``signed_in_at``; the sweep deletes those without.
        LoginCounter.objects.filter(pk__in=[row.pk for row in rows]).update(
            failures=0, blocked_until=None
        )
        if rows:
            record(
                Event.LOGIN_UNLOCKED,
                principal=principal,
                subject=subject,
                counters=[str(row) for row in rows][:50],
            )
    return len(rows)


def counters_of_user(user: User) -> QuerySet[LoginCounter]:
    """Return the counters of an account, from any address."""
    return LoginCounter.objects.filter(account=account_key(user.get_username()))


def counters_of_address(address: str) -> QuerySet[LoginCounter]:
    """Return the counters of an address (IPv6: of its /64), with any account.

    Raises:
        InvalidInput: this is no IP address.
    """
    network = network_of(address)
    if network == UNKNOWN_NETWORK:
        reason = "This is not an IP address."
        raise InvalidInput([Violation("login.address", "address", address[:100], reason)])
    return LoginCounter.objects.filter(network=network)


def sweep() -> str:
    """Delete counters that no longer decide anything; run hourly."""
    now = clock.now()
    most = max(_free_tries_of_all()) + _doublings()
    faded = Q(counted_at__lt=now - most * timedelta(seconds=_max_wait_s()))
    trusted = Q(signed_in_at__gte=now - TRUST)
    deleted, _ = LoginCounter.objects.filter(faded).exclude(trusted).delete()
    return f"deleted {deleted}"


def account_key(username: str) -> str:
    """Return the digest under which a user name is counted; upper and lower case are the same."""
    name = User.normalize_username(username).casefold()
    return salted_hmac("sealwright.login", name, algorithm="sha256").hexdigest()


def network_of(address: str) -> str:
    """Return what is counted as one address: an IPv4 address, or an IPv6 /64."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return UNKNOWN_NETWORK
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    # The zone of a link-local address is no part of the network.
    return str(ipaddress.ip_network((int(ip), _IPV6_PREFIX), strict=False))


def _counters(account: str, network: str, *, lock: bool = False) -> list[LoginCounter]:
    rows = LoginCounter.objects.filter(
        Q(account=account, network__in=(network, "")) | Q(account="", network=network)
    ).order_by("account", "network")
    return list(rows.select_for_update() if lock else rows)


def _has_to_wait(rows: list[LoginCounter], now: datetime) -> bool:
    pair = next((row for row in rows if row.account and row.network), None)
    trusted = pair is not None and pair.signed_in_at is not None and pair.signed_in_at > now - TRUST
    return any(
        row.blocked_until is not None and row.blocked_until > now
        for row in rows
        if row is pair or not trusted
    )


def _failures_at(row: LoginCounter, now: datetime) -> int:
    """Return the failures that have not faded by ``now``."""
    faded = int((now - row.counted_at).total_seconds()) // _max_wait_s()
    return max(0, row.failures - max(0, faded))


def _set_failures(row: LoginCounter, failures: int, counted_at: datetime) -> None:
    """Set the count, bounded so that it fades soon enough, and the wait that follows from it."""
    row.failures = min(max(0, failures), _free_tries(row) + _doublings())
    row.counted_at = counted_at
    wait = wait_s(row)
    row.blocked_until = counted_at + timedelta(seconds=wait) if wait else None


def _evict() -> None:
    """Delete the weakest counters: a flood of names evicts itself, not what is locked."""
    with transaction.atomic():
        weakest = LoginCounter.objects.select_for_update(skip_locked=True).order_by(
            F("signed_in_at").asc(nulls_first=True), "failures", "counted_at"
        )
        chosen = list(weakest.values_list("pk", flat=True)[: MAX_ROWS // 20])
        LoginCounter.objects.filter(pk__in=chosen).delete()


def _free_tries(row: LoginCounter) -> int:
    pair, address, account = _free_tries_of_all()
    if not row.account:
        return address
    return pair if row.network else account


def _free_tries_of_all() -> tuple[int, int, int]:
    """Return the attempts without a wait of pair, address and account."""
    known = settings.SEALWRIGHT
    return (
        known["LOGIN_FREE_TRIES"],
        known["LOGIN_ADDRESS_FREE_TRIES"],
        known["LOGIN_ACCOUNT_FREE_TRIES"],
    )


def _max_wait_s() -> int:
    return int(settings.SEALWRIGHT["LOGIN_MAX_WAIT_S"])


def _doublings() -> int:
    """Return how many doublings lead from one second to the longest wait."""
    return (_max_wait_s() - 1).bit_length()
