"""Validity of a new certificate, from what was asked for, the profile's default and the policy.

A lifetime or a date that was asked for is granted as it is or left to the policy to refuse. Only
what nobody asked for is adjusted: the profile's default, and the lifetime that a renewal copies.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from apps.policies.rules import ValidityRule
from apps.profiles.requested_content import (
    DEFAULT_TTL,
    Defaults,
    IssuerLimits,
    RequestedContent,
)
from pki.durations import in_words
from pki.findings import Note, Violation
from pki.validity import DEFAULT_BACKDATE, NO_EXPIRY, validity_window

MAX_BACKDATE = timedelta(hours=1)
MAX_AHEAD = timedelta(days=30)
MAX_TTL = timedelta(days=36_500)
# Both ends are inclusive: with less they would be the same second.
_MIN_TTL = timedelta(seconds=2)
# Backdating takes at most 1/12 of a short lifetime.
_BACKDATE_PART = 12
_ONE_SECOND = timedelta(seconds=1)
# Clients compute an end from a clock of their own, which may be ahead of ours by this much.
_CLOCK_DIFFERENCE = timedelta(seconds=60)


@dataclass(slots=True)
class Validity:
    """A validity with what was found on the way.

    Attributes:
        not_before: aware UTC, whole seconds.
        not_after: aware UTC, whole seconds, inclusive.
        violations: what cannot be; the dates are then stand-ins.
        notes: adjustments.
    """

    not_before: datetime
    not_after: datetime
    violations: list[Violation] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def validity(
    requested: RequestedContent,
    defaults: Defaults,
    issuer: IssuerLimits,
    bounds: ValidityRule | None,
    now: datetime,
) -> Validity:
    """Return both ends of the validity, within that of the issuer (X-06).

    Args:
        requested: its lifetime or dates; without ``fill_in`` the lifetime is a predecessor's.
        defaults: of the profile.
        issuer: its validity limits both ends.
        bounds: of the policy; ``None`` without.
        now: aware UTC, whole seconds.
    """
    violations: list[Violation] = []
    notes: list[Note] = []
    ttl = _ttl(requested, defaults, bounds, violations, notes)
    if requested.not_before is None and requested.not_after is None:
        begin, end = validity_window(
            now,
            ttl,
            issuer_not_after=None,
            issuer_not_before=issuer.not_before,
            backdate=_backdate(ttl),
        )
    else:
        begin, end = _dates(requested, ttl, bounds, now, violations)
    found = Validity(begin, end, violations, notes)
    _keep_within_issuer(found, requested, issuer, now, _exceeds(found, requested, bounds))
    return found


def _exceeds(found: Validity, requested: RequestedContent, bounds: ValidityRule | None) -> bool:
    """Tell whether the policy refuses a lifetime that was asked for as too long."""
    asked = requested.not_after is not None or (requested.ttl is not None and requested.fill_in)
    if not asked or bounds is None or bounds.longest is None:
        return False
    return found.not_after - found.not_before + _ONE_SECOND > bounds.longest  # both ends


def adjusted_lifetime(ttl: timedelta, bounds: ValidityRule | None) -> timedelta:
    """Return the lifetime within a policy's bounds that is nearest to ``ttl``."""
    if bounds is None:
        return ttl
    if bounds.longest is not None and ttl > bounds.longest:
        return bounds.longest
    if bounds.shortest is not None and ttl < bounds.shortest:
        return bounds.shortest
    return ttl


def _backdate(lifetime: timedelta) -> timedelta:
    """Return the usual five minutes, but less for a short lifetime."""
    return min(DEFAULT_BACKDATE, timedelta(seconds=lifetime // _ONE_SECOND // _BACKDATE_PART))


def _ttl(
    requested: RequestedContent,
    defaults: Defaults,
    bounds: ValidityRule | None,
    violations: list[Violation],
    notes: list[Note],
) -> timedelta:
    """Return the lifetime asked for, else the profile's default within the policy's bounds."""
    ttl = defaults.ttl or DEFAULT_TTL if requested.ttl is None else requested.ttl
    if requested.ttl is not None and (
        requested.not_before is not None or requested.not_after is not None
    ):
        violations.append(
            _wrong(
                "ttl_and_dates",
                "ttl",
                in_words(ttl),
                "A lifetime and dates cannot both be given.",
                "Send either ttl, or not_before and not_after.",
            )
        )
    if not _MIN_TTL <= ttl <= MAX_TTL:
        violations.append(
            _wrong(
                "ttl_out_of_range",
                "ttl",
                in_words(ttl),
                "No certificate has such a lifetime.",
                f"2 seconds to {in_words(MAX_TTL)}.",
            )
        )
        return DEFAULT_TTL
    if requested.ttl is not None and requested.fill_in:
        return ttl
    granted = adjusted_lifetime(ttl, bounds)
    if granted != ttl and requested.not_after is None:
        notes.append(_adjusted(ttl, granted, renewed=not requested.fill_in))
    return granted


def _adjusted(ttl: timedelta, granted: timedelta, *, renewed: bool) -> Note:
    """Return the note on a lifetime that nobody asked for and that the policy does not allow."""
    longer = granted > ttl
    whose = "that of the certificate before" if renewed else "the profile's default"
    bound = f"at least {in_words(granted)}" if longer else f"at most {in_words(granted)}"
    return Note(
        f"request.lifetime_{'lengthened' if longer else 'shortened'}",
        f"The lifetime is {in_words(granted)} instead of {whose}, {in_words(ttl)}.",
        f"The policy allows {bound}.",
    )


def _dates(
    requested: RequestedContent,
    ttl: timedelta,
    bounds: ValidityRule | None,
    now: datetime,
    violations: list[Violation],
) -> tuple[datetime, datetime]:
    """Return the requested dates; a missing one is derived from the other and the lifetime."""
    if requested.not_before is None:
        assert requested.not_after is not None
        end = _end(requested.not_after, now, ttl, now, violations)
        return _start_for(end, bounds, now), end
    begin = requested.not_before.replace(microsecond=0)
    if not now - MAX_BACKDATE <= begin <= now + MAX_AHEAD:
        violations.append(
            _wrong(
                "not_before_out_of_range",
                "not_before",
                begin.isoformat(),
                "The start lies too far from now.",
                f"From {in_words(MAX_BACKDATE)} ago to {in_words(MAX_AHEAD)} ahead.",
            )
        )
        begin = now - _backdate(ttl)
    if requested.not_after is None:
        return begin, (begin + ttl - _ONE_SECOND).replace(microsecond=0)
    end = _end(requested.not_after, begin, ttl, now, violations)
    if bounds is not None and end - begin == bounds.longest:
        # A period of exactly the maximum has one second more, because its last second counts
        # . Nobody means that second.
        begin += _ONE_SECOND
    return begin, end


def _end(
    wanted: datetime,
    begin: datetime,
    ttl: timedelta,
    now: datetime,
    violations: list[Violation],
) -> datetime:
    """Return a requested end; a stand-in with a violation when it is over, or never comes."""
    end = wanted.replace(microsecond=0)
    if now < end <= NO_EXPIRY:
        return end
    violations.append(
        _wrong(
            "not_after_out_of_range",
            "not_after",
            end.isoformat(),
            "The end is in the past.",
            f"Later than {now.isoformat()}.",
        )
    )
    return (begin + ttl - _ONE_SECOND).replace(microsecond=0)


def _start_for(end: datetime, bounds: ValidityRule | None, now: datetime) -> datetime:
    """Return the start for a requested end: backdated as far as the policy's maximum leaves room.

    So a duration of exactly the maximum is granted, and the certificate is still not valid for a
    second longer than that. A start some seconds ahead is that of a client whose clock is ahead.
    """
    usual = now - _backdate(end - now)
    if bounds is None or bounds.longest is None:
        return usual
    earliest = end - bounds.longest + _ONE_SECOND  # the last second counts
    if earliest > now + _CLOCK_DIFFERENCE:
        # Asked for too much: the policy says so of the duration that was asked for.
        return now + _ONE_SECOND
    return max(usual, earliest)


def _keep_within_issuer(
    found: Validity,
    requested: RequestedContent,
    issuer: IssuerLimits,
    now: datetime,
    refused: bool,
) -> None:
    """Cut a validity to that of the issuer's certificate, with a note.

    One that the policy refuses (``refused``) stays, so that the refusal tells what was asked for.
    """
    begin, end = issuer.not_before, issuer.not_after
    if end is not None and end <= now:
        found.violations.append(
            _wrong(
                "issuer_expired",
                "not_after",
                end.isoformat(),
                "The authority's own certificate has expired.",
                "Renew the authority.",
            )
        )
        return
    if end is not None and found.not_after > end and not refused:
        found.not_after = end
        found.notes.append(
            Note(
                "request.validity_cut",
                f"The end was cut to that of the authority, {end.isoformat()}.",
                "No certificate outlasts its issuer's.",
            )
        )
    if begin is None or found.not_before >= begin:
        return
    if begin >= found.not_after:
        found.violations.append(
            _wrong(
                "issuer_not_valid_yet",
                "not_after",
                found.not_after.isoformat(),
                "The authority's own certificate begins later.",
                f"Later than {begin.isoformat()}.",
            )
        )
        return
    found.not_before = begin
    if requested.not_before is not None:  # otherwise it was only our own backdating
        found.notes.append(
            Note(
                "request.start_moved",
                f"The start was moved to that of the authority, {begin.isoformat()}.",
                "No certificate begins before its issuer's.",
            )
        )


def _wrong(code: str, path: str, value: str, reason: str, hint: str) -> Violation:
    return Violation(f"request.{code}", path, value[:200], reason, hint)
