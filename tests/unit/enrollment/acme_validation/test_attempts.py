from base64 import urlsafe_b64encode
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from apps import clock, registry
from apps.audit.models import AuditEvent
from apps.egress import Deadline
from apps.enrollment.acme.models import (
    AcmeAccount,
    AcmeAuthorization,
    AcmeChallenge,
    AcmeEndpoint,
    AcmeOrder,
    AcmeOrderAuthorization,
)
from apps.enrollment.acme.validation import attempts, targets
from apps.jobs import runner
from apps.jobs.models import Job, JobState
from apps.jobs.services import enqueue
from tests.factories.servers import page

from .conftest import THUMBPRINT

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(attempts, "PAUSES_S", (0, 0, 0))


@pytest.fixture
def endpoint(team, web, names):
    return AcmeEndpoint.objects.create(
        pairing=team.pairing,
        http_port=web.port,
        tls_port=web.port,
        resolvers=[names.address],
        allowed_networks=["127.0.0.0/8"],
    )


@pytest.fixture
def challenge(endpoint):
    """An order for one name whose http-01 challenge was answered."""

    def make(kind="http-01", *, identifier="a.test", identifier_type="dns", wildcard=False):
        thumbprint = urlsafe_b64encode(uuid4().bytes * 2).decode()[:43]
        account = AcmeAccount.objects.create(endpoint=endpoint, thumbprint=thumbprint, jwk={})
        later = clock.now() + timedelta(hours=1)
        authorization = AcmeAuthorization.objects.create(
            account=account,
            identifier_type=identifier_type,
            identifier_value=identifier,
            wildcard=wildcard,
            expires_at=later,
        )
        order = AcmeOrder.objects.create(
            account=account,
            identifiers=[{"type": identifier_type, "value": identifier}],
            identifiers_sha256="0" * 64,
            expires_at=later,
        )
        AcmeOrderAuthorization.objects.create(order=order, authorization=authorization)
        return AcmeChallenge.objects.create(
            authorization=authorization, type=kind, status="processing", started_at=clock.now()
        )

    return make


@pytest.fixture
def answer(web):
    """Put the right answer in place."""

    def place(row: AcmeChallenge):
        text = f"{row.token}.{row.authorization.account.thumbprint}\n"
        web.pages[f"/.well-known/acme-challenge/{row.token}"] = page(text.encode())

    return place


def statuses(row: AcmeChallenge) -> tuple[str, str, str]:
    row.refresh_from_db()
    authorization = AcmeAuthorization.objects.get(pk=row.authorization_id)
    return row.status, authorization.status, authorization.orders.get().status


def test_proof_settles_challenge_authorization_and_order(challenge, answer):
    row = challenge()
    answer(row)
    assert attempts.attempt(row.pk)
    assert statuses(row) == ("valid", "valid", "ready")
    assert row.error is None
    assert row.attempts[0]["proven"] is True
    assert row.attempts[0]["hops"][0]["address"] == "127.0.0.1"


def test_a23_failed_attempt_is_kept_and_the_client_sees_the_error(challenge):
    row = challenge()
    assert not attempts.attempt(row.pk)
    assert statuses(row) == ("processing", "pending", "pending")
    assert row.error["type"].endswith(":incorrectResponse")
    assert "404" in row.error["detail"]


def test_a23_last_failure_ends_challenge_authorization_and_order(challenge):
    row = challenge()
    assert attempts.attempt(row.pk, last=True)
    assert statuses(row) == ("invalid", "invalid", "invalid")
    assert AcmeOrder.objects.get().error["type"].endswith(":incorrectResponse")


def test_attempts_tell_exactly_what_happened(challenge, web, frozen_clock):
    row = challenge()
    web.pages[f"/.well-known/acme-challenge/{row.token}"] = page(b"<b>wrong</b>")
    attempts.attempt(row.pk, by="request")
    row.refresh_from_db()
    url = f"http://a.test:{web.port}/.well-known/acme-challenge/{row.token}"
    assert row.attempts == [
        {
            "at": clock.now().isoformat(),
            "by": "request",
            "type": "http-01",
            "identifier": "a.test",
            "proven": False,
            "error": "incorrectResponse",
            "detail": f"{url} did not answer with the key authorization.",
            "hops": [{"url": url, "address": "127.0.0.1", "outcome": "200"}],
            "seen": ["<b>wrong</b>"],
        }
    ]


def test_refused_address_is_settled_at_once_and_audited(challenge, names):
    names.host("bad.test", "169.254.169.254")
    row = challenge(identifier="bad.test")
    assert attempts.attempt(row.pk)
    assert statuses(row) == ("invalid", "invalid", "invalid")
    assert "not allowed" in row.error["detail"]
    event = AuditEvent.objects.get(event="acme.validation_failed")
    assert event.actor == "system:validation"


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("http-01", {"wildcard": True}),
        ("tls-alpn-01", {"wildcard": True}),
        ("dns-01", {"identifier_type": "ip", "identifier": "127.0.0.1"}),
        ("dns-account-01", {"identifier_type": "ip", "identifier": "127.0.0.1"}),
    ],
)
def test_a20_a30_type_that_cannot_prove_the_identifier_never_does(
    challenge, answer, names, kind, changes
):
    row = challenge(kind, **changes)
    answer(row)
    assert attempts.attempt(row.pk)
    assert statuses(row)[0] == "invalid"
    assert names.asked == []


@pytest.mark.parametrize("status", ["valid", "invalid", "pending"])
def test_settled_or_unanswered_challenges_are_left_alone(challenge, web, status):
    row = challenge()
    AcmeChallenge.objects.filter(pk=row.pk).update(status=status)
    assert attempts.attempt(row.pk)
    assert web.requests == []
    assert statuses(row)[0] == status


def test_given_up_authorization_is_left_alone(challenge, web):
    row = challenge()
    AcmeAuthorization.objects.update(status="deactivated")
    assert attempts.attempt(row.pk)
    assert attempts.attempt(UUID(int=0))
    assert web.requests == []


def test_caa_is_asked_after_the_proof(challenge, answer, names, endpoint):
    AcmeEndpoint.objects.update(check_caa=True, caa_identities=["ca.test"])
    names.records["a.test", "CAA"] = ['0 issue "other.test"']
    row = challenge()
    answer(row)
    assert attempts.attempt(row.pk)
    assert statuses(row)[0] == "invalid"
    assert row.error["type"].endswith(":caa")
    assert [hop["url"] for hop in row.attempts[0]["hops"]][1] == "dns:a.test?type=CAA"


def test_b08_account_in_caa_is_the_url_that_the_client_knows(
    challenge, answer, names, endpoint, settings
):
    AcmeEndpoint.objects.update(check_caa=True, caa_identities=["ca.test"])
    row = challenge()
    answer(row)
    pairing = endpoint.pairing
    former = "https://old.test:8443"
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"FORMER_PUBLIC_URLS": (former,)}
    path = (
        f"/acme/{pairing.application.name}/{pairing.profile.name}"
        f"/acct/{row.authorization.account.url_id}"
    )
    urls = (f"{settings.SEALWRIGHT['PUBLIC_URL']}{path}", f"{former}{path}")
    assert targets.load(row.pk).account_urls == urls
    target = targets.load(row.pk)
    for url in (*urls, f"https://other.test{path}"):
        names.records["a.test", "CAA"] = [f'0 issue "ca.test; accounturi={url}"']
        assert attempts.validate(target, Deadline(5)).proven == (url in urls)
    names.records["a.test", "CAA"] = [f'0 issue "ca.test; accounturi={urls[1]}"']
    assert attempts.attempt(row.pk)
    assert statuses(row)[0] == "valid"


def test_worker_tries_again_and_succeeds_when_the_answer_comes(challenge, answer, monkeypatch):
    row = challenge()
    seen = []

    def patient(pause_s):
        seen.append(pause_s)
        if len(seen) == 2:
            answer(row)

    monkeypatch.setattr(attempts.time, "sleep", patient)
    assert attempts.run(challenge=str(row.pk)) == "decided at attempt 2"
    assert statuses(row) == ("valid", "valid", "ready")
    assert [item["proven"] for item in row.attempts] == [False, True]


def test_worker_gives_a_verdict_after_its_last_attempt(challenge):
    row = challenge()
    assert attempts.run(challenge=str(row.pk)) == "decided at attempt 3"
    assert statuses(row) == ("invalid", "invalid", "invalid")
    assert len(row.attempts) == 3
    assert attempts.run(challenge=str(row.pk)) == "decided at attempt 1"
    row.refresh_from_db()
    assert len(row.attempts) == 3


def test_job_kind_is_registered_and_runs(challenge, answer):
    row = challenge()
    answer(row)
    assert registry.job_kinds["acme.validate"].lease > timedelta(
        seconds=len(attempts.PAUSES_S) * 2 * targets.TOTAL_S
    )
    job = enqueue(attempts.JOB, {"challenge": str(row.pk)}, idempotency_key=str(row.pk))
    runner.run_job(job.pk)
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED
    assert statuses(row)[0] == "valid"


@pytest.fixture
def inline(settings):
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"ACME_INLINE_VALIDATION_MS": 1500}


def test_the_request_validates_a_ready_challenge_without_the_worker(challenge, answer, inline):
    row = challenge()
    answer(row)
    enqueue(attempts.JOB, {}, idempotency_key=str(row.pk), delay=timedelta(seconds=30))
    assert attempts.validate_inline(row).status == "valid"
    assert statuses(row)[0] == "valid"
    assert not Job.objects.filter(kind="acme.validate").exists()


def test_the_request_leaves_a_challenge_that_is_not_ready_to_the_worker(challenge, inline):
    row = challenge()
    assert attempts.validate_inline(row).status == "processing"
    assert Job.objects.get(kind="acme.validate").arguments == {"challenge": str(row.pk)}
    row.refresh_from_db()
    assert row.attempts[0]["by"] == "request"


def test_slow_servers_hold_up_few_requests(challenge, answer, inline):
    row = challenge()
    answer(row)
    assert attempts.inline_slots.acquire(blocking=False)
    assert attempts.inline_slots.acquire(blocking=False)
    try:
        assert attempts.validate_inline(row).status == "processing"
    finally:
        attempts.inline_slots.release()
        attempts.inline_slots.release()
    assert Job.objects.filter(kind="acme.validate").count() == 1
    assert statuses(row)[0] == "processing"


def test_inline_validation_can_be_turned_off(challenge, answer, web):
    row = challenge()
    answer(row)
    assert attempts.validate_inline(row).status == "processing"
    assert web.requests == []


def test_key_authorization_binds_the_account(challenge, web):
    row = challenge()
    web.pages[f"/.well-known/acme-challenge/{row.token}"] = page(
        f"{row.token}.{THUMBPRINT}".encode()
    )
    attempts.attempt(row.pk, last=True)
    assert statuses(row)[0] == "invalid"
