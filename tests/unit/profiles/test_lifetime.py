"""Validity of new certificates: what was asked for, the default, the policy and the issuer."""

from dataclasses import replace
from datetime import timedelta

import pytest

from apps.policies.evaluation import evaluate, violations_of
from apps.policies.rules import parse_rules
from apps.profiles.defaults import parse_defaults
from apps.profiles.requested_content import DEFAULT_TTL, Defaults, RequestedContent
from pki.durations import in_words
from tests.unit.profiles.shapes import ISSUER, NOW, SECOND, faults, shaped


def lifetime(leaf):
    return leaf.not_after - leaf.not_before + SECOND


def test_x06_the_lifetime_counts_both_ends_and_includes_backdating():
    leaf = shaped(RequestedContent(ttl=timedelta(days=30))).leaf
    assert lifetime(leaf) == timedelta(days=30)
    assert leaf.not_before == NOW - timedelta(minutes=5)


@pytest.mark.parametrize("seconds", [2, 11, 60, 3600])
def test_short_lifetimes_are_backdated_by_a_part_only(seconds):
    leaf = shaped(RequestedContent(ttl=timedelta(seconds=seconds))).leaf
    assert lifetime(leaf) == timedelta(seconds=seconds)
    assert leaf.not_after > NOW
    assert NOW - leaf.not_before <= timedelta(seconds=seconds) / 12


def test_the_profile_gives_the_lifetime_else_ninety_days():
    assert lifetime(shaped(defaults=parse_defaults({"ttl": "7d"})).leaf) == timedelta(days=7)
    assert lifetime(shaped(defaults=Defaults()).leaf) == DEFAULT_TTL == timedelta(days=90)


def test_x06_the_end_is_cut_to_that_of_the_issuer_and_noted():
    issuer = replace(ISSUER, not_after=NOW + timedelta(days=3))
    outcome = shaped(issuer=issuer)
    assert outcome.leaf.not_after == issuer.not_after
    assert outcome.violations == ()
    assert issuer.not_after.isoformat() in outcome.notes[-1].what


def test_a_self_signed_leaf_has_no_issuer_to_be_cut_to():
    assert lifetime(shaped(issuer=replace(ISSUER, not_after=None)).leaf) == timedelta(days=90)


def test_an_expired_issuer_is_reported():
    outcome = shaped(issuer=replace(ISSUER, not_after=NOW))
    assert faults(outcome) == [("request.issuer_expired", "not_after")]


def test_dates_are_taken_as_given():
    requested = RequestedContent(
        not_before=NOW + timedelta(days=1), not_after=NOW + timedelta(days=2)
    )
    leaf = shaped(requested).leaf
    assert (leaf.not_before, leaf.not_after) == (requested.not_before, requested.not_after)


def test_one_date_is_completed():
    start = shaped(RequestedContent(not_before=NOW + timedelta(days=1))).leaf
    assert lifetime(start) == timedelta(days=90)
    end = shaped(RequestedContent(not_after=NOW + timedelta(days=1))).leaf
    assert end.not_before == NOW - timedelta(minutes=5)


@pytest.mark.parametrize(
    ("requested", "fault"),
    [
        (
            RequestedContent(ttl=timedelta(days=1), not_after=NOW + timedelta(days=1)),
            ("request.ttl_and_dates", "ttl"),
        ),
        (
            RequestedContent(ttl=timedelta(days=1), not_before=NOW),
            ("request.ttl_and_dates", "ttl"),
        ),
        (RequestedContent(ttl=timedelta(0)), ("request.ttl_out_of_range", "ttl")),
        (RequestedContent(ttl=timedelta(days=-1)), ("request.ttl_out_of_range", "ttl")),
        (RequestedContent(ttl=timedelta.max), ("request.ttl_out_of_range", "ttl")),
        (
            RequestedContent(not_before=NOW - timedelta(hours=1, seconds=1)),
            ("request.not_before_out_of_range", "not_before"),
        ),
        (
            RequestedContent(not_before=NOW + timedelta(days=30, seconds=1)),
            ("request.not_before_out_of_range", "not_before"),
        ),
        (RequestedContent(not_after=NOW), ("request.not_after_out_of_range", "not_after")),
    ],
)
def test_times_that_cannot_be_are_reported(requested, fault):
    outcome = shaped(requested)
    assert fault in faults(outcome)
    assert outcome.leaf.not_before < outcome.leaf.not_after


def within(longest=None, shortest=None):
    bounds = {"max": longest, "min": shortest}
    return parse_rules({"validity": {name: text for name, text in bounds.items() if text}})


def granted(outcome, rules):
    """Return the lifetime if neither the content nor the policy has anything against it."""
    found = (*outcome.violations, *violations_of(evaluate(rules, outcome.leaf)))
    assert [violation.code for violation in found] == []
    return lifetime(outcome.leaf)


@pytest.mark.parametrize("elapsed", [-3, 0, 1, 30, 3600])
@pytest.mark.parametrize("days", [1, 30, 90])
def test_an_end_up_to_the_maximum_from_now_is_granted_and_nothing_longer(days, elapsed):
    """``elapsed``: seconds since the client added the duration to its clock, which may be ahead."""
    rules = within("90d")
    end = NOW + timedelta(days=days, seconds=-elapsed)
    outcome = shaped(RequestedContent(not_after=end), rules=rules)
    assert granted(outcome, rules) <= timedelta(days=90)
    assert outcome.leaf.not_after == end
    assert outcome.leaf.not_before <= NOW + timedelta(seconds=4)
    if days < 90:
        assert outcome.leaf.not_before == NOW - timedelta(minutes=5)


def test_a_period_of_exactly_the_maximum_is_granted():
    rules = within("90d")
    for start in (NOW - timedelta(minutes=1), NOW, NOW + timedelta(days=3)):
        requested = RequestedContent(not_before=start, not_after=start + timedelta(days=90))
        outcome = shaped(requested, rules=rules)
        assert granted(outcome, rules) == timedelta(days=90)
        assert outcome.leaf.not_after == requested.not_after


@pytest.mark.parametrize(
    "requested",
    [
        RequestedContent(ttl=timedelta(days=91)),
        RequestedContent(not_after=NOW + timedelta(days=91)),
        RequestedContent(not_before=NOW, not_after=NOW + timedelta(days=91)),
    ],
)
def test_more_than_the_maximum_is_refused_in_the_words_of_the_requester(requested):
    rules = within("90d")
    (violation,) = violations_of(evaluate(rules, shaped(requested, rules=rules).leaf))
    assert violation.code == "policy.validity_too_long"
    assert "91 days" in violation.reason
    assert violation.hint == "At most 90 days."


def test_backdating_follows_the_lifetime_granted():
    leaf = shaped(RequestedContent(not_after=NOW + timedelta(minutes=10))).leaf
    assert lifetime(leaf) <= timedelta(minutes=11)
    assert leaf.not_before < NOW


@pytest.mark.parametrize(
    ("default", "rules", "expected"),
    [
        ("365d", within("90d"), timedelta(days=90)),
        ("1h", within(None, "7d"), timedelta(days=7)),
        ("1h", within("90d", "7d"), timedelta(days=7)),
        (None, within("30d"), timedelta(days=30)),
    ],
)
@pytest.mark.parametrize("renewal", [False, True])
def test_a_lifetime_that_nobody_asked_for_is_moved_into_the_bounds(
    default, rules, expected, renewal
):
    defaults = parse_defaults({"ttl": default} if default else {})
    requested = RequestedContent()
    if renewal:
        requested = RequestedContent(ttl=defaults.ttl or DEFAULT_TTL, fill_in=False)
    outcome = shaped(requested, defaults=defaults, rules=rules)
    assert granted(outcome, rules) == expected
    (note,) = outcome.notes
    assert in_words(expected) in note.what
    start_only = RequestedContent(not_before=NOW + timedelta(days=1))
    assert granted(shaped(start_only, defaults=defaults, rules=rules), rules) == expected


def test_a_lifetime_that_was_asked_for_is_granted_without_a_note_on_the_default():
    outcome = shaped(
        RequestedContent(ttl=timedelta(days=1)),
        defaults=parse_defaults({"ttl": "365d"}),
        rules=within("90d"),
    )
    assert (lifetime(outcome.leaf), outcome.notes) == (timedelta(days=1), ())


_FRESH = replace(ISSUER, not_before=NOW - timedelta(seconds=10))


@pytest.mark.parametrize(
    "requested",
    [
        RequestedContent(),
        RequestedContent(ttl=timedelta(days=2)),
        RequestedContent(not_after=NOW + timedelta(days=2)),
        RequestedContent(not_before=NOW - timedelta(minutes=30)),
        RequestedContent(not_before=NOW - timedelta(minutes=30), not_after=NOW + timedelta(days=2)),
    ],
)
def test_nothing_begins_before_its_issuer(requested):
    outcome = shaped(requested, issuer=_FRESH)
    assert outcome.violations == ()
    assert outcome.leaf.not_before == _FRESH.not_before
    told = [note.code for note in outcome.notes]
    assert told == (["request.start_moved"] if requested.not_before else [])
    if requested.not_after is None:
        asked = requested.ttl or timedelta(days=90)
        assert lifetime(outcome.leaf) <= asked


def test_an_issuer_that_begins_after_the_end_is_reported():
    issuer = replace(ISSUER, not_before=NOW + timedelta(days=9))
    outcome = shaped(RequestedContent(not_after=NOW + timedelta(days=2)), issuer=issuer)
    assert faults(outcome) == [("request.issuer_not_valid_yet", "not_after")]
