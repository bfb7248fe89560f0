"""One world for all calls of a test: made once, and every call undone."""

import logging
from collections.abc import Iterator

import pytest
from django.conf import settings

from apps.web import throttle
from tests.protocol.wall.calls import Caller
from tests.protocol.wall.world import World, build


@pytest.fixture
def world(db: None, keyring: None) -> World:
    """Both teams and every role."""
    return build()


@pytest.fixture
def call(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Caller]:
    """Calls as any role, as often as it likes."""
    unlimited = settings.SEALWRIGHT | {"API_RATE_PER_MINUTE": 0}
    monkeypatch.setattr(settings, "SEALWRIGHT", unlimited)
    throttle.calls.clear()
    # A line for each of many thousand refusals costs more than the refusals.
    logging.disable(logging.CRITICAL)
    yield Caller(world.headers)
    logging.disable(logging.NOTSET)
