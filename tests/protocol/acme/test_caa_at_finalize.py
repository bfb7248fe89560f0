"""Tests of repeated CAA checks at finalize (RFC 8659, RFC 8657)."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import connection

from apps import clock, principals
from apps.audit.models import AuditEvent
from apps.certificates.models import Certificate, CertificateRequest
from apps.enrollment.acme.models import AcmeAuthorization, AcmeChallenge, AcmeEndpoint, AcmeOrder
from apps.enrollment.acme.services import challenges, limits
from apps.enrollment.acme.services.challenges import ValidationResult
from apps.enrollment.acme.validation import caa, caa_recheck
from pki.algorithms import KeyAlgorithm, default_signature_algorithm
from pki.csr import build_csr
from tests.factories import servers
from tests.factories.keys import make_csr, private_key
from tests.protocol.acme.client import Acme, ip, kind
from tests.protocol.acme.conftest import allow_wildcards

pytestmark = pytest.mark.django_db
US = "ca.example.test"
MINE, OTHERS = f'0 issue "{US}"', '0 issue "other.test"'
STALE, FRESH = timedelta(hours=8), timedelta(hours=7, minutes=58)


@pytest.fixture
def names() -> Iterator[servers.NameServer]:
    with servers.name_server() as server:
        yield server


@pytest.fixture
def caa_checked(open_endpoint: AcmeEndpoint, names: servers.NameServer) -> AcmeEndpoint:
    AcmeEndpoint.objects.update(
        check_caa=True,
        caa_identities=[US],
        resolvers=[names.address],
        allowed_networks=["127.0.0.0/8"],
    )
    return open_endpoint


@pytest.fixture
def proven(client: Acme, caa_checked: AcmeEndpoint) -> Callable[..., dict]:
    """Return a maker of ready orders whose names were proven some time ago."""

    def make(*identifiers, method="dns-01", age=STALE):
        order = client.order(*identifiers).json()
        pending = AcmeChallenge.objects.filter(type=method, authorization__status="pending")
        for challenge in pending:
            AcmeChallenge.objects.filter(pk=challenge.pk).update(status="processing")
            challenges.record_result(
                challenge.pk,
                ValidationResult(
                    proven=True,
                    attempt={"by": "worker", "proven": True, "at": clock.now_s().isoformat()},
                    principal=principals.system("tests"),
                ),
            )
        then = clock.now() - age
        AcmeChallenge.objects.filter(status="valid").update(settled_at=then)
        AcmeAuthorization.objects.update(created_at=then)
        return order

    return make


def finalize(client: Acme, order: dict, *identifiers: str):
    return client.finalize(order, make_csr(*identifiers))


def still_ready() -> bool:
    order = AcmeOrder.objects.get()
    return (
        order.status == "ready"
        and not Certificate.objects.exists()
        and not CertificateRequest.objects.exists()
    )


def subproblems(answer) -> dict[str, str]:
    prefix = "urn:ietf:params:acme:error:"
    return {
        item["identifier"]["value"]: item["type"].removeprefix(prefix)
        for item in answer.json()["subproblems"]
    }


def test_a35_old_proof_and_a_record_that_allows_us_issue(client, proven, names):
    names.records["example.com", "CAA"] = [MINE]
    order = proven("www.example.com")
    answer = finalize(client, order, "www.example.com")
    assert answer.status_code == 200, answer.content
    assert names.asked == [("www.example.com", "CAA", "udp"), ("example.com", "CAA", "udp")]


def test_a35_rfc8659_3_record_that_forbids_us_meanwhile_refuses(client, proven, names):
    names.records["example.com", "CAA"] = [OTHERS]
    order = proven("www.example.com")
    answer = finalize(client, order, "www.example.com")
    assert kind(answer) == "caa"
    assert answer.status_code == 403
    assert subproblems(answer) == {"www.example.com": "caa"}
    assert "example.com: CAA does not name this authority" in answer.json()["detail"]


def test_rfc8555_7_4_the_refused_order_stays_ready_for_a_corrected_record(client, proven, names):
    names.records["example.com", "CAA"] = [OTHERS]
    order = proven("www.example.com")
    assert kind(finalize(client, order, "www.example.com")) == "caa"
    assert still_ready()
    names.records["example.com", "CAA"] = [OTHERS, MINE]
    assert finalize(client, order, "www.example.com").json()["status"] == "valid"


def test_rfc8555_6_7_1_every_forbidden_name_is_named_and_no_other(client, proven, names):
    listed = ("a.example.com", "b.example.com", "c.example.com")
    names.records["a.example.com", "CAA"] = [OTHERS]
    names.records["b.example.com", "CAA"] = [MINE]
    names.records["c.example.com", "CAA"] = ['128 tbs "x"']
    answer = finalize(client, proven(*listed), *listed)
    assert subproblems(answer) == {"a.example.com": "caa", "c.example.com": "caa"}
    assert still_ready()


def test_rfc8659_4_3_a_wildcard_is_judged_as_one_and_named_as_ordered(client, proven, names, team):
    allow_wildcards(team)
    names.records["example.com", "CAA"] = [MINE, '0 issuewild ";"']
    order = proven("*.example.com", "example.com")
    answer = finalize(client, order, "*.example.com", "example.com")
    assert subproblems(answer) == {"*.example.com": "caa"}


@pytest.mark.parametrize(("method", "allowed"), [("dns-01", True), ("http-01", False)])
def test_rfc8657_4_validationmethods_means_the_method_that_proved(
    client, proven, names, method, allowed
):
    names.records["example.com", "CAA"] = [f'0 issue "{US}; validationmethods=dns-01"']
    answer = finalize(client, proven("example.com", method=method), "example.com")
    assert (answer.status_code == 200) is allowed


@pytest.mark.parametrize("suffix", ["", "x"])
def test_rfc8657_3_accounturi_means_the_account_that_finalizes(client, proven, names, suffix):
    order = proven("example.com")
    names.records["example.com", "CAA"] = [f'0 issue "{US}; accounturi={client.kid}{suffix}"']
    answer = finalize(client, order, "example.com")
    assert (answer.status_code == 200) is (suffix == "")


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED"])
def test_rfc8659_3_failed_look_up_refuses_for_now(client, proven, names, rcode):
    names.records["example.com", "CAA"] = rcode
    order = proven("www.example.com")
    answer = finalize(client, order, "www.example.com")
    assert kind(answer) == "dns"
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert subproblems(answer) == {"www.example.com": "dns"}
    assert still_ready()
    del names.records["example.com", "CAA"]
    assert finalize(client, order, "www.example.com").status_code == 200


def test_silence_ends_at_the_deadline_and_refuses(client, proven, names, monkeypatch):
    monkeypatch.setattr(caa_recheck, "TOTAL_S", 0.3)
    names.silent = True
    order = proven("a.example.com", "b.example.com")
    answer = finalize(client, order, "a.example.com", "b.example.com")
    assert kind(answer) == "dns"
    assert subproblems(answer) == {"a.example.com": "dns", "b.example.com": "dns"}
    assert {name for name, _, _ in names.asked} == {"a.example.com"}
    assert still_ready()


def test_what_is_forbidden_outweighs_what_could_not_be_asked(client, proven, names):
    names.records["a.example.com", "CAA"] = [OTHERS]
    names.records["b.example.com", "CAA"] = "SERVFAIL"
    answer = finalize(
        client, proven("a.example.com", "b.example.com"), "a.example.com", "b.example.com"
    )
    assert kind(answer) == "caa"
    assert subproblems(answer) == {"a.example.com": "caa", "b.example.com": "dns"}


def test_a35_proof_of_less_than_eight_hours_costs_nothing(
    client, proven, names, django_assert_num_queries
):
    names.records["example.com", "CAA"] = [OTHERS]
    order = proven("example.com", age=FRESH)
    row = AcmeOrder.objects.get()
    with django_assert_num_queries(0):
        assert not caa_recheck.is_due(
            AcmeAuthorization.objects.model(created_at=clock.now()).created_at
        )
    assert caa_recheck.require_permission(row) is False
    assert finalize(client, order, "example.com").status_code == 200
    assert names.asked == []


def test_fresh_proof_of_an_old_authorization_is_not_asked_about(client, proven, names):
    names.records["example.com", "CAA"] = [OTHERS]
    order = proven("example.com")
    AcmeChallenge.objects.filter(status="valid").update(settled_at=clock.now() - FRESH)
    assert finalize(client, order, "example.com").status_code == 200
    assert names.asked == []


def test_without_check_caa_nothing_is_asked(client, proven, names, monkeypatch):
    AcmeEndpoint.objects.update(check_caa=False)
    monkeypatch.setattr(caa_recheck, "require_permission", None)
    names.records["example.com", "CAA"] = [OTHERS]
    order = proven("example.com")
    assert finalize(client, order, "example.com").status_code == 200
    assert names.asked == []


def test_names_that_an_administrator_vouches_for_need_no_caa(trusted, names):
    AcmeEndpoint.objects.update(check_caa=True, caa_identities=[US], resolvers=[names.address])
    names.records["example.com", "CAA"] = [OTHERS]
    order = trusted.order("example.com").json()
    AcmeAuthorization.objects.update(created_at=clock.now() - STALE)
    assert finalize(trusted, order, "example.com").status_code == 200
    assert names.asked == []


def test_rfc8659_addresses_have_no_caa(client, proven, names):
    order = proven(ip("10.0.0.1"), method="http-01")
    csr = build_csr(
        subject=(),
        subject_alt_names=(("ip_address", "10.0.0.1"),),
        private_key=private_key(KeyAlgorithm.EC_P256),
        algorithm=default_signature_algorithm(KeyAlgorithm.EC_P256),
    )
    assert client.finalize(order, csr).status_code == 200
    assert names.asked == []


def test_the_upper_tree_is_asked_about_once(client, proven, names):
    listed = tuple(f"h{n}.example.com" for n in range(5))
    order = proven(*listed)
    assert finalize(client, order, *listed).status_code == 200
    asked = [name for name, _, _ in names.asked]
    assert sorted(asked) == sorted([*listed, "example.com", "com"])


def test_attempts_tell_exactly_what_was_asked_and_answered(client, proven, names):
    names.records["example.com", "CAA"] = [OTHERS]
    order = proven("www.example.com")
    finalize(client, order, "www.example.com")
    row = AcmeChallenge.objects.get(status="valid")
    assert row.error is None
    assert [item["by"] for item in row.attempts] == ["worker", "finalize"]
    found = row.attempts[1]
    assert (found["type"], found["identifier"]) == ("dns-01", "www.example.com")
    assert (found["proven"], found["error"]) == (False, "caa")
    assert [hop["url"] for hop in found["hops"]] == [
        "dns:www.example.com?type=CAA",
        "dns:example.com?type=CAA",
    ]
    assert found["seen"] == ["0 issue other.test"]
    event = AuditEvent.objects.get(event="acme.validation_failed")
    assert event.data["attempt"] == found
    names.records["example.com", "CAA"] = [MINE]
    finalize(client, order, "www.example.com")
    row.refresh_from_db()
    assert [item["proven"] for item in row.attempts] == [True, False, True]
    assert AuditEvent.objects.filter(event="acme.validation_failed").count() == 1


def test_the_proof_is_never_pushed_out_by_later_attempts(client, proven, names, monkeypatch):
    monkeypatch.setattr(limits, "CAA_REFUSALS_PER_NAME", 1000)
    monkeypatch.setattr(caa_recheck, "MAX_RECHECKS_STORED", 2)
    names.records["example.com", "CAA"] = [OTHERS]
    order = proven("example.com")
    for _ in range(4):
        finalize(client, order, "example.com")
    attempts = AcmeChallenge.objects.get(status="valid").attempts
    assert [item["by"] for item in attempts] == ["worker", "finalize", "finalize"]


def test_client_that_does_not_stop_is_slowed_down(client, proven, names, frozen_clock):
    names.records["example.com", "CAA"] = [OTHERS]
    order = proven("example.com")
    for _ in range(limits.CAA_REFUSALS_PER_NAME):
        assert kind(finalize(client, order, "example.com")) == "caa"
    names.asked.clear()
    answer = finalize(client, order, "example.com")
    assert kind(answer) == "rateLimited"
    assert int(answer["Retry-After"]) > 0
    assert names.asked == []
    assert still_ready()
    frozen_clock.shift(limits.WINDOW)
    client.nonces.clear()
    names.records["example.com", "CAA"] = [MINE]
    assert finalize(client, order, "example.com").status_code == 200


def test_slow_name_servers_hold_up_few_requests(client, proven, names, monkeypatch):
    monkeypatch.setattr(caa_recheck, "lookup_slots", threading.BoundedSemaphore(1))
    monkeypatch.setattr(caa_recheck, "MAX_WAIT_S", 0.01)
    order = proven("example.com")
    with caa_recheck.lookup_slots:
        answer = finalize(client, order, "example.com")
    assert answer.status_code == 503
    assert answer["Retry-After"]
    assert names.asked == []
    assert finalize(client, order, "example.com").status_code == 200


def test_a17_what_was_lost_while_name_servers_were_asked_counts(client, proven, names):
    order = proven("example.com")

    def give_up():
        AcmeAuthorization.objects.update(status="deactivated")
        return [MINE]

    names.records["example.com", "CAA"] = [MINE]
    real = caa.check

    def check(*arguments):
        give_up()
        return real(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(caa, "check", check)
        answer = finalize(client, order, "example.com")
    assert kind(answer) == "unauthorized"
    assert AcmeOrder.objects.get().status == "invalid"
    assert not Certificate.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_nothing_is_asked_inside_a_transaction(client, proven, names, monkeypatch):
    seen = []
    real = caa.query

    def query(*arguments, **options):
        seen.append(connection.in_atomic_block)
        return real(*arguments, **options)

    monkeypatch.setattr(caa, "query", query)
    assert finalize(client, proven("example.com"), "example.com").status_code == 200
    assert seen == [False, False]
