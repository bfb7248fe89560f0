"""Durations read as people say them."""

from datetime import timedelta

import pytest

from pki.durations import in_words


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (timedelta(0), "0 seconds"),
        (timedelta(seconds=1), "1 second"),
        (timedelta(minutes=15), "15 minutes"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(hours=36), "1 day 12 hours"),
        (timedelta(days=90), "90 days"),
        (timedelta(days=90, seconds=-1), "89 days 23 hours 59 minutes 59 seconds"),
        (timedelta(days=36_500), "36500 days"),
        (timedelta(minutes=-5), "minus 5 minutes"),
    ],
)
def test_a_duration_reads_as_people_say_it(duration, words):
    assert in_words(duration) == words
