"""Tests of parallel ACME requests on PostgreSQL."""

import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from django.db import connections

from apps import principals
from apps.applications.roles import Role
from apps.authorities.models import IssuedSerial
from apps.certificates import approvals
from apps.certificates.models import Certificate, CertificateRequest
from apps.enrollment.acme.models import AcmeAccount, AcmeChallenge, AcmeOrder, EabKey
from apps.enrollment.acme.services import challenges
from apps.enrollment.acme.services.challenges import ValidationResult
from pki.algorithms import KeyAlgorithm
from tests.factories.keys import make_csr, private_key
from tests.protocol.acme.client import Acme, dns, jwk_of, kind
from tests.protocol.acme.conftest import make_eab, url_of
from tests.protocol.acme.test_renewal_info import id_of
from tests.served import Client

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
THREADS = 12


def together(act, count=THREADS):
    barrier = threading.Barrier(count)
    results = []

    def run(number):
        try:
            barrier.wait()
            results.append(act(number))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == count
    return results


def twin(client):
    """Return the same account with connections of its own."""
    return Acme(Client(), client.directory_url, key=client.key, kid=client.kid, eab=client.eab)


def test_anc2_a_double_finalize_gives_one_certificate(trusted):
    order = trusted.order("www.example.com").json()
    twins = [twin(trusted) for _ in range(THREADS)]
    csrs = [make_csr("www.example.com", number=n % 4) for n in range(THREADS)]
    before = IssuedSerial.objects.count()

    results = together(lambda n: twins[n].finalize(order, csrs[n]))

    won = [answer for answer in results if answer.status_code == 200]
    lost = [answer for answer in results if answer.status_code != 200]
    assert len(won) == 1
    assert {kind(answer) for answer in lost} == {"orderNotReady"}
    assert Certificate.objects.count() == 1
    assert CertificateRequest.objects.count() == 1
    assert IssuedSerial.objects.count() == before + 1
    assert AcmeOrder.objects.get().certificate == Certificate.objects.get()


def test_a14_a_single_use_key_makes_one_account(team, endpoint):
    eab = make_eab(team, endpoint)
    clients = [Acme(Client(), url_of(endpoint), eab=eab) for _ in range(THREADS)]
    results = together(lambda n: clients[n].register().status_code)
    assert sorted(results) == [201] + [403] * (THREADS - 1)
    assert AcmeAccount.objects.count() == 1
    assert EabKey.objects.get().used_count == 1


@pytest.mark.parametrize("reusable", [True, False])
def test_a11_one_key_registered_at_once_is_one_account(team, endpoint, reusable):
    eab = make_eab(team, endpoint, reusable=reusable)
    key = ec.generate_private_key(ec.SECP256R1())
    clients = [Acme(Client(), url_of(endpoint), key=key, eab=eab) for _ in range(THREADS)]
    results = together(lambda n: clients[n].register())
    assert sorted(answer.status_code for answer in results) == [200] * (THREADS - 1) + [201]
    assert len({answer["Location"] for answer in results}) == 1


def test_a17_names_proven_at_once_make_the_order_ready(client):
    names = [f"h{n}.example.com" for n in range(THREADS)]
    order = client.order(*names)
    for url in order.json()["authorizations"]:
        client.post(client.post(url).json()["challenges"][0]["url"], {})
    running = list(AcmeChallenge.objects.filter(status="processing").values_list("pk", flat=True))
    assert len(running) == THREADS
    validator = principals.system("acme-validation")

    results = together(
        lambda n: challenges.record_result(
            running[n], ValidationResult(proven=True, principal=validator)
        )
    )

    assert results == [True] * THREADS
    assert AcmeOrder.objects.get().status == "ready"


def test_a17_one_outcome_wins(client):
    order = client.order("www.example.com").json()
    client.post(client.post(order["authorizations"][0]).json()["challenges"][0]["url"], {})
    pk = AcmeChallenge.objects.get(status="processing").pk
    validator = principals.system("acme-validation")

    results = together(
        lambda n: challenges.record_result(
            pk, ValidationResult(proven=n % 2 == 0, principal=validator)
        )
    )

    assert sum(results) == 1
    challenge = AcmeChallenge.objects.get(pk=pk)
    assert challenge.authorization.status == challenge.status
    assert (
        AcmeOrder.objects.get().status == {"valid": "ready", "invalid": "invalid"}[challenge.status]
    )


def test_a32_one_order_replaces_a_certificate(trusted):
    trusted.issue("www.example.com")
    text = id_of(Certificate.objects.get())
    twins = [twin(trusted) for _ in range(THREADS)]
    results = together(lambda n: twins[n].order("www.example.com", replaces=text).status_code)
    assert sorted(results) == [201] + [409] * (THREADS - 1)


def test_a15_one_new_key_wins(client):
    from tests.protocol.acme.test_key_change import inner

    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(THREADS)]
    twins = [twin(client) for _ in range(THREADS)]
    url = client.directory["keyChange"]
    results = together(lambda n: twins[n].post(url, inner(twins[n], keys[n])).status_code)
    assert results.count(200) == 1
    stored = AcmeAccount.objects.get().jwk
    assert stored in [jwk_of(key) for key in keys]


def test_a16_parallel_orders_of_one_account_are_apart(trusted):
    twins = [twin(trusted) for _ in range(THREADS)]
    body = [dns("www.example.com")]
    results = together(
        lambda n: twins[n].post(twins[n].directory["newOrder"], {"identifiers": body})
    )
    assert {answer.status_code for answer in results} == {201}
    assert AcmeOrder.objects.count() == THREADS


@pytest.mark.parametrize("approved", [False, True])
def test_parallel_runs_share_one_request_and_one_certificate(trusted, team, approved):
    """Runs of one client join one waiting request; one approval yields one certificate."""
    team.pairing.requires_approval = True
    team.pairing.save()
    first = trusted.order("www.example.com").json()
    trusted.finalize(first, make_csr("www.example.com"))
    if approved:
        approvals.approve(team.principal(Role.ADMIN), CertificateRequest.objects.get())
    # Half of them finalize one and the same order.
    orders = [trusted.order("www.example.com").json() for _ in range(THREADS // 2)]
    orders += [orders[0]] * (THREADS - len(orders))
    csrs = [make_csr("www.example.com", number=n % 4) for n in range(THREADS)]
    twins = [twin(trusted) for _ in range(THREADS)]

    found = together(lambda n: (n, twins[n].finalize(orders[n], csrs[n])))
    results = [answer for _, answer in sorted(found, key=lambda one: one[0])]

    assert {answer.status_code for answer in results} <= {200, 403}
    joined = CertificateRequest.objects.order_by("created_at").first()
    if approved:
        assert (
            Certificate.objects.filter(request=joined).count() == Certificate.objects.count() == 1
        )
        owner = AcmeOrder.objects.get(certificate_request=joined)
        assert (owner.status, owner.certificate_id) == ("valid", Certificate.objects.get().pk)
        (won,) = [n for n in range(THREADS) if results[n].json().get("status") == "valid"]
        signed = x509.load_der_x509_certificate(bytes(Certificate.objects.get().der))
        key = private_key(KeyAlgorithm.EC_P256, won % 4).public_key()
        assert signed.public_key() == key, "for the key of the run that got it"
    else:
        assert CertificateRequest.objects.count() == 1
        assert AcmeOrder.objects.filter(status="processing").count() == 1
        assert AcmeOrder.objects.get(status="processing").certificate_request_id == joined.pk


@pytest.mark.parametrize("attempt", range(4))
def test_an_order_given_up_while_it_joins_leaves_the_waiting_request_its_order(
    trusted, team, attempt
):
    team.pairing.requires_approval = True
    team.pairing.save()
    first = trusted.order("www.example.com").json()
    trusted.finalize(first, make_csr("www.example.com"))
    later = trusted.order("www.example.com").json()
    (given_up,) = later["authorizations"]
    twins = [twin(trusted), twin(trusted)]
    csr = make_csr("www.example.com", number=attempt)

    def act(number):
        if number:
            return twins[1].post(given_up, {"status": "deactivated"})
        return twins[0].finalize(later, csr)

    together(act, count=2)

    waiting = CertificateRequest.objects.get()
    assert AcmeOrder.objects.get(certificate_request=waiting).status == "processing"
