"""The dns-01 and dns-account-01 challenges: a TXT record with a digest (RFC 8555 section 8.4).

dns-account-01 (draft-ietf-acme-dns-account-label) differs in the label only: it depends on the
account, so that several accounts can prove one name side by side.
"""

import hashlib
import hmac
from base64 import b32encode

from apps.egress import Deadline, EgressError, Hop, Records, query
from apps.enrollment.acme.problems import Type
from apps.enrollment.acme.states import ChallengeType
from apps.enrollment.acme.validation.outcomes import Outcome, escaped, failed, unreachable
from apps.enrollment.acme.validation.targets import Target

_LABEL = "_acme-challenge"
_ACCOUNT_DIGEST_BYTES = 10


def validate(target: Target, deadline: Deadline) -> Outcome:
    """Look the records up, following aliases; any one of them may match."""
    outcomes: list[Outcome] = []
    for name in record_names(target):
        outcomes.append(_asked(target, name, deadline))
        if outcomes[-1].proven:
            return outcomes[-1]
    return outcomes[0]


def record_names(target: Target) -> tuple[str, ...]:
    """Return where the record may be; for a wildcard, at the name below the star.

    The label of dns-account-01 depends on the account's URL, which a client that registered under
    a former origin still knows as it was then: the likeliest comes first.
    """
    if target.challenge_type == ChallengeType.DNS_ACCOUNT_01:
        labels = (account_label(url) for url in target.account_urls)
        return tuple(f"{label}.{_LABEL}.{target.identifier}" for label in labels)
    return (f"{_LABEL}.{target.identifier}",)


def _asked(target: Target, name: str, deadline: Deadline) -> Outcome:
    try:
        records = query(target.dns_purpose(deadline), name, "TXT", deadline=deadline)
    except EgressError as error:
        return unreachable(error, otherwise=Type.DNS)
    return _judged(target, name, records).at(_hop(name, records))


def account_label(account_url: str) -> str:
    """Return the label of an account: the first 10 bytes of SHA-256 of its URL in base32."""
    digest = hashlib.sha256(account_url.encode()).digest()[:_ACCOUNT_DIGEST_BYTES]
    return f"_{b32encode(digest).decode().lower()}"


def _judged(target: Target, name: str, records: Records) -> Outcome:
    values = [b"".join(record.strings) for record in records.values]
    seen = tuple(escaped(value) for value in values)
    if any(hmac.compare_digest(value, target.digest_text) for value in values):
        return Outcome(proven=True, seen=seen)
    if not records.exists:
        return failed(f"{name} does not exist.", kind=Type.DNS)
    if not values:
        return failed(f"{name} has no TXT record.")
    return failed(f"None of {len(values)} TXT records at {name} has the expected value.", seen=seen)


def _hop(name: str, records: Records) -> Hop:
    """Note the question, and the alias through which it was answered."""
    alias = f" at {records.name}" if records.name != name else ""
    return Hop(f"dns:{name}?type=TXT", "", f"{len(records.values)} records{alias}")
