"""RSA keys are made few at a time; callers beyond that are told when to come back."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from apps import costly
from apps.errors import Busy
from apps.keys import generation
from pki import keys
from pki.algorithms import KeyAlgorithm, key_algorithm_of


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
def test_every_algorithm_is_made(algorithm):
    made = generation.generate(algorithm)
    assert key_algorithm_of(made.public_key()) == algorithm
    assert generation.is_slow(algorithm) == algorithm.value.startswith("rsa-")


@pytest.fixture
def counted(monkeypatch):
    """Keys whose making lasts until it is let go; how many are being made, and were at most."""
    lock, go = threading.Lock(), threading.Event()
    made = {"now": 0, "most": 0, "begun": threading.Event(), "go": go}
    original = keys.generate_private_key

    def slow(algorithm):
        with lock:
            made["now"] += 1
            made["most"] = max(made["most"], made["now"])
        made["begun"].set()
        assert go.wait(30)
        with lock:
            made["now"] -= 1
        return original(KeyAlgorithm.EC_P256)

    monkeypatch.setattr(keys, "generate_private_key", slow)
    return made


def outcome(algorithm=KeyAlgorithm.RSA_4096):
    try:
        return generation.generate(algorithm)
    except Busy as error:
        return error


def test_of_many_callers_few_wait_and_fewer_work(counted, settings):
    waiting = max(1, settings.SEALWRIGHT["THREADS"] // 2)
    with ThreadPoolExecutor(16) as pool:
        first = pool.submit(outcome)
        assert counted["begun"].wait(30)
        others = [pool.submit(outcome) for _ in range(15)]
        # Everybody who finds no room to wait is answered at once, while the first is at work.
        refused = [one for one in others if _done(one, others, 16 - waiting)]
        assert len(refused) == 16 - waiting
        assert all(isinstance(one.result(), Busy) for one in refused)
        counted["go"].set()
        assert not isinstance(first.result(), Busy)
    assert counted["most"] <= costly.SLOTS
    assert not isinstance(outcome(), Busy)


def _done(one, others, expected):
    """Tell whether a call has ended, once as many as expected have."""
    pause = threading.Event()
    for _ in range(600):
        if sum(other.done() for other in others) >= expected:
            break
        pause.wait(0.05)
    return one.done()


def test_other_algorithms_never_wait(counted):
    counted["go"].set()
    for _ in range(10):
        assert not isinstance(outcome(KeyAlgorithm.ED25519), Busy)
