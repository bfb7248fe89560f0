"""Tests of orders that are processing, with approvals and crashes."""

from datetime import timedelta

import pytest

from apps import clock
from apps.applications.roles import Role
from apps.certificates import approvals, sweeps
from apps.certificates.models import Certificate, CertificateRequest, RequestState
from apps.enrollment.acme.models import AcmeOrder
from apps.errors import PolicyViolation, UpstreamUnavailable
from apps.policies import services as policy_services
from tests.factories.keys import make_csr
from tests.protocol.acme.client import kind

pytestmark = pytest.mark.django_db


@pytest.fixture
def held(team, trusted):
    """An order that waits for approval: its URL and its request."""
    team.pairing.requires_approval = True
    team.pairing.save()
    order = trusted.order("www.example.com")
    answer = trusted.finalize(order.json(), make_csr("www.example.com"))
    assert answer.status_code == 200, answer.content
    assert answer.json()["status"] == "processing"
    assert int(answer["Retry-After"]) > 0
    return order["Location"], CertificateRequest.objects.get()


def read(client, url):
    answer = client.post(url)
    assert answer.status_code == 200
    return answer


def test_it_waits_as_long_as_the_gate_is_closed(trusted, held):
    url, request = held
    for _ in range(3):
        answer = read(trusted, url)
        assert answer.json()["status"] == "processing"
        assert answer["Retry-After"] == "60"
        assert "certificate" not in answer.json()
    order = AcmeOrder.objects.get()
    assert order.certificate_request == request
    assert request.pk == order.pk


def test_it_becomes_valid_when_somebody_approves(trusted, held, team):
    url, request = held
    approvals.approve(team.principal(Role.ADMIN), request)
    order = read(trusted, url).json()
    assert order["status"] == "valid"
    assert trusted.post(order["certificate"]).status_code == 200
    assert AcmeOrder.objects.get().certificate == Certificate.objects.get()


def test_it_becomes_invalid_with_the_reason_when_somebody_denies(trusted, held, team):
    url, request = held
    approvals.deny(team.principal(Role.ADMIN), request, comment="Ask the platform team first.")
    order = read(trusted, url).json()
    assert order["status"] == "invalid"
    assert order["error"]["type"].endswith(":unauthorized")
    assert "Ask the platform team first." in order["error"]["detail"]


def test_it_becomes_invalid_with_all_reasons_when_the_policy_was_tightened(
    trusted, held, team, sealwright
):
    url, request = held
    rules = team.profile.policy.current_version.rules | {"key_algorithms": ["rsa-3072"]}
    policy_services.update_policy(sealwright, team.profile.policy, rules=rules)
    with pytest.raises(PolicyViolation):
        approvals.approve(team.principal(Role.ADMIN), request)
    order = read(trusted, url).json()
    assert order["status"] == "invalid"
    assert "ec-p256" in order["error"]["detail"]


@pytest.mark.parametrize(
    "state", [RequestState.FAILED, RequestState.CANCELLED, RequestState.EXPIRED]
)
def test_it_becomes_invalid_however_the_request_ends(trusted, held, state):
    url, request = held
    CertificateRequest.objects.filter(pk=request.pk).update(state=state, failure="the reason")
    order = read(trusted, url).json()
    assert order["status"] == "invalid"
    assert "the reason" in order["error"]["detail"]


@pytest.mark.parametrize("state", [RequestState.APPROVED, RequestState.SUBMITTED])
def test_it_waits_for_external_authorities_alike(trusted, held, state):
    url, request = held
    CertificateRequest.objects.filter(pk=request.pk).update(state=state)
    answer = read(trusted, url)
    assert answer.json()["status"] == "processing"
    assert answer["Retry-After"]


def test_finalizing_again_meanwhile_is_not_ready(trusted, held):
    url, _ = held
    answer = trusted.post(f"{url}/finalize", {"csr": "AA"})
    assert kind(answer) == "orderNotReady"
    assert CertificateRequest.objects.count() == 1


def test_the_client_cannot_approve_its_own_request(trusted, held):
    from apps.errors import AccessDenied, NotFound
    from apps.principals import Principal

    _, request = held
    order = AcmeOrder.objects.select_related("account__endpoint__pairing").get()
    pairing = order.account.endpoint.pairing
    principal = Principal(
        kind="acme",
        id=str(order.account_id),
        label="x",
        application_id=pairing.application_id,
        pairing_id=pairing.pk,
    )
    with pytest.raises((AccessDenied, NotFound)):
        approvals.approve(principal, request)


def test_a_key_backend_that_does_not_answer_leaves_the_order_processing(trusted, monkeypatch):
    from apps.authorities import signing

    def unavailable(*_):
        raise UpstreamUnavailable

    order = trusted.order("www.example.com")
    with monkeypatch.context() as broken:
        broken.setattr(signing, "sign_tbs", unavailable)
        answer = trusted.finalize(order.json(), make_csr("www.example.com"))
    assert answer.status_code == 200
    assert answer.json()["status"] == "processing"
    assert answer["Retry-After"] == "5"

    CertificateRequest.objects.update(signing_since=clock.now() - timedelta(minutes=5))
    sweeps.reconcile()
    assert read(trusted, order["Location"]).json()["status"] == "valid"


def test_a_crash_after_signing_stores_nothing_and_the_reconciler_ends_it(trusted, monkeypatch):
    """The order becomes valid in the very commit that stores its certificate."""
    from apps.enrollment.acme.services import orders

    order = trusted.order("www.example.com")
    with monkeypatch.context() as broken:
        broken.setattr(orders, "mark_valid", lambda *_: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            trusted.finalize(order.json(), make_csr("www.example.com"))
    assert AcmeOrder.objects.get().status == "ready"
    assert CertificateRequest.objects.get().state == "signing"
    assert Certificate.objects.count() == 0

    again = trusted.finalize(order.json(), make_csr("www.example.com"))
    assert kind(again) == "orderNotReady"
    CertificateRequest.objects.update(signing_since=clock.now() - timedelta(minutes=5))
    sweeps.reconcile()
    assert read(trusted, order["Location"]).json()["status"] == "valid"
    assert Certificate.objects.count() == 1


def test_an_order_that_a_reader_moves_during_the_signature_is_completed(trusted, monkeypatch):
    from apps.authorities import signing

    order = trusted.order("www.example.com")
    signed = signing.sign_tbs

    def slowly(*arguments):
        assert read(trusted, order["Location"]).json()["status"] == "processing"
        return signed(*arguments)

    monkeypatch.setattr(signing, "sign_tbs", slowly)
    trusted.finalize(order.json(), make_csr("www.example.com"))
    assert AcmeOrder.objects.get().status == "valid"
    shown = read(trusted, order["Location"]).json()
    assert shown["status"] == "valid"
    assert trusted.post(shown["certificate"]).status_code == 200
