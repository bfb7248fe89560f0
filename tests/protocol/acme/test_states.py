"""Tests of the state transitions (RFC 8555 section 7.1.6)."""

import random
from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from apps.enrollment.acme import states
from apps.enrollment.acme.states import ACCOUNT, AUTHORIZATION, CHALLENGE, ORDER
from apps.errors import InvalidTransition


@dataclass(eq=False)
class Thing:
    """Something with a status that remembers where it has been."""

    status: str = "pending"

    def __post_init__(self):
        self.path = [self.status]

    def __setattr__(self, name, value):
        if name == "status" and "path" in self.__dict__:
            self.path.append(value)
        super().__setattr__(name, value)


def assert_legal(thing, table):
    for before, after in zip(thing.path, thing.path[1:], strict=False):
        assert after in table[before], f"{before} -> {after}"


def transitions_of(table):
    return {(origin, to) for origin, targets in table.items() for to in targets}


def test_a17_the_tables_are_those_of_rfc_8555_section_7_1_6():
    assert transitions_of(ORDER) == {
        ("pending", "ready"),
        ("pending", "invalid"),
        ("ready", "processing"),
        ("ready", "invalid"),
        ("processing", "valid"),
        ("processing", "invalid"),
    }
    assert transitions_of(CHALLENGE) == {
        ("pending", "processing"),
        ("processing", "valid"),
        ("processing", "invalid"),
    }
    ends = {"deactivated", "expired", "revoked"}
    assert transitions_of(AUTHORIZATION) == {
        *(("pending", to) for to in {"valid", "invalid", *ends}),
        *(("valid", to) for to in ends),
    }
    assert transitions_of(ACCOUNT) == {("valid", "deactivated"), ("valid", "revoked")}


@pytest.mark.parametrize("table", [ACCOUNT, AUTHORIZATION, CHALLENGE, ORDER])
def test_a17_no_other_move_is_possible(table):
    for before in table:
        for after in table:
            thing = Thing(before)
            if after in table[before]:
                states.transition(thing, after, table)
                assert thing.status == after
            else:
                with pytest.raises(InvalidTransition):
                    states.transition(thing, after, table)
                assert thing.status == before


def test_a17_an_order_without_authorizations_to_wait_for_is_ready():
    assert states.order_status_for([]) == "ready"
    assert states.order_status_for(["valid", "valid"]) == "ready"
    assert states.order_status_for(["valid", "pending"]) == "pending"
    for lost in ("invalid", "deactivated", "expired", "revoked"):
        assert states.order_status_for(["valid", "pending", lost]) == "invalid"


class World:
    """Authorizations with challenges, and orders that share them; acts on them at random."""

    def __init__(self, dice):
        self.dice = dice
        self.authorizations = [Thing() for _ in range(dice.randint(1, 4))]
        self.challenges = {a: [Thing() for _ in range(3)] for a in self.authorizations}
        self.orders = {
            Thing(): dice.sample(self.authorizations, dice.randint(1, len(self.authorizations)))
            for _ in range(dice.randint(1, 4))
        }

    def attempt(self, thing, to, table):
        with suppress(InvalidTransition):
            states.transition(thing, to, table)

    def settle(self, authorization, challenge, proven):
        orders = [
            (order, [a.status for a in needed if a is not authorization])
            for order, needed in self.orders.items()
            if authorization in needed and order.status in {"pending", "ready"}
        ]
        states.apply_validation(challenge, authorization, orders, proven=proven)

    def act(self):
        dice = self.dice
        authorization = dice.choice(self.authorizations)
        challenge = dice.choice(self.challenges[authorization])
        order = dice.choice(list(self.orders))
        match dice.randrange(5):
            case 0:
                self.attempt(challenge, "processing", CHALLENGE)
            case 1 | 2:
                self.settle(authorization, challenge, dice.random() < 0.7)
            case 3:
                self.attempt(authorization, dice.choice(list(AUTHORIZATION)), AUTHORIZATION)
            case 4:
                self.attempt(order, dice.choice(["processing", "valid", "invalid"]), ORDER)

    def check(self):
        for authorization, challenges in self.challenges.items():
            assert_legal(authorization, AUTHORIZATION)
            for challenge in challenges:
                assert_legal(challenge, CHALLENGE)
        for order, needed in self.orders.items():
            assert_legal(order, ORDER)
            if "ready" in order.path:
                assert all("valid" in a.path for a in needed)


def test_a17_five_thousand_random_sequences_leave_no_table():
    for seed in range(5000):
        world = World(random.Random(seed))
        for _ in range(30):
            world.act()
        world.check()


class Life(RuleBasedStateMachine):
    """The same, led by hypothesis, which shrinks what it finds."""

    @initialize(seed=st.integers(0, 2**16))
    def begin(self, seed):
        self.world = World(random.Random(seed))

    @rule(n=st.integers(0, 3), m=st.integers(0, 2))
    def start(self, n, m):
        authorization = self.world.authorizations[n % len(self.world.authorizations)]
        self.world.attempt(self.world.challenges[authorization][m], "processing", CHALLENGE)

    @rule(n=st.integers(0, 3), m=st.integers(0, 2), proven=st.booleans())
    def settle(self, n, m, proven):
        authorization = self.world.authorizations[n % len(self.world.authorizations)]
        challenge = self.world.challenges[authorization][m]
        before = challenge.status
        self.world.settle(authorization, challenge, proven)
        assert before in (challenge.status, "processing")

    @rule(n=st.integers(0, 3), to=st.sampled_from(sorted(AUTHORIZATION)))
    def end(self, n, to):
        thing = self.world.authorizations[n % len(self.world.authorizations)]
        self.world.attempt(thing, to, AUTHORIZATION)

    @precondition(lambda self: any(o.status == "ready" for o in self.world.orders))
    @rule(to=st.sampled_from(["valid", "invalid"]))
    def finalize(self, to):
        order = next(o for o in self.world.orders if o.status == "ready")
        states.transition(order, "processing", ORDER)
        states.transition(order, to, ORDER)

    @invariant()
    def legal(self):
        if hasattr(self, "world"):
            self.world.check()


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestLife = Life.TestCase
