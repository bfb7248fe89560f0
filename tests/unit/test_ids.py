"""Identifiers are UUIDv7 (RFC 9562), unique and in order."""

import uuid

import pytest

from apps import ids
from apps.web import trace


def test_identifiers_are_of_version_7_and_rise():
    made = [ids.uuid7() for _ in range(5000)]
    assert all((one.version, one.variant) == (7, uuid.RFC_4122) for one in made)
    assert made == sorted(made)
    assert len(set(made)) == 5000


@pytest.mark.parametrize("wanted", ["", "no uuid"])
def test_requests_without_a_name_of_their_own_get_a_random_uuid(wanted):
    names = []
    for _ in range(100):
        token = trace.begin(wanted)
        names.append(trace.current())
        trace.end(token)
    read = [uuid.UUID(name) for name in names]
    assert [str(one) for one in read] == names
    assert {(one.version, one.variant) for one in read} == {(4, uuid.RFC_4122)}
    assert len(set(names)) == 100
