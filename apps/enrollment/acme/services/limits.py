"""Rate limits by account, address and set of names (RFC 8555 section 6.6).

They count the rows themselves, so that every process and host sees the same numbers.

The defaults are for certificates that live a day or longer. Shorter ones are renewed more often,
so that the defaults for orders rise as the lifetime falls. What an administrator sets is taken as
it is.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db.models import Exists, Field, GenericIPAddressField, OuterRef, QuerySet

from apps import clock, ids
from apps.applications.governance_version import GovernanceCache
from apps.enrollment.acme.endpoint_config import EndpointConfig, pairing_of
from apps.enrollment.acme.models import AcmeAccount, AcmeChallenge, AcmeOrder
from apps.enrollment.acme.states import ChallengeStatus, ChallengeType
from apps.enrollment.acme.wire import time_text
from apps.errors import InvalidInput, RateLimited, Violation
from apps.policies import selectors as policy_selectors
from apps.profiles.models import Profile
from apps.profiles.requested_content import DEFAULT_TTL
from apps.profiles.selectors import defaults_of
from apps.statements.lookups import KEY, TEXT, TIME, Lookup
from pki.durations import in_words

WINDOW = timedelta(hours=1)
# Per hour; for an internal CA, where a runaway client is likelier than an attacker.
DEFAULTS: Mapping[str, int] = {
    "accounts_per_address": 500,
    "orders_per_account": 300,
    "orders_per_names": 50,
    "failures_per_account": 60,
}
_FOLLOW_LIFETIME = frozenset({"orders_per_account", "orders_per_names"})
_DAY = timedelta(days=1)
# With ``replaces`` a client may order the successor of one certificate this often in an hour: it is
# bounded by the certificates that there are, and repeated only while orders fail.
ORDERS_PER_PREDECESSOR = 10

# draft-ietf-acme-dns-persist-02 section 9.3.1: failures are limited by name and account.
FAILURES_PER_NAME = 20
# Each costs look-ups at other people's name servers, and the order stays ready for more.
CAA_REFUSALS_PER_NAME = 10


@dataclass(frozen=True, slots=True)
class _Counted:
    """What a limit counts.

    Attributes:
        what: for the refusal, in the plural.
        rows: returns the query.
        column: time of each counted row.
        order: column by which the newest come first; rises with ``column`` and has an index.
        slots: kinds of the arguments of ``rows``.
    """

    what: str
    rows: Callable[..., QuerySet[Any]]
    column: str
    order: str
    slots: tuple[tuple[str, "Field[Any, Any]"], ...]


def parse(document: Mapping[str, Any]) -> dict[str, int]:
    """Return limits as an endpoint stores them; 0 lifts a limit.

    Raises:
        InvalidInput: unknown names, or values that are not counts.
    """
    wrong = [
        Violation(
            "acme.limit",
            f"limits.{name}",
            str(value)[:100],
            "This is not a limit with a count of 0 or more.",
            f"One of {', '.join(DEFAULTS)}.",
        )
        for name, value in document.items()
        if name not in DEFAULTS or type(value) is not int or value < 0
    ]
    if wrong:
        raise InvalidInput(wrong)
    return dict(document)


def in_force(stored: Mapping[str, int], profile: Profile) -> dict[str, int]:
    """Return every limit of an endpoint; 0 where it is lifted.

    Args:
        stored: as ``parse`` returns them.
        profile: of the endpoint; its lifetime decides about the defaults for orders.
    """
    factor = max(1, math.ceil(_DAY / _lifetime(profile)))
    return {
        name: stored.get(name, default * (factor if name in _FOLLOW_LIFETIME else 1))
        for name, default in DEFAULTS.items()
    }


def describe(config: EndpointConfig) -> str:
    """Return the limits of an endpoint for people: the page behind ``Link: rel="help"``."""
    lines = [
        f"{name.replace('_', ' ')}: {limit or 'unlimited'}"
        for name, limit in _limits(config).items()
    ]
    return "\n".join(["Limits of this ACME endpoint, per hour:", "", *lines, "", _RENEWALS, ""])


_RENEWALS = f"""\
Renewals do not count as orders of the account: orders that name the certificate which they replace
(RFC 9773), and those for names of which the account has a certificate already. For the same names, an
order with "replaces" is accepted up to {ORDERS_PER_PREDECESSOR} times for each certificate beyond the
limit. Whoever meets a limit is told by Retry-After when to come again."""


def check_new_account(config: EndpointConfig, ip: str) -> None:
    """Refuse one more account from an address.

    Raises:
        RateLimited: the answer says when to come back.
    """
    if ip:
        _check(_limits(config)["accounts_per_address"], _ACCOUNTS_OF, ip, config.endpoint_id)


def check_new_order(
    config: EndpointConfig, account_id: UUID, identifiers_sha256: str, replaced: UUID | None
) -> None:
    """Refuse one more order of an account, or for one set of names.

    Args:
        config: the endpoint.
        account_id: who orders.
        identifiers_sha256: digest of the names.
        replaced: certificate that the order replaces; ``None`` for none.

    Raises:
        RateLimited: the answer says when to come back.
    """
    found = _limits(config)
    refusal = _excess(
        found["orders_per_names"], _ORDERS_FOR, identifiers_sha256, config.endpoint_id
    )
    if refusal is not None and (
        replaced is None or _excess(ORDERS_PER_PREDECESSOR, _ORDERS_REPLACING, replaced)
    ):
        raise refusal
    if replaced is not None:
        return
    limit = found["orders_per_account"]
    refusal = _excess(limit, _ORDERS_OF, account_id)
    # Clients without RFC 9773 renew by ordering the same names again. Told apart only at the limit.
    if refusal is not None and not _HAS_CERTIFICATE.all(identifiers_sha256, account_id):
        refusal = _excess_of_new_names(limit, account_id)
        if refusal is not None:
            raise refusal


def check_failures(config: EndpointConfig, account_id: UUID) -> None:
    """Refuse to validate for an account whose validations keep failing.

    Raises:
        RateLimited: the answer says when to come back.
    """
    _check(_limits(config)["failures_per_account"], _FAILURES_OF, account_id, _since())


def check_name_failures(account_id: UUID, name: str) -> None:
    """Refuse to look up a persistent record with which an account failed again and again.

    Raises:
        RateLimited: the answer says when to come back.
    """
    _check(FAILURES_PER_NAME, _NAME_FAILURES_OF, account_id, name, _since())


def check_caa_refusals(times: Sequence[datetime]) -> None:
    """Refuse to look up CAA for a name that CAA refused again and again.

    Args:
        times: of the refusals, newest first.

    Raises:
        RateLimited: the answer says when to come back.
    """
    recent = [moment for moment in times if moment > _since()][:CAA_REFUSALS_PER_NAME]
    if len(recent) == CAA_REFUSALS_PER_NAME:
        what = "refusals because of CAA for one name"
        raise _rate_limited(CAA_REFUSALS_PER_NAME, recent[-1], what)


_cache: GovernanceCache[UUID, dict[str, int]] = GovernanceCache(1024)


def _limits(config: EndpointConfig) -> dict[str, int]:
    return _cache.fetch(
        config.endpoint_id,
        config.version,
        lambda _version: in_force(config.limits, pairing_of(config).profile),
    )


def _lifetime(profile: Profile) -> timedelta:
    """Return how long certificates of a profile live by default, within its policy."""
    default = defaults_of(profile).ttl or DEFAULT_TTL
    version = profile.policy.current_version
    rule = policy_selectors.rules_of(version).validity if version is not None else None
    return default if rule is None or rule.longest is None else min(default, rule.longest)


_ACCOUNTS_OF = _Counted(
    "accounts from this address",
    lambda ip, endpoint: AcmeAccount.objects.filter(created_ip=ip, endpoint_id=endpoint),
    "created_at",
    "created_at",
    (("ip", GenericIPAddressField()), ("endpoint", KEY)),
)
_ORDERS_OF = _Counted(
    "orders of this account",
    lambda account: AcmeOrder.objects.filter(account_id=account, replaces_certificate=None),
    "created_at",
    "pk",
    (("account", KEY),),
)
_ORDERS_FOR = _Counted(
    "orders for these names",
    lambda names, endpoint: AcmeOrder.objects.filter(
        identifiers_sha256=names, account__endpoint_id=endpoint
    ),
    "created_at",
    "created_at",
    (("names", TEXT), ("endpoint", KEY)),
)
_ORDERS_REPLACING = _Counted(
    "orders that replace one certificate",
    lambda certificate: AcmeOrder.objects.filter(replaces_certificate=certificate),
    "created_at",
    "created_at",
    (("certificate", KEY),),
)
_HAS_CERTIFICATE = Lookup(
    lambda names, account: (
        AcmeOrder.objects.filter(
            identifiers_sha256=names, account_id=account, certificate__isnull=False
        )
        .order_by()
        .values_list("pk")[:1]
    ),
    names=TEXT,
    account=KEY,
)
_FAILURES_OF = _Counted(
    "failed validations",
    lambda account, since: AcmeChallenge.objects.filter(
        authorization__account_id=account,
        status=ChallengeStatus.INVALID.value,
        settled_at__gt=since,
    ),
    "settled_at",
    "settled_at",
    (("account", KEY), ("since", TIME)),
)
_NAME_FAILURES_OF = _Counted(
    "failed validations of this name",
    lambda account, name, since: AcmeChallenge.objects.filter(
        authorization__account_id=account,
        authorization__identifier_value=name,
        type=ChallengeType.DNS_PERSIST_01.value,
        status=ChallengeStatus.INVALID.value,
        settled_at__gt=since,
    ),
    "settled_at",
    "settled_at",
    (("account", KEY), ("name", TEXT), ("since", TIME)),
)


@lru_cache(maxsize=64)
def _nth_newest(counted: _Counted, number: int) -> Lookup:
    """Return the query for the time of the ``number``-th newest row: one row is read, not all."""
    return Lookup(
        lambda **slots: (
            counted.rows(**slots)
            .order_by(f"-{counted.order}")
            .values_list(counted.column)[number - 1 : number]
        ),
        **dict(counted.slots),
    )


def _check(limit: int, counted: _Counted, *values: Any) -> None:
    """Refuse when ``limit`` rows were counted within the window; a limit of 0 is lifted.

    Raises:
        RateLimited: until the oldest of them leaves the window.
    """
    refusal = _excess(limit, counted, *values)
    if refusal is not None:
        raise refusal


def _excess(limit: int, counted: _Counted, *values: Any) -> RateLimited | None:
    """Return the refusal where ``limit`` rows were counted within the window."""
    if not limit:
        return None
    row = _nth_newest(counted, limit).first(*values)
    if row is None or row[0] <= _since():
        return None
    return _rate_limited(limit, row[0], counted.what)


def _excess_of_new_names(limit: int, account_id: UUID) -> RateLimited | None:
    """Return the refusal where ``limit`` orders of the account were no renewals.

    An order is a renewal where an earlier one for the same names has its certificate.
    """
    earlier = AcmeOrder.objects.filter(
        account_id=account_id,
        identifiers_sha256=OuterRef("identifiers_sha256"),
        certificate__isnull=False,
        pk__lt=OuterRef("pk"),
    )
    counted = AcmeOrder.objects.filter(
        ~Exists(earlier),
        account_id=account_id,
        replaces_certificate=None,
        # Keeps an account with very many orders from being read from its beginning.
        pk__gte=ids.lowest_at(_since() - _DAY),
        created_at__gt=_since(),
    )
    times = counted.order_by("-pk").values_list("created_at", flat=True)[limit - 1 : limit]
    return next((_rate_limited(limit, oldest, _ORDERS_OF.what) for oldest in times), None)


def _rate_limited(limit: int, oldest: datetime, what: str) -> RateLimited:
    again = oldest + WINDOW
    wait_s = max(1, int((again - clock.now()).total_seconds()) + 1)
    return RateLimited(
        wait_s,
        f"{limit} {what} within an hour is the limit. Try again after {time_text(again)}, "
        f"in {in_words(timedelta(seconds=wait_s))}.",
    )


def _since() -> datetime:
    """Return the beginning of the window."""
    return clock.now() - WINDOW
