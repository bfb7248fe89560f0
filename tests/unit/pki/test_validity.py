"""Validity windows."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pki.validity import NO_EXPIRY, validity_window

NOW = datetime(2026, 11, 23, 12, 0, 0, 987654, tzinfo=UTC)
FAR = datetime(2050, 1, 1, tzinfo=UTC)


def test_x06_both_ends_count_and_backdating_is_taken_out_of_the_lifetime():
    begin, end = validity_window(NOW, timedelta(days=1), issuer_not_after=FAR)

    assert begin == datetime(2026, 11, 23, 11, 55, 0, tzinfo=UTC)
    assert end - begin + timedelta(seconds=1) == timedelta(days=1)


def test_x06_the_end_is_cut_to_the_issuer():
    issuer_end = NOW + timedelta(hours=3)
    _, end = validity_window(NOW, timedelta(days=90), issuer_not_after=issuer_end)
    assert end == issuer_end.replace(microsecond=0)


def test_a_self_signed_window_has_no_issuer_to_be_cut_to():
    _, end = validity_window(NOW, timedelta(days=9), issuer_not_after=None)
    assert end == datetime(2026, 12, 2, 11, 54, 59, tzinfo=UTC)


def test_x05_a_window_never_goes_beyond_the_last_date():
    for days in (3_000_000, 999_999_999):
        _, end = validity_window(NOW, timedelta(days=days), issuer_not_after=None)
        assert end == NO_EXPIRY


@pytest.mark.parametrize(
    ("now", "lifetime", "issuer_end"),
    [
        (NOW.replace(tzinfo=None), timedelta(days=1), FAR),
        (NOW, timedelta(minutes=5), FAR),
        (NOW, timedelta(days=1), NOW - timedelta(seconds=2)),
    ],
)
def test_windows_that_cannot_be_are_refused(now, lifetime, issuer_end):
    with pytest.raises(ValueError):
        validity_window(now, lifetime, issuer_not_after=issuer_end)


@given(
    now=st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1)),  # noqa: DTZ001 - zone comes next
    hours=st.integers(-12, 12),
    lifetime=st.timedeltas(timedelta(minutes=6), timedelta(days=40000)),
)
def test_x06_windows_are_whole_utc_seconds_around_now(now, hours, lifetime):
    aware = now.replace(tzinfo=timezone(timedelta(hours=hours)))
    begin, end = validity_window(aware, lifetime, issuer_not_after=None)

    assert begin.tzinfo is UTC
    assert begin.microsecond == end.microsecond == 0
    assert begin <= aware
    assert end - begin + timedelta(seconds=1) <= lifetime


def test_a_start_is_moved_to_that_of_the_issuer_and_keeps_the_lifetime():
    for age in (timedelta(0), timedelta(seconds=90), timedelta(minutes=5), timedelta(days=1)):
        now = NOW.replace(microsecond=0)
        issuer_begin = now - age
        begin, end = validity_window(
            NOW, timedelta(days=1), issuer_not_after=FAR, issuer_not_before=issuer_begin
        )
        assert begin == max(issuer_begin, now - timedelta(minutes=5))
        assert end - begin == timedelta(days=1, seconds=-1)
