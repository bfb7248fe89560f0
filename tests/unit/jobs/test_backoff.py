"""Tests of the pauses between attempts."""

from datetime import timedelta

import pytest

from apps.jobs.runner import delay_after


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 10), (2, 20), (3, 40), (9, 2560)])
def test_pause_doubles_with_each_attempt(attempts, seconds):
    assert delay_after(attempts, roll=0.5) == timedelta(seconds=seconds)


def test_pause_never_exceeds_an_hour_and_a_half():
    assert delay_after(10_000, roll=1.0) == timedelta(hours=1.5)


def test_jitter_spreads_jobs_that_failed_together():
    assert delay_after(1, roll=0.0) == timedelta(seconds=5)
    assert delay_after(1, roll=1.0) == timedelta(seconds=15)
