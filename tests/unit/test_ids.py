"""Tests of identifiers and stable model labels."""

import uuid

import pytest

from apps import ids
from apps.jobs.models import Job
from apps.keys.models import Key
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


def test_a_moved_model_keeps_its_first_label():
    assert ids.label_of(Key) == ids.label_of(Key()) == "authorities.Key"
    assert ids.label_of(Job) == "jobs.Job"
