"""Orders that wait for an approval: the next run of the client joins them, and collects once."""

from datetime import timedelta

import pytest
from cryptography import x509

from apps import clock
from apps.applications.roles import Role
from apps.audit.models import AuditEvent
from apps.authorities.services import revoke_authority
from apps.certificates import approvals, collection, sweeps
from apps.certificates.models import Certificate, CertificateRequest
from apps.enrollment.acme.models import AcmeOrder
from apps.enrollment.acme.wire import time_text
from apps.errors import AuthorityRevoked
from apps.principals import system
from apps.profiles import services as profile_services
from pki.algorithms import KeyAlgorithm
from pki.reasons import RevocationReason
from tests.factories.keys import make_csr, private_key
from tests.factories.raw_requests import alt_names, extension_request, raw_extension, request
from tests.protocol.acme.client import kind
from tests.protocol.acme.test_renewal_info import id_of

pytestmark = pytest.mark.django_db
NAMES = ("www.example.com", "api.example.com")


@pytest.fixture(autouse=True)
def gate(team):
    team.pairing.requires_approval = True
    team.pairing.save()


def run(client, csr=None, names=NAMES, **members):
    """Order and finalize as one run of a client does; return the order's URL and what it became."""
    order = client.order(*names, **members)
    assert order.status_code == 201, order.content
    done = client.finalize(order.json(), csr or make_csr(*names))
    assert done.status_code == 200, done.content
    return order["Location"], done.json()


def approve(team):
    waiting = CertificateRequest.objects.get(state="pending_approval")
    return approvals.approve(team.principal(Role.ADMIN), waiting)


def public_key_of(certificate):
    return x509.load_der_x509_certificate(bytes(certificate.der)).public_key()


@pytest.mark.parametrize("same_key", [True, False])
@pytest.mark.parametrize("runs_before", [1, 3])
def test_the_next_run_after_the_approval_gets_the_certificate_at_once(
    trusted, team, same_key, runs_before
):
    for _ in range(runs_before):
        _, seen = run(trusted, make_csr(*NAMES))
        assert seen["status"] == "processing"
    assert CertificateRequest.objects.count() == 1

    outcome = approve(team)
    assert outcome.request.approved_by
    assert not Certificate.objects.exists(), "it is for the key that the client comes with"

    number = 0 if same_key else 1
    url, seen = run(trusted, make_csr(*reversed(NAMES), number=number))
    assert seen["status"] == "valid"
    assert trusted.post(seen["certificate"]).status_code == 200
    assert (
        public_key_of(Certificate.objects.get())
        == private_key(KeyAlgorithm.EC_P256, number).public_key()
    )
    assert trusted.post(url).json()["status"] == "valid"


def test_a_client_that_still_asks_gets_the_certificate(trusted, team):
    url, _ = run(trusted)
    approve(team)
    order = trusted.post(url).json()
    assert order["status"] == "valid"
    assert (
        public_key_of(Certificate.objects.get())
        == private_key(KeyAlgorithm.EC_P256, 0).public_key()
    )
    assert trusted.post(url).json() == order


def test_one_approval_yields_one_certificate(trusted, team):
    run(trusted)
    approve(team)
    assert run(trusted)[1]["status"] == "valid"
    assert run(trusted)[1]["status"] == "processing", "another certificate, another approval"
    assert CertificateRequest.objects.count() == 2
    assert Certificate.objects.count() == 1


def test_the_approver_sees_the_key_that_the_client_brings(trusted, team):
    run(trusted)
    before = bytes(CertificateRequest.objects.get().csr_der)
    run(trusted, make_csr(*NAMES, algorithm=KeyAlgorithm.RSA_2048))
    request = CertificateRequest.objects.get()
    assert bytes(request.csr_der) != before
    assert request.leaf["key_algorithm"] == "rsa-2048"
    assert [note["code"] for note in request.notes] == ["request.key_replaced"], "RSA serves all"
    event = AuditEvent.objects.get(event="request.key_replaced")
    assert event.data["spki_sha256"] != event.data["replaced_spki_sha256"]


def test_the_earlier_order_says_who_took_its_place(trusted, team):
    first, _ = run(trusted)
    second, _ = run(trusted)
    assert first != second
    order = trusted.post(first).json()
    assert order["status"] == "invalid"
    assert "later order" in order["error"]["detail"]
    assert trusted.post(second).json()["status"] == "processing"


@pytest.mark.parametrize("other", ["names", "account", "more"])
def test_nobody_else_and_nothing_else_joins(trusted, make_trusted, team, other):
    run(trusted)
    if other == "account":
        run(make_trusted())
    else:
        run(trusted, names=NAMES[:1] if other == "names" else (*NAMES, "x.example.com"))
    assert CertificateRequest.objects.count() == 2


def test_must_staple_is_content_that_an_approver_sees(trusted, team, sealwright):
    profile_services.update_profile(sealwright, team.profile, csr={"must_staple": "honour"})
    run(trusted)
    staple = raw_extension("1.3.6.1.5.5.7.1.24", b"\x30\x03\x02\x01\x05")
    names = alt_names(*(x509.DNSName(name) for name in NAMES))
    run(trusted, request(extension_request(names, staple), subject=b"\x30\x00"))
    assert [row.leaf["must_staple"] for row in CertificateRequest.objects.order_by("pk")] == [
        False,
        True,
    ]


def test_a_key_that_policy_refuses_replaces_nothing(trusted, team, sealwright):
    from apps.policies import services as policy_services

    run(trusted)
    rules = team.profile.policy.current_version.rules | {"key_algorithms": ["ec-p256"]}
    policy_services.update_policy(sealwright, team.profile.policy, rules=rules)
    order = trusted.order(*NAMES).json()
    answer = trusted.finalize(order, make_csr(*NAMES, algorithm=KeyAlgorithm.RSA_2048))
    assert kind(answer) == "badCSR"
    approve(team)
    assert run(trusted)[1]["status"] == "valid"


def test_a_denial_ends_the_order_that_joined(trusted, team):
    run(trusted)
    url, _ = run(trusted)
    request = CertificateRequest.objects.get()
    approvals.deny(team.principal(Role.ADMIN), request, comment="Not these.")
    order = trusted.post(url).json()
    assert order["status"] == "invalid"
    assert "Not these." in order["error"]["detail"]


def test_a_renewal_that_waits_is_joined_by_the_next_run(trusted, team):
    run(trusted)
    approve(team)
    run(trusted)
    certificate = Certificate.objects.get()
    for _ in range(2):
        assert run(trusted, replaces=id_of(certificate))[1]["status"] == "processing"
    approve(team)
    assert run(trusted, replaces=id_of(certificate))[1]["status"] == "valid"
    assert Certificate.objects.get(replaces=certificate).lineage_id == certificate.lineage_id


@pytest.mark.parametrize("came_back", [False, True])
def test_an_end_that_was_asked_for_is_kept_however_long_it_waits(
    trusted, team, frozen_clock, came_back
):
    end = clock.now_s() + timedelta(days=10)
    url, _ = run(trusted, notAfter=time_text(end))
    approve(team)
    frozen_clock.shift(timedelta(days=1))
    trusted.nonces.clear()
    if came_back:
        end += timedelta(days=1)  # the same duration, from its own now
        run(trusted, notAfter=time_text(end))
    else:
        trusted.post(url)
    certificate = Certificate.objects.get()
    assert certificate.not_after == end
    assert timedelta(0) <= clock.now() - certificate.not_before < timedelta(minutes=6)


def test_a_longer_validity_than_the_approver_sees_is_a_request_of_its_own(trusted):
    now = clock.now_s()
    run(trusted, notAfter=time_text(now + timedelta(days=10)))
    run(trusted, notAfter=time_text(now + timedelta(days=11)))
    run(trusted)
    assert CertificateRequest.objects.count() == 3


def test_an_approval_that_nobody_uses_ends(trusted, team, frozen_clock):
    url, _ = run(trusted)
    approve(team)
    frozen_clock.shift(collection.APPROVAL_LIFETIME - timedelta(hours=1))
    sweeps.reconcile()
    assert not Certificate.objects.exists(), "only its client collects it"
    frozen_clock.shift(timedelta(hours=2))
    sweeps.reconcile()
    assert CertificateRequest.objects.get().state == "cancelled"
    trusted.nonces.clear()
    assert trusted.post(url).json()["status"] == "invalid"
    assert not Certificate.objects.exists()
    assert AcmeOrder.objects.get().status == "invalid"


def revoke_for_good(team):
    revoke_authority(system("tests"), team.authority, RevocationReason.CA_COMPROMISE)
    with pytest.raises(AuthorityRevoked, match=r"request ended as rejected\. Make a new request"):
        approve(team)


def deny(team):
    approvals.deny(team.principal(Role.ADMIN), CertificateRequest.objects.get(), "Not here.")


def cancel(team):
    approvals.cancel(team.principal(Role.ADMIN), CertificateRequest.objects.get())


def forget(team):
    approve(team)
    CertificateRequest.objects.update(approved_at=clock.now() - timedelta(days=8))
    collection.give_up_uncollected(system("tests"))


@pytest.mark.parametrize("runs", [1, 2], ids=["own request", "joined request"])
@pytest.mark.parametrize("end", [revoke_for_good, deny, cancel, forget])
def test_an_order_ends_with_its_request_before_anybody_asks(trusted, team, end, runs):
    for _ in range(runs):
        url, _ = run(trusted)
    end(team)
    order = AcmeOrder.objects.latest("pk")
    request = CertificateRequest.objects.get()
    assert order.status == "invalid"
    assert f"The request was {request.state}." in order.error["detail"]
    told = trusted.post(url).json()
    assert (told["status"], told["error"]) == ("invalid", order.error)
