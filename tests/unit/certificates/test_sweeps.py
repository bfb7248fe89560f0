"""Requests interrupted by a crash are finished, and expired certificates are marked."""

from datetime import timedelta

import pytest
from cryptography import x509

from apps import clock, keyring
from apps.applications.models import Pairing
from apps.audit.models import AuditEvent
from apps.authorities import services as authority_services
from apps.authorities import signing as authority_signing
from apps.certificates import issuance, sweeps
from apps.certificates.models import (
    Certificate,
    CertificateRequest,
    CertificateState,
    RequestState,
)
from apps.errors import InvalidTransition, UpstreamUnavailable
from apps.profiles.requested_content import RequestedContent
from tests.factories.applications import Team
from tests.factories.authorities import status_of
from tests.factories.keys import make_csr
from tests.unit.certificates.conftest import enrollment_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def interrupted(team: Team, monkeypatch: pytest.MonkeyPatch) -> CertificateRequest:
    """A request whose key backend did not answer: intent on record, nothing signed."""
    with monkeypatch.context() as patched:

        def unavailable(*_: object) -> bytes:
            raise UpstreamUnavailable

        patched.setattr(authority_signing, "sign_tbs", unavailable)
        with pytest.raises(UpstreamUnavailable):
            issuance.submit(enrollment_of(team, make_csr("www.example.com")))
    request = CertificateRequest.objects.get()
    assert request.state == RequestState.SIGNING
    return request


def age(request: CertificateRequest) -> None:
    CertificateRequest.objects.filter(pk=request.pk).update(
        signing_since=clock.now() - timedelta(minutes=3)
    )


def test_an_interrupted_request_is_finished_with_the_serial_number_on_record(interrupted):
    age(interrupted)

    assert sweeps.reconcile() == "finished 1, failed 0"

    certificate = Certificate.objects.get(request=interrupted)
    assert certificate.serial_number == interrupted.serial_number
    parsed = x509.load_der_x509_certificate(bytes(certificate.der))
    assert parsed.tbs_certificate_bytes == bytes(interrupted.tbs_der)
    assert sweeps.reconcile() == "finished 0, failed 0"


def test_a_fresh_request_is_left_to_its_worker(interrupted):
    assert sweeps.reconcile() == "finished 0, failed 0"
    interrupted.refresh_from_db()
    assert interrupted.state == RequestState.SIGNING


def test_what_cannot_be_finished_fails_and_its_serial_number_is_revoked(
    team, interrupted, sealwright
):
    authority_services.disable_authority(sealwright, team.authority)
    age(interrupted)

    assert sweeps.reconcile() == "finished 0, failed 1"

    interrupted.refresh_from_db()
    assert interrupted.state == RequestState.FAILED
    assert interrupted.failure
    assert status_of(team.authority, interrupted.serial_number).status == "revoked"
    assert not Certificate.objects.exists()
    assert AuditEvent.objects.filter(event="certificate.issue_failed").count() == 1


def test_expired_certificates_are_marked_once_with_an_event(ask):
    certificate = ask("www.example.com").certificate
    Certificate.objects.filter(pk=certificate.pk).update(not_after=clock.now() - timedelta(hours=1))

    assert sweeps.mark_expired() == "marked 1"
    assert sweeps.mark_expired() == "marked 0"

    assert Certificate.objects.get().state == CertificateState.EXPIRED
    assert AuditEvent.objects.filter(event="certificate.expired").count() == 1


def test_a_keyring_that_is_away_for_a_while_costs_no_request(team, monkeypatch):
    requested = RequestedContent(subject=(("common_name", "www.example.com"),))
    with monkeypatch.context() as patched:
        patched.setattr(authority_signing, "sign_tbs", refuse_to_sign)
        with pytest.raises(UpstreamUnavailable):
            issuance.submit(enrollment_of(team, requested=requested))
    request = CertificateRequest.objects.get()
    age(request)

    def away() -> keyring.Keyring:
        raise keyring.KeyringMissing

    with monkeypatch.context() as patched:
        patched.setattr(keyring, "load_keyring", away)
        assert sweeps.reconcile() == "finished 0, failed 0"
    assert sweeps.reconcile() == "finished 1, failed 0"
    assert Certificate.objects.get().sealed_private_key


@pytest.mark.parametrize("broken", [0, 1])
def test_a_request_that_cannot_be_read_does_not_keep_others_waiting(team, monkeypatch, broken):
    with monkeypatch.context() as patched:
        patched.setattr(authority_signing, "sign_tbs", refuse_to_sign)
        for name in ("a.example.com", "b.example.com"):
            with pytest.raises(UpstreamUnavailable):
                issuance.submit(enrollment_of(team, make_csr(name)))
    requests = list(CertificateRequest.objects.order_by("id"))
    for request in requests:
        age(request)
    CertificateRequest.objects.filter(pk=requests[broken].pk).update(tbs_der=b"junk")

    assert sweeps.reconcile() == "finished 1, failed 0"
    assert Certificate.objects.get().request_id == requests[1 - broken].pk


def refuse_to_sign(*_: object) -> bytes:
    raise UpstreamUnavailable


def test_requests_of_a_disabled_authority_do_not_starve_others(team, monkeypatch):
    monkeypatch.setattr(sweeps, "BATCH", 1)
    Pairing.objects.filter(pk=team.pairing.pk).update(requires_approval=True)
    names = ("a.example.com", "b.example.com")
    for name in names:
        issuance.submit(enrollment_of(team, make_csr(name)))
    waiting, other = CertificateRequest.objects.order_by("id")
    long_ago = clock.now() - timedelta(minutes=9)
    CertificateRequest.objects.update(state=RequestState.APPROVED, updated_at=long_ago)
    CertificateRequest.objects.filter(pk=other.pk).update(
        updated_at=long_ago + timedelta(minutes=1)
    )
    tried = []

    def sign_approved(_principal, request):
        tried.append(request.pk)
        if request.pk == waiting.pk:
            raise InvalidTransition("The authority is disabled.")

    monkeypatch.setattr(sweeps.approvals, "sign_approved", sign_approved)
    sweeps.reconcile()
    sweeps.reconcile()

    assert tried == [waiting.pk, other.pk]
