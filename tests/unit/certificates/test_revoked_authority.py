"""Nothing is issued by a revoked authority: new requests, approvals, renewals, and what is in flight."""

import threading
from datetime import timedelta

import pytest

from apps.applications.roles import Role
from apps.authorities import ca_revocation, ledger, services, signing
from apps.authorities.models import IssuedSerial
from apps.certificates import approvals, issuance, renewal, sweeps
from apps.certificates.models import Certificate, CertificateRequest, CertificateState, RequestState
from apps.certificates.renewal import KeySource
from apps.errors import AuthorityRevoked, InvalidTransition
from apps.principals import system
from pki.reasons import RevocationReason
from tests.factories.keys import make_csr
from tests.unit.certificates.conftest import enrollment_of
from tests.unit.certificates.test_races import together

COMPROMISE = RevocationReason.CA_COMPROMISE


def revoke(team):
    services.revoke_authority(system("tests"), team.authority, COMPROMISE)


def status_of(team, serial_number):
    return ledger.statuses_of(team.authority.pk, [serial_number])[serial_number].status


@pytest.mark.django_db
def test_requests_and_renewals_are_refused_and_what_was_issued_stays_on_record(team, ask):
    certificate = ask("www.example.com").certificate
    revoke(team)
    with pytest.raises(AuthorityRevoked):
        ask("new.example.com")
    with pytest.raises(AuthorityRevoked):
        renewal.renew(team.principal(), certificate, key_source=KeySource.NEW)
    certificate.refresh_from_db()
    assert certificate.state == CertificateState.ACTIVE
    assert ca_revocation.aftermath(team.authority).certificates_in_force == 1


@pytest.mark.django_db
def test_a_request_that_waits_for_approval_ends_as_rejected_with_the_reason(team, ask):
    team.pairing.requires_approval = True
    team.pairing.save()
    pending, approved = ask("a.example.com").request, ask("b.example.com").request
    CertificateRequest.objects.filter(pk=approved.pk).update(state=RequestState.APPROVED)
    revoke(team)
    with pytest.raises(AuthorityRevoked):
        approvals.approve(team.principal(Role.ADMIN), pending)
    CertificateRequest.objects.update(updated_at=approved.created_at - timedelta(hours=1))
    sweeps.reconcile()
    for request in (pending, approved):
        request.refresh_from_db()
        assert request.state == RequestState.REJECTED
        assert [v["code"] for v in request.violations] == ["request.authority_revoked"]
    assert not Certificate.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("act", "error"),
    [
        (revoke, AuthorityRevoked),
        (
            lambda team: services.disable_authority(system("tests"), team.authority),
            InvalidTransition,
        ),
    ],
    ids=["revoked", "disabled"],
)
def test_what_is_signed_while_the_authority_ends_is_forgotten_and_revoked(
    team, monkeypatch, act, error
):
    real = signing.sign_tbs

    def ends_meanwhile(*args):
        der = real(*args)
        if team.authority.state == "active":
            act(team)
        return der

    monkeypatch.setattr(signing, "sign_tbs", ends_meanwhile)
    outcomes = issuance.submit_many(
        [enrollment_of(team, make_csr(f"{name}.example.com")) for name in "abc"]
    )
    assert {type(outcome) for outcome in outcomes} == {error}
    assert not Certificate.objects.exists()
    for request in CertificateRequest.objects.all():
        assert request.state == RequestState.FAILED
        assert team.authority.name in request.failure
        assert status_of(team, request.serial_number) == "revoked"


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_revocation_that_races_with_issuing_leaves_nothing_in_between(team):
    started = threading.Barrier(8)

    def act(number):
        started.wait(30)
        if number == 0:
            revoke(team)
            return "revoked"
        return [
            issuance.submit(enrollment_of(team, make_csr(f"n{number}-{index}.example.com")))
            for index in range(20)
        ]

    outcomes = together(act, count=8)

    assert "revoked" in outcomes
    assert sum(isinstance(one, InvalidTransition) for one in outcomes) == 7
    for request in CertificateRequest.objects.all():
        stored = Certificate.objects.filter(request=request).exists()
        assert (request.state, stored, status_of(team, request.serial_number)) in {
            (RequestState.ISSUED, True, "good"),
            (RequestState.FAILED, False, "revoked"),
        }
    in_force = ca_revocation.aftermath(team.authority).certificates_in_force
    assert in_force == Certificate.objects.count()
    assert IssuedSerial.objects.filter(request_id__isnull=False).count() == (
        CertificateRequest.objects.count()
    )
