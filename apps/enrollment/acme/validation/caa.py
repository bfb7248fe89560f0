"""CAA records: whether the domain allows issuance (RFC 8659; RFC 8657 for account and method).

``refusal_of`` is pure; ``check`` climbs the tree. A failed look-up never allows issuance: only an
answer that says there are no records does.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from apps.egress import Deadline, EgressError, Hop, Records, query
from apps.enrollment.acme.problems import Type
from apps.enrollment.acme.validation.issue_value import Grant, parse
from apps.enrollment.acme.validation.outcomes import Outcome, escaped, unreachable
from apps.enrollment.acme.validation.targets import Target

_CRITICAL = 0x80
_ISSUE, _ISSUE_WILD = "issue", "issuewild"
# RFC 8659, RFC 9495, CA/Browser Forum contact properties, RFC 8657 has parameters only.
_KNOWN = frozenset({_ISSUE, _ISSUE_WILD, "iodef", "issuemail", "contactemail", "contactphone"})
_METHODS = re.compile(r"[A-Za-z0-9-]+(?:,[A-Za-z0-9-]+)*")


@dataclass(frozen=True, slots=True)
class Property:
    """One CAA record: flags, tag in lower case, value as text."""

    flags: int
    tag: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Requester:
    """The authority, account and method that a record set has to allow.

    Attributes:
        identities: the authority's names in CAA records.
        account_urls: of the client's account, also at former origins.
        method: validation method, such as ``dns-01``.
        wildcard: whether the name is a wildcard.
    """

    identities: tuple[str, ...]
    account_urls: tuple[str, ...]
    method: str
    wildcard: bool


# Answers by name, failures too: names of one order have their upper tree in common.
Known = dict[str, Records | EgressError]


def check(target: Target, deadline: Deadline, known: Known | None = None) -> Outcome:
    """Evaluate the CAA record set of the name; IP addresses have none.

    Args:
        target: the name and the account.
        deadline: for all look-ups together.
        known: recent answers by name; added to.
    """
    proven = Outcome(proven=True)
    if target.caa_identities is None or target.identifier_type != "dns":
        return proven
    requester = Requester(
        identities=target.caa_identities,
        account_urls=target.account_urls,
        method=target.challenge_type,
        wildcard=target.wildcard,
    )
    labels = target.identifier.split(".")
    hops: list[Hop] = []
    for start in range(len(labels)):
        name = ".".join(labels[start:])
        try:
            found = _look_up(target, name, deadline, {} if known is None else known)
        except EgressError as error:
            return unreachable(error, otherwise=Type.DNS).at(*hops)
        hops.append(Hop(f"dns:{name}?type=CAA", "", f"{len(found.values)} records"))
        if found.values:
            records = [_property(item) for item in found.values]
            reason = refusal_of(records, requester)
            seen = tuple(f"{item.flags} {item.tag} {escaped(item.value)}" for item in records)
            return Outcome(
                proven=not reason,
                kind=Type.CAA,
                detail=f"{name}: {reason}" if reason else "",
                again=False,
                hops=tuple(hops),
                seen=seen,
            )
    return proven.at(*hops)


def refusal_of(records: Sequence[Property], requester: Requester) -> str:
    """Return why a record set forbids issuing; empty when it does not."""
    unknown = [r.tag for r in records if r.flags & _CRITICAL and r.tag not in _KNOWN]
    if unknown:
        return f"CAA has the critical property '{escaped(unknown[0], 40)}', which is unknown here."
    # RFC 8659 section 4.3: issuewild alone governs wildcards where there is any.
    wild = [r for r in records if r.tag == _ISSUE_WILD] if requester.wildcard else []
    relevant = wild or [r for r in records if r.tag == _ISSUE]
    if not relevant:
        return ""
    grants = [grant for r in relevant if (grant := parse(r.value)) is not None]
    identities = {identity.lower().rstrip(".") for identity in requester.identities}
    named = [grant for grant in grants if grant.domain in identities]
    if not named:
        return "CAA does not name this authority."
    if not any(_satisfied(grant, requester) for grant in named):
        return "CAA names this authority, but not for this account or validation method."
    return ""


def _look_up(target: Target, name: str, deadline: Deadline, known: Known) -> Records:
    """Ask once for each name.

    Raises:
        EgressError: no usable answer, now or before.
    """
    if name not in known:
        try:
            known[name] = query(target.dns_purpose(deadline), name, "CAA", deadline=deadline)
        except EgressError as error:
            known[name] = error
    found = known[name]
    if isinstance(found, EgressError):
        raise found
    return found


def _satisfied(grant: Grant, requester: Requester) -> bool:
    """Evaluate the parameters of RFC 8657; each may occur once, others are ignored."""
    for name, allowed in (
        ("accounturi", lambda value: value in requester.account_urls),
        (
            "validationmethods",
            lambda value: bool(_METHODS.fullmatch(value)) and requester.method in value.split(","),
        ),
    ):
        values = grant.values(name)
        if len(values) > 1 or (values and not allowed(values[0])):
            return False
    return True


def _property(item: object) -> Property:
    """Take a dnspython CAA record apart."""
    tag: bytes = item.tag  # type: ignore[attr-defined]
    value: bytes = item.value  # type: ignore[attr-defined]
    return Property(
        item.flags,  # type: ignore[attr-defined]
        tag.decode("latin-1").lower(),
        value.decode("latin-1"),
    )
