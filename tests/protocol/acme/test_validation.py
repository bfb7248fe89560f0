"""Tests of whole orders against servers on loopback."""

import json
from collections.abc import Iterator

import pytest

from apps import registry
from apps.enrollment.acme import method
from apps.enrollment.acme.models import AcmeEndpoint
from apps.enrollment.acme.validation import attempts
from apps.jobs import runner
from apps.jobs.models import Job
from tests.factories import servers

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def validate_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the real validator here."""
    monkeypatch.setattr(attempts, "PAUSES_S", (0, 0))


@pytest.fixture
def names() -> Iterator[servers.NameServer]:
    with servers.name_server() as server:
        server.host("www.example.com", "127.0.0.1")
        yield server


@pytest.fixture
def web(names: servers.NameServer, open_endpoint: AcmeEndpoint) -> Iterator[servers.WebServer]:
    with servers.web_server() as server:
        AcmeEndpoint.objects.update(
            http_port=server.port, resolvers=[names.address], allowed_networks=["127.0.0.0/8"]
        )
        yield server


@pytest.fixture
def inline(settings) -> None:
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"ACME_INLINE_VALIDATION_MS": 1500}


def challenge_of(client, order, type_="http-01"):
    authz = client.post(order["authorizations"][0]).json()
    return next(item for item in authz["challenges"] if item["type"] == type_)


def put(web, challenge, thumbprint):
    web.pages[f"/.well-known/acme-challenge/{challenge['token']}"] = servers.page(
        f"{challenge['token']}.{thumbprint}".encode()
    )


def thumbprint_of(open_endpoint):
    return open_endpoint.accounts.get().thumbprint


def test_ready_client_is_validated_within_its_own_request(client, open_endpoint, web, inline):
    order = client.order("www.example.com").json()
    challenge = challenge_of(client, order)
    put(web, challenge, thumbprint_of(open_endpoint))
    answer = client.post(challenge["url"], {})
    assert answer.json()["status"] == "valid"
    assert answer.json()["validated"]
    assert "Retry-After" not in answer
    assert client.post(order["finalize"].removesuffix("/finalize")).json()["status"] == "ready"
    assert not Job.objects.filter(kind="acme.validate").exists()


def test_a23_late_client_is_told_the_error_and_helped_by_the_worker(
    client, open_endpoint, web, inline
):
    order = client.order("www.example.com").json()
    challenge = challenge_of(client, order)
    answer = client.post(challenge["url"], {})
    assert answer.json()["status"] == "processing"
    assert answer.json()["error"]["type"].endswith(":incorrectResponse")
    assert answer["Retry-After"]
    put(web, challenge, thumbprint_of(open_endpoint))
    runner.run_job(Job.objects.get(kind="acme.validate").pk)
    assert client.post(challenge["url"]).json()["status"] == "valid"


def test_client_that_answers_again_is_tried_again_at_once(client, open_endpoint, web, inline):
    """RFC 8555 section 8.2: clients can ask for a retry by sending their response anew."""
    order = client.order("www.example.com").json()
    challenge = challenge_of(client, order)
    client.post(challenge["url"], {})
    put(web, challenge, thumbprint_of(open_endpoint))
    assert client.post(challenge["url"], {}).json()["status"] == "valid"


def test_reading_a_challenge_does_not_validate_it(client, open_endpoint, web, inline):
    order = client.order("www.example.com").json()
    challenge = challenge_of(client, order)
    assert client.post(challenge["url"]).json()["status"] == "pending"
    assert web.requests == []


def test_a23_client_without_an_answer_gets_a_verdict_with_the_reason(client, web):
    order = client.order("www.example.com").json()
    challenge = challenge_of(client, order)
    assert client.post(challenge["url"], {}).json()["status"] == "processing"
    runner.run_job(Job.objects.get(kind="acme.validate").pk)
    failed = client.post(order["finalize"].removesuffix("/finalize")).json()
    assert failed["status"] == "invalid"
    problem = failed["error"]["subproblems"][0]
    assert problem["identifier"] == {"type": "dns", "value": "www.example.com"}
    assert "404" in problem["detail"]
    assert "nothing here" not in json.dumps(failed)


def test_the_job_kind_is_known():
    assert registry.job_kinds[attempts.JOB].run is attempts.run
    with pytest.raises(ValueError, match="registered twice"):
        method.register()
