"""Parsing and formatting of durations."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.policies.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("45s", timedelta(seconds=45)),
        ("30m", timedelta(minutes=30)),
        ("12h", timedelta(hours=12)),
        ("90d", timedelta(days=90)),
        ("2w", timedelta(days=14)),
        ("6mo", timedelta(days=180)),
        ("2y", timedelta(days=730)),
        ("100y", timedelta(days=36_500)),
    ],
)
def test_duration_is_a_number_and_a_unit(text, expected):
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "90",
        "d",
        "-1d",
        "+1d",
        "1.5h",
        "1d12h",
        " 90d",
        "90d\n",
        "90 d",
        "90D",
        "٩d",
        "0s",
        "0d",
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["101y", "36501d", "999999999y", "1" * 400 + "d"])
def test_more_than_a_century_is_refused_without_overflow(text):
    with pytest.raises(ValueError):
        parse_duration(text)


@given(st.integers(min_value=1, max_value=36_500 * 86_400))
def test_format_is_read_back_exactly(seconds):
    duration = timedelta(seconds=seconds)
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(("text", "canonical"), [("24h", "1d"), ("1y", "365d"), ("90m", "90m")])
def test_canonical_form_uses_the_largest_exact_unit(text, canonical):
    assert format_duration(parse_duration(text)) == canonical
