"""Many requests in one call have the outcomes that single calls would have."""

import base64
import json
from datetime import timedelta

import pytest
from cryptography import x509

from apps import clock
from apps.applications.models import Pairing
from apps.audit.models import AuditEvent
from apps.authorities import signing as authority_signing
from apps.authorities.models import IssuedSerial
from apps.certificates import issuance, states, sweeps
from apps.certificates.models import Certificate, CertificateRequest, IdempotentCall
from apps.errors import UpstreamUnavailable
from apps.principals import Scope
from apps.web import throttle
from tests.factories.applications import Team, make_machine, make_token
from tests.factories.keys import make_csr
from tests.protocol.api.conftest import Caller, bare, code_of, fields_of
from tests.served import Client

pytestmark = pytest.mark.django_db
ONE, MANY = "certificate-requests/", "certificate-requests/bulk/"


@pytest.fixture
def machine(team: Team):
    return make_machine(team.application)


@pytest.fixture
def caller(machine, keyring) -> Caller:
    return Caller(make_token(machine))


def csr(name: str) -> dict[str, str]:
    return {"csr": base64.b64encode(make_csr(name)).decode()}


def call(team: Team, *items: object) -> dict[str, object]:
    return {
        "application": team.application.name,
        "profile": team.profile.name,
        "requests": list(items),
    }


def names(count: int) -> list[str]:
    return [f"h{number}.example.com" for number in range(count)]


def test_each_gets_its_certificate_in_the_order_sent(team, caller):
    answer = caller.post(MANY, call(team, *map(csr, names(5))))
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert (body["issued"], body["pending"], body["refused"]) == (5, 0, 0)
    for name, result in zip(names(5), body["results"], strict=True):
        assert result["status"] == 201
        assert result["problem"] is None
        found = x509.load_pem_x509_certificate(result["request"]["certificate"]["pem"].encode())
        san = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert san.get_values_for_type(x509.DNSName) == [name]
    assert IssuedSerial.objects.filter(authority=team.authority).count() == 5
    assert set(CertificateRequest.objects.values_list("state", flat=True)) == {"issued"}
    events = AuditEvent.objects.filter(event__in=["request.approved", "certificate.issued"])
    assert events.count() == 10


def test_a_hundred_are_issued_by_one_call(team, caller):
    assert (
        caller.post(MANY, call(team, *map(csr, names(issuance.MAX_ENROLLMENTS)))).status_code == 200
    )
    assert Certificate.objects.count() == issuance.MAX_ENROLLMENTS


def test_a_result_is_what_a_single_call_answers(team, caller):
    alone = caller.post(ONE, call(team) | csr("one.example.com") | {"requests": None})
    assert alone.status_code == 400
    alone = caller.post(ONE, {k: v for k, v in call(team).items() if k != "requests"} | csr("a.b"))
    together = caller.post(MANY, call(team, csr("a.b"))).json()["results"][0]
    assert together["status"] == alone.status_code
    shown = together["request"] or together["problem"]
    assert shown.keys() == alone.json().keys()


def test_a_refusal_stops_none_of_the_others_and_says_everything(team, caller):
    answer = caller.post(
        MANY,
        call(
            team,
            csr("good.example.com"),
            csr("bad.elsewhere.test") | {"ttl": "9000d"},
            {"csr": base64.b64encode(b"\x30\x00").decode()},
            {"csr": 7, "nonsense": 1, "ttl": "soon"},
            "no object",
            csr("also-good.example.com") | {"ttl": "1d"},
        ),
    )
    body = answer.json()
    assert (body["issued"], body["refused"]) == (2, 4)
    statuses = [result["status"] for result in body["results"]]
    assert statuses == [201, 422, 400, 400, 400, 201]
    refused = body["results"][1]["problem"]
    assert refused["code"] == "policy_violation"
    assert "policy.validity_too_long" in {error["code"] for error in refused["errors"]}
    kept = CertificateRequest.objects.get(pk=refused["request_id"])
    assert len(kept.violations) == len(refused["errors"])
    assert {error["field"] for error in body["results"][3]["problem"]["errors"]} == {
        "csr",
        "nonsense",
        "ttl",
    }
    assert CertificateRequest.objects.filter(state="rejected").count() == 2
    assert AuditEvent.objects.filter(event="request.rejected").count() == 2
    last = Certificate.objects.get(common_name__in=["also-good.example.com"])
    assert last.not_after - last.not_before < timedelta(days=2)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"requests": []}, "requests"),
        ({"requests": {}}, "requests"),
        ({"requests": [{}] * 101}, "requests"),
        ({"requests": None}, "requests"),
        ({"key": {}}, "key"),
        ({"application": 1}, "application"),
    ],
)
def test_an_unusable_call_does_nothing(team, caller, change, field):
    answer = caller.post(MANY, call(team, csr("www.example.com")) | change)
    assert code_of(answer, 400) == "malformed"
    assert field in fields_of(answer)
    assert not CertificateRequest.objects.exists()


def test_a_call_needs_its_parts(team, caller):
    assert fields_of(caller.post(MANY, {})) == {"application", "profile", "requests"}


def test_pv24_other_teams_pairs_are_not_found_whatever_is_sent(team, machine, stranger):
    good, bad = call(team, csr("www.example.com")), call(team, "no object")
    absent = good | {"application": "absent"}
    answers = [stranger.post(MANY, body) for body in (good, bad, absent)]
    assert {code_of(answer, 404) for answer in answers} == {"not_found"}
    assert bare(answers[0]) == bare(answers[1]) == bare(answers[2])
    assert not CertificateRequest.objects.exists()


def test_a_token_that_may_only_read_is_refused_as_a_whole(team, machine):
    reader = Caller(make_token(machine, Scope.READ))
    assert code_of(reader.post(MANY, call(team, csr("www.example.com"))), 403) == "access_denied"
    assert not CertificateRequest.objects.exists()


def test_a_pairing_closed_for_the_api_is_refused(team, caller):
    Pairing.objects.update(api_enabled=False)
    assert caller.post(MANY, call(team, csr("www.example.com"))).status_code == 403


def test_a_disabled_authority_refuses_the_call(team, caller):
    type(team.authority).objects.filter(pk=team.authority.pk).update(state="disabled")
    assert caller.post(MANY, call(team, csr("www.example.com"))).status_code == 409
    assert not CertificateRequest.objects.exists()


def test_requests_that_need_approval_wait_together(team, caller):
    Pairing.objects.update(requires_approval=True)
    body = caller.post(MANY, call(team, *map(csr, names(3)))).json()
    assert (body["issued"], body["pending"]) == (0, 3)
    assert {result["status"] for result in body["results"]} == {202}
    assert {result["request"]["state"] for result in body["results"]} == {"pending_approval"}
    assert Certificate.objects.count() == 0
    assert AuditEvent.objects.filter(event="request.pending_approval").count() == 3


def test_ac10_a_repeat_under_one_key_gets_the_same_answer(team, machine, keyring):
    token, body = make_token(machine), json.dumps(call(team, *map(csr, names(3))))

    def send():
        return Client().post(
            f"/api/v1/{MANY}",
            body,
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}", "Idempotency-Key": "k"},
        )

    first, again = send(), send()
    assert first.json() == again.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert Certificate.objects.count() == 3


def test_ac10_what_a_dead_worker_had_made_is_found_and_the_rest_is_done(
    team, machine, keyring, monkeypatch
):
    token, body = make_token(machine), json.dumps(call(team, *map(csr, names(4))))
    client = Client(raise_request_exception=False)

    def send():
        return client.post(
            f"/api/v1/{MANY}",
            body,
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}", "Idempotency-Key": "k"},
        )

    with monkeypatch.context() as broken:
        broken.setattr(authority_signing, "sign_tbs", lambda *_: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            send()
    assert set(CertificateRequest.objects.values_list("state", flat=True)) == {"signing"}
    CertificateRequest.objects.update(signing_since=clock.now() - timedelta(minutes=5))
    sweeps.reconcile()
    IdempotentCall.objects.update(started_at=clock.now() - timedelta(minutes=3))
    answer = send()
    assert answer.json()["issued"] == 4
    assert Certificate.objects.count() == CertificateRequest.objects.count() == 4


def test_a_key_backend_that_does_not_answer_leaves_what_the_reconciler_finishes(
    team, caller, monkeypatch
):
    real, calls = authority_signing.sign_tbs, []

    def now_and_then(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise UpstreamUnavailable
        return real(*arguments)

    with monkeypatch.context() as broken:
        broken.setattr(authority_signing, "sign_tbs", now_and_then)
        body = caller.post(MANY, call(team, *map(csr, names(3)))).json()
    assert [result["status"] for result in body["results"]] == [201, 503, 201]
    CertificateRequest.objects.update(signing_since=clock.now() - timedelta(minutes=5))
    sweeps.reconcile()
    assert Certificate.objects.count() == 3


def test_one_that_another_worker_finished_meanwhile_keeps_its_certificate(
    team, caller, monkeypatch
):
    """All are stored together, or else one by one: nothing is lost, nothing stored twice."""
    real, calls = authority_signing.sign_tbs, []

    def overtaken(*arguments):
        calls.append(1)
        if len(calls) == 3:
            second = CertificateRequest.objects.order_by("pk")[1]
            CertificateRequest.objects.filter(pk=second.pk).update(
                signing_since=clock.now() - timedelta(minutes=5)
            )
            assert sweeps.reconcile() == "finished 1, failed 0"
        return real(*arguments)

    monkeypatch.setattr(authority_signing, "sign_tbs", overtaken)
    body = caller.post(MANY, call(team, *map(csr, names(3)))).json()
    assert body["issued"] == 3
    assert Certificate.objects.count() == 3
    assert len({result["request"]["certificate"]["id"] for result in body["results"]}) == 3
    assert AuditEvent.objects.filter(event="certificate.issued").count() == 3
    assert states.OPEN_STATES.isdisjoint(CertificateRequest.objects.values_list("state", flat=True))


def test_a_call_counts_as_many_against_the_rate_limit(team, caller, settings):
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"API_RATE_PER_MINUTE": 5}
    throttle.calls.clear()
    assert caller.post(MANY, call(team, *map(csr, names(4)))).status_code == 200
    limited = caller.post(MANY, call(team, *map(csr, names(4))))
    assert code_of(limited, 429) == "rate_limited"
    assert int(limited["Retry-After"]) > 0
    assert Certificate.objects.count() == 4
    throttle.calls.clear()


def test_the_service_takes_only_what_belongs_together(team, machine):
    with pytest.raises(ValueError, match="1 to 100"):
        issuance.submit_many([])
