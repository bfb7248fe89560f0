"""The dns-persist-01 challenge: a permanent TXT record grants the name to an account.

draft-ietf-acme-dns-persist-02: the record names the authority and, hashed, the account. It may
expire (``persistUntil``), and grant wildcards (``policy=wildcard``). Names below the one that has
the record are not granted here: the draft leaves that to the server (section 6).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from apps import clock
from apps.egress import Deadline, EgressError, Hop, query
from apps.enrollment.acme.problems import Type
from apps.enrollment.acme.validation import issue_value, persistent_records
from apps.enrollment.acme.validation.issue_value import Grant
from apps.enrollment.acme.validation.outcomes import Outcome, escaped, failed, unreachable
from apps.enrollment.acme.validation.targets import Target

LABEL = "_validation-persist"
_MAX_REASONS = 5
_URI, _POLICY, _UNTIL = "accounturi", "policy", "persistuntil"
_DIGEST = re.compile(rf"{persistent_records.ALGORITHM}/[A-Za-z0-9_-]{{43}}")
_NUMBER = re.compile(r"[0-9]+")
# Later than any authorization could last; Python's own calendar ends soon after.
_FOR_EVER = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """The account and name that a record has to grant.

    Attributes:
        issuers: the authority's names.
        prefixes: accepted beginnings of hashed account URIs.
        uris: the account URIs that are accepted.
        wildcard: whether a wildcard is requested.
        now: the present.
    """

    issuers: tuple[str, ...]
    prefixes: tuple[str, ...]
    uris: tuple[str, ...]
    wildcard: bool
    now: datetime


@dataclass(frozen=True, slots=True)
class RecordGrant:
    """What one record grants.

    Attributes:
        kind: error type of a record that grants nothing; ``None`` for one that does.
        reason: why it does not grant the name, in one sentence.
        until: when a grant ends, if ever.
    """

    kind: Type | None
    reason: str = ""
    until: datetime | None = None


def validate(target: Target, deadline: Deadline) -> Outcome:
    """Look the records up, following aliases; any one of them may grant the name (4.3.2)."""
    name = f"{LABEL}.{target.identifier}"
    try:
        records = query(target.dns_purpose(deadline), name, "TXT", deadline=deadline)
    except EgressError as error:
        return unreachable(error, otherwise=Type.DNS)
    values = [b"".join(record.strings) for record in records.values]
    alias = f" at {records.name}" if records.name != name else ""
    hop = Hop(f"dns:{name}?type=TXT", "", f"{len(values)} records{alias}")
    if not records.exists:
        return failed(f"{name} does not exist.", kind=Type.DNS).at(hop)
    outcome = _best_outcome(name, values, _requested(target))
    return replace(outcome, hops=(hop,), seen=tuple(escaped(value, 300) for value in values))


def read_record(value: bytes, requested: Requested) -> RecordGrant | None:
    """Return what a record grants; ``None`` for a record of another authority.

    Syntax is checked before content, so that clients learn which one is wrong (9.3.1).
    """
    text = value.decode("latin-1")
    if issue_value.issuer_of(text) not in requested.issuers:
        return None
    grant = issue_value.parse(text)
    if grant is None:
        return RecordGrant(Type.MALFORMED, "it is no issue-value of RFC 8659")
    flaw = _flaw(grant, requested.prefixes)
    if flaw:
        return RecordGrant(Type.MALFORMED, flaw)
    until = _until(grant)
    reason = _refusal(grant, until, requested)
    return RecordGrant(Type.UNAUTHORIZED if reason else None, reason, until)


def _refusal(grant: Grant, until: datetime | None, requested: Requested) -> str:
    """Return why a flawless record does not grant what is asked for; empty when it does."""
    if grant.values(_URI)[0] not in requested.uris:
        return "it is for another account, key or name"
    if until is not None and until <= requested.now:
        return "its persistUntil has passed"
    # Any other value is as good as none (4.1).
    policy = "".join(grant.values(_POLICY)).lower()
    if requested.wildcard and policy != "wildcard":
        return "it lacks policy=wildcard"
    return ""


def _flaw(grant: Grant, prefixes: Iterable[str]) -> str:
    """Return what is wrong with the parameters that are known here; others are ignored (4.1)."""
    for tag in (_URI, _POLICY, _UNTIL):
        if len(grant.values(tag)) > 1:
            return f"it has {tag} more than once"
    uris = grant.values(_URI)
    if not uris:
        return "it lacks accounturi"
    rest = next((uris[0].removeprefix(p) for p in prefixes if uris[0].startswith(p)), "")
    if not _DIGEST.fullmatch(rest):
        return f"its accounturi is no {persistent_records.ALGORITHM} URI below the endpoint's accountHashPrefix"
    if not all(_NUMBER.fullmatch(number) for number in grant.values(_UNTIL)):
        return "its persistUntil is no count of seconds"
    return ""


def _until(grant: Grant) -> datetime | None:
    """Return when a well-formed record ends; ``None`` for never, or later than matters."""
    for number in grant.values(_UNTIL):
        digits = number.lstrip("0") or "0"
        if len(digits) < len(str(int(_FOR_EVER.timestamp()))):
            return datetime.fromtimestamp(int(digits), UTC)
    return None


def _best_outcome(name: str, values: Sequence[bytes], requested: Requested) -> Outcome:
    """Return the grant that lasts longest, or why there is none."""
    grants = [found for value in values if (found := read_record(value, requested)) is not None]
    granted = [found for found in grants if found.kind is None]
    if granted:
        longest = max(granted, key=lambda found: found.until or _FOR_EVER)
        return Outcome(proven=True, good_until=longest.until)
    if not grants:
        text = f"None of {len(values)} TXT records at {name} names this authority."
        return failed(text, kind=Type.UNAUTHORIZED)
    kinds = {found.kind for found in grants}
    reasons = list(dict.fromkeys(found.reason for found in grants))[:_MAX_REASONS]
    kind = Type.MALFORMED if kinds == {Type.MALFORMED} else Type.UNAUTHORIZED
    return failed(f"The record at {name} grants nothing: {', '.join(reasons)}.", kind=kind)


def _requested(target: Target) -> Requested:
    uris = persistent_records.accepted_uris(
        target.bases,
        target.identifier,
        (target.thumbprint, *target.former_thumbprints),
        target.account_path,
    )
    return Requested(
        issuers=target.issuers,
        prefixes=tuple(map(persistent_records.hash_prefix, target.bases)),
        uris=tuple(uris),
        wildcard=target.wildcard,
        now=clock.now(),
    )
