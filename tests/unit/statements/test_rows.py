"""Is a row made the short way what Django's constructor would have made?"""

from uuid import uuid4

import pytest

from apps.certificates.models import Certificate, CertificateRequest
from apps.policies.models import Policy, PolicyVersion
from apps.statements.rows import fresh

pytestmark = pytest.mark.django_db


def test_columns_defaults_and_relations_are_the_same():
    policy = Policy.objects.create(name="web")
    columns = {"id": uuid4(), "number": 3, "rules": {"a": 1}, "created_by": "tests"}
    long, short = (
        PolicyVersion(policy=policy, **columns),
        fresh(PolicyVersion, related={"policy": policy}, **columns),
    )
    assert short.__dict__.keys() == long.__dict__.keys()
    ours, theirs = ({**row.__dict__} for row in (short, long))
    for values in (ours, theirs):
        del values["_state"], values["created_at"]
    assert ours == theirs
    assert short.policy is policy
    assert short._state.adding
    short.save()
    assert PolicyVersion.objects.get() == short


def test_mutable_defaults_are_not_shared():
    first, second = (fresh(CertificateRequest, related={}) for _ in range(2))
    assert first.violations == []
    assert first.violations is not second.violations
    assert first.pk != second.pk


def test_a_relation_may_be_nothing(django_assert_num_queries):
    row = fresh(Certificate, related={"application": None})
    with django_assert_num_queries(0):
        assert row.application is None
        assert row.application_id is None


def test_a_column_that_is_none_is_refused():
    with pytest.raises(TypeError, match="colour"):
        fresh(Policy, related={}, colour="red")
