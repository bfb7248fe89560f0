"""Real requests over the rate limits get 429 with Retry-After."""

import pytest
from django.conf import settings as project

from apps.applications import services
from apps.principals import Scope
from apps.web import throttle
from tests.factories.accounts import make_person, principal_for
from tests.protocol.api.conftest import Caller, code_of, token_of

pytestmark = pytest.mark.django_db
JUNK = Caller("swt_" + "0" * 64)


@pytest.fixture(autouse=True)
def full_buckets():
    throttle.calls.clear()
    throttle.failures.clear()
    yield
    throttle.calls.clear()
    throttle.failures.clear()


@pytest.fixture
def limit(settings):
    def set_to(**limits: int) -> None:
        settings.SEALWRIGHT = project.SEALWRIGHT | limits

    return set_to


def test_calls_beyond_the_limit_are_429(limit, stranger):
    limit(API_RATE_PER_MINUTE=3)
    assert [stranger.get("applications/").status_code for _ in range(3)] == [200] * 3
    refused = stranger.get("applications/")
    assert code_of(refused, 429) == "rate_limited"
    assert 1 <= int(refused["Retry-After"]) <= 20
    assert refused["Cache-Control"] == "no-store"


def test_a_refused_call_does_nothing(limit, governor):
    limit(API_RATE_PER_MINUTE=1)
    assert governor.post("applications/", {"name": "one"}).status_code == 201
    assert code_of(governor.post("applications/", {"name": "two"}), 429) == "rate_limited"
    limit(API_RATE_PER_MINUTE=0)
    assert [row["name"] for row in governor.rows("applications/")] == ["one"]


def test_the_limit_is_one_account_s_whatever_the_token(limit, db):
    limit(API_RATE_PER_MINUTE=2)
    nina, omar = make_person("nina"), make_person("omar")
    first, second, other = Caller(token_of(nina)), Caller(token_of(nina)), Caller(token_of(omar))
    assert first.get("applications/").status_code == 200
    assert second.get("applications/").status_code == 200
    assert code_of(first.get("applications/"), 429) == "rate_limited"
    assert other.get("applications/").status_code == 200


def test_zero_switches_the_limit_off(limit, stranger):
    limit(API_RATE_PER_MINUTE=0)
    assert {stranger.get("applications/").status_code for _ in range(20)} == {200}


def test_bad_tokens_are_429_after_a_while_and_good_ones_are_not(limit, stranger, caplog):
    limit(AUTH_FAILURES_PER_MINUTE=3)
    assert [JUNK.get("applications/").status_code for _ in range(3)] == [401] * 3
    refused = JUNK.get("applications/")
    assert code_of(refused, 429) == "rate_limited"
    assert 1 <= int(refused["Retry-After"]) <= 20
    assert sum("token refused" in record.message for record in caplog.records) == 3
    assert stranger.get("applications/").status_code == 200


def test_revoked_tokens_count_as_bad_ones(limit, stranger, db):
    limit(AUTH_FAILURES_PER_MINUTE=1)
    person = make_person("nina")
    ended = Caller(token_of(person, Scope.READ))
    services.revoke_token(principal_for(person), person.auth_token_set.get())
    assert code_of(ended.get("applications/"), 401) == "authentication_failed"
    assert code_of(ended.get("applications/"), 429) == "rate_limited"
