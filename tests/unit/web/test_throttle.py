"""Token buckets let through what a minute allows, and no more."""

import pytest
from django.conf import settings as project

from apps.web import throttle
from apps.web.throttle import Buckets


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1000.0

    monkeypatch.setattr(throttle.time, "monotonic", lambda: Clock.now)
    return Clock


@pytest.fixture
def buckets(settings):
    settings.SEALWRIGHT = project.SEALWRIGHT | {"TESTED_PER_MINUTE": 60}
    return Buckets("TESTED_PER_MINUTE")


def test_a_burst_of_a_minute_passes_and_then_one_a_second(buckets, clock):
    assert [buckets.take("a") for _ in range(60)] == [0.0] * 60
    assert buckets.take("a") == pytest.approx(1.0)
    clock.now += 0.5
    assert buckets.take("a") == pytest.approx(0.5)
    clock.now += 0.5
    assert buckets.take("a") == 0.0
    assert buckets.take("a") == pytest.approx(1.0)


def test_a_bucket_never_holds_more_than_a_minute(buckets, clock):
    buckets.take("a")
    clock.now += 86_400
    assert [buckets.take("a") for _ in range(60)] == [0.0] * 60
    assert buckets.take("a") > 0


def test_keys_do_not_share(buckets, clock):
    while buckets.take("a") == 0:
        pass
    assert buckets.take("b") == 0.0


def test_memory_is_bounded_and_the_busiest_are_remembered(buckets, clock, monkeypatch):
    monkeypatch.setattr(throttle, "MAX_BUCKETS", 10)
    while buckets.take("busy") == 0:
        pass
    for number in range(100):
        buckets.take(str(number))
        assert buckets.take("busy") > 0
    assert len(buckets) <= 10
