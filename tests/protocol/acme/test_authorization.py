"""Tests of authorizations and challenges (RFC 8555 sections 7.4.1 and 7.5)."""

import pytest

from apps import principals
from apps.audit.models import AuditEvent
from apps.enrollment.acme.models import AcmeAuthorization, AcmeChallenge, AcmeOrder
from apps.enrollment.acme.problems import Type, document
from apps.enrollment.acme.services import challenges
from apps.enrollment.acme.services.challenges import ValidationResult
from apps.jobs.models import Job
from tests.protocol.acme.client import Acme, dns, ip, kind
from tests.protocol.acme.conftest import url_of
from tests.served import Client

pytestmark = pytest.mark.django_db
VALIDATOR = principals.system("acme-validation")
ATTEMPT = {"address": "192.0.2.7", "answer": "404"}
PROBLEM = document(Type.CONNECTION, "192.0.2.7: refused")


def answer_challenge(client, authorization_url, type_="http-01"):
    authz = client.post(authorization_url).json()
    url = next(c["url"] for c in authz["challenges"] if c["type"] == type_)
    answer = client.post(url, {})
    assert answer.status_code == 200, answer.content
    return answer


def settle(answer, *, proven=True):
    challenge = AcmeChallenge.objects.get(url_id=answer.json()["url"].rpartition("/")[2])
    return challenges.record_result(
        challenge.pk,
        ValidationResult(
            proven=proven, problem=None if proven else PROBLEM, attempt=ATTEMPT, principal=VALIDATOR
        ),
    )


def prove(client, order):
    for url in order["authorizations"]:
        settle(answer_challenge(client, url))


@pytest.fixture
def order(client):
    return client.order("www.example.com", "example.com").json()


def test_an_authorization_offers_challenges(client, order):
    answer = client.post(order["authorizations"][0])
    authz = answer.json()
    assert authz["status"] == "pending"
    assert authz["identifier"] == dns("www.example.com")
    assert {c["type"] for c in authz["challenges"]} == {"http-01", "dns-01", "tls-alpn-01"}
    tokens = {c["token"] for c in authz["challenges"]}
    assert len(tokens) == 3
    assert all(
        len(token) == 22 and c["status"] == "pending"
        for token, c in zip(tokens, authz["challenges"], strict=True)
    )
    assert 'rel="index"' in answer["Link"]


def test_a09_a_challenge_reply_says_where_it_belongs(client, order):
    answer = answer_challenge(client, order["authorizations"][0])
    assert f'<{order["authorizations"][0]}>;rel="up"' in answer["Link"]
    assert answer.json()["status"] == "processing"
    assert answer["Retry-After"]


def test_answering_asks_for_one_validation(client, order):
    first = answer_challenge(client, order["authorizations"][0])
    again = client.post(first.json()["url"], {})
    assert again.json() == first.json()
    job = Job.objects.get(kind="acme.validate")
    assert job.arguments == {"challenge": str(AcmeChallenge.objects.get(status="processing").pk)}


def test_a17_a_proven_name_makes_the_order_ready_with_its_last_authorization(client, order):
    first, second = order["authorizations"]
    location = order["finalize"].removesuffix("/finalize")
    settle(answer_challenge(client, first))
    assert client.post(location).json()["status"] == "pending"
    settle(answer_challenge(client, second, "dns-01"))
    assert client.post(location).json()["status"] == "ready"

    authz = client.post(first).json()
    assert authz["status"] == "valid"
    assert [(c["type"], c["status"]) for c in authz["challenges"]] == [("http-01", "valid")]
    assert authz["challenges"][0]["validated"]
    events = AuditEvent.objects.filter(event="acme.identifier_proven")
    assert events.count() == 2
    assert events.first().data["attempt"] == ATTEMPT


def test_a23_a_failure_ends_authorization_and_order_with_the_problem(client, order):
    answer = answer_challenge(client, order["authorizations"][0])
    settle(answer, proven=False)

    challenge = client.post(answer.json()["url"]).json()
    assert challenge["status"] == "invalid"
    assert challenge["error"] == PROBLEM
    assert client.post(order["authorizations"][0]).json()["status"] == "invalid"
    failed = client.post(order["finalize"].removesuffix("/finalize")).json()
    assert failed["status"] == "invalid"
    assert failed["error"]["type"] == PROBLEM["type"]
    assert failed["error"]["subproblems"][0]["identifier"] == dns("www.example.com")
    assert AuditEvent.objects.filter(event="acme.validation_failed").count() == 1


def test_a23_every_order_that_counted_on_it_fails(client):
    url = client.directory["newAuthz"]
    client.post(url, {"identifier": dns("www.example.com")})
    one = client.order("www.example.com").json()
    row = AcmeAuthorization.objects.get(url_id=one["authorizations"][0].rpartition("/")[2])
    second = client.order("other.example.com").json()
    linked = AcmeOrder.objects.get(url_id=second["finalize"].split("/")[-2])
    linked.authorizations.add(row)
    settle(answer_challenge(client, one["authorizations"][0]), proven=False)
    assert set(AcmeOrder.objects.values_list("status", flat=True)) == {"invalid"}


def test_a23_while_retrying_the_error_shows_and_the_challenge_goes_on(client, order):
    answer = answer_challenge(client, order["authorizations"][0])
    row = AcmeChallenge.objects.get(status="processing")
    for _ in range(30):
        challenges.record_attempt(row.pk, attempt=ATTEMPT, problem=PROBLEM)
    shown = client.post(answer.json()["url"])
    assert shown.json()["status"] == "processing"
    assert shown.json()["error"] == PROBLEM
    assert shown["Retry-After"]
    row.refresh_from_db()
    assert len(row.attempts) == challenges.MAX_ATTEMPTS_STORED
    settle(answer)
    assert "error" not in client.post(answer.json()["url"]).json()


def test_a17_a_settled_challenge_stays(client, order):
    answer = answer_challenge(client, order["authorizations"][0])
    assert settle(answer, proven=False)
    assert not settle(answer, proven=True)
    challenges.record_attempt(
        AcmeChallenge.objects.get(status="invalid").pk, attempt={}, problem=None
    )
    again = client.post(answer.json()["url"], {})
    assert again.status_code == 200
    assert again.json()["status"] == "invalid"
    assert AcmeOrder.objects.get().status == "invalid"


def test_a17_no_second_challenge_starts_on_a_settled_authorization(client, order):
    authz = client.post(order["authorizations"][0]).json()
    http, dns_ = (
        next(c["url"] for c in authz["challenges"] if c["type"] == t) for t in ("http-01", "dns-01")
    )
    settle(client.post(http, {}))
    assert kind(client.post(dns_, {})) == "malformed"
    assert AcmeChallenge.objects.get(url_id=dns_.rpartition("/")[2]).status == "pending"


def test_a17_of_two_running_challenges_the_first_outcome_counts(client, order):
    one = answer_challenge(client, order["authorizations"][0], "http-01")
    two = answer_challenge(client, order["authorizations"][0], "dns-01")
    settle(one)
    settle(two, proven=False)
    assert client.post(order["authorizations"][0]).json()["status"] == "valid"


@pytest.mark.parametrize("payload", [b"", b"[]", b"null"])
def test_a_challenge_payload_is_an_object_or_nothing(client, order, payload):
    authz = client.post(order["authorizations"][0]).json()
    answer = client.post(authz["challenges"][0]["url"], payload)
    if payload:
        assert kind(answer) == "malformed"
    assert not AcmeChallenge.objects.filter(status="processing").exists()


def test_a08_authorizations_and_challenges_of_others_look_like_none(client, order, open_endpoint):
    other = Acme(Client(), url_of(open_endpoint))
    other.register()
    authz = order["authorizations"][0]
    challenge = client.post(authz).json()["challenges"][0]["url"]
    for url, payload in ((authz, {"status": "deactivated"}), (challenge, {})):
        for answer in (other.post(url), other.post(url, payload)):
            assert answer.status_code == 404
            assert answer.json()["detail"] == "No such object."
    assert AcmeChallenge.objects.filter(status="pending").count() == 6
    assert AcmeAuthorization.objects.filter(status="pending").count() == 2


def test_giving_an_authorization_up_ends_its_open_orders(client, order):
    prove(client, order)
    url = order["authorizations"][0]
    answer = client.post(url, {"status": "deactivated"})
    assert answer.status_code == 200
    assert answer.json()["status"] == "deactivated"
    assert AcmeOrder.objects.get().status == "invalid"
    assert client.post(url, {"status": "deactivated"}).json()["status"] == "deactivated"
    fresh = client.order("www.example.com").json()
    assert fresh["authorizations"][0] != url
    assert AuditEvent.objects.filter(event="acme.authorization_deactivated").count() == 1


def test_a_failed_authorization_cannot_be_given_up(client, order):
    settle(answer_challenge(client, order["authorizations"][0]), proven=False)
    answer = client.post(order["authorizations"][0], {"status": "deactivated"})
    assert answer.status_code == 409
    assert AcmeAuthorization.objects.filter(status="deactivated").count() == 0


@pytest.mark.parametrize(
    "payload", [{}, {"status": "valid"}, {"status": "revoked"}, {"expires": "x"}]
)
def test_a13_clients_change_nothing_else(client, order, payload):
    assert kind(client.post(order["authorizations"][0], payload)) == "malformed"
    assert AcmeAuthorization.objects.filter(status="pending").count() == 2


def test_a26_pre_authorization(client):
    url = client.directory["newAuthz"]
    answer = client.post(url, {"identifier": dns("www.example.com")})
    assert answer.status_code == 201
    assert answer.json()["status"] == "pending"
    settle(answer_challenge(client, answer["Location"]))

    again = client.post(url, {"identifier": dns("www.example.com")})
    assert again.status_code == 200
    assert again["Location"] == answer["Location"]
    order = client.order("www.example.com").json()
    assert order["status"] == "ready"
    assert order["authorizations"] == [answer["Location"]]


def test_a26_pre_authorization_refuses_what_orders_refuse(client):
    url = client.directory["newAuthz"]
    for identifier, expected in (
        (dns("*.example.com"), "malformed"),
        (dns("a_b.example.com"), "rejectedIdentifier"),
        (ip("2001:DB8::1"), "malformed"),
        ({"type": "email", "value": "a@example.com"}, "unsupportedIdentifier"),
        (None, "malformed"),
    ):
        assert kind(client.post(url, {"identifier": identifier})) == expected
    assert not AcmeAuthorization.objects.exists()


def test_a29_a_proof_is_worth_nothing_at_another_endpoint(client, other_team):
    from apps.applications.roles import Role
    from apps.enrollment.acme.services import endpoints as services

    settle(
        answer_challenge(
            client,
            client.post(client.directory["newAuthz"], {"identifier": dns("www.example.com")})[
                "Location"
            ],
        )
    )
    there = services.enable_acme(
        other_team.principal(Role.ADMIN), other_team.pairing, require_eab=False
    )
    elsewhere = Acme(Client(), url_of(there), key=client.key)
    elsewhere.register()
    assert elsewhere.order("www.example.com").json()["status"] == "pending"


def test_a19_a_name_that_policy_denies_is_not_authorized_beforehand(team, client):
    from apps import principals
    from apps.policies import services as policy_services

    rules = team.profile.policy.current_version.rules
    rules["subject_alt_names"] = [
        {"type": "dns_name", "allowed": ["**.example.com"], "required": ["www.example.com"]}
    ]
    policy_services.update_policy(principals.system("tests"), team.profile.policy, rules=rules)
    url = client.directory["newAuthz"]
    for name, reason in (("www.example.org", "allowed pattern"), ("a_b.example.com", "")):
        answer = client.post(url, {"identifier": dns(name)})
        assert kind(answer) == "rejectedIdentifier"
        assert answer.status_code == 403
        (problem,) = answer.json()["subproblems"]
        assert problem["identifier"] == dns(name)
        assert reason in answer.json()["detail"]
    assert not AcmeAuthorization.objects.exists()
    # A rule on the names of a certificate as a whole says nothing about one of them.
    assert client.post(url, {"identifier": dns("a.example.com")}).status_code == 201
