"""What becomes of a reserved serial number whose process died before it stored anything?"""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import DatabaseError

from apps import clock, ids
from apps.applications.models import Pairing
from apps.audit.models import AuditEvent
from apps.authorities import ledger
from apps.authorities import signing as authority_signing
from apps.authorities.models import IssuedSerial
from apps.certificates import issuance, signing, sweeps
from apps.certificates.models import (
    Certificate,
    CertificateRequest,
    EnrollmentMethod,
    LedgerMark,
    RequestState,
)
from apps.errors import InvalidTransition, UpstreamUnavailable
from apps.keys.software import SoftwareBackend
from apps.profiles.models import Profile
from apps.profiles.requested_content import RequestedContent
from apps.statements import writes
from tests.factories.applications import Team
from tests.factories.keys import make_csr
from tests.unit.certificates.conftest import enrollment_of

pytestmark = pytest.mark.django_db

NOTHING = "finished 0, failed 0"


class Died(BaseException):
    """Ends a call as the end of its process would: nothing is caught, nothing put right."""


def die(*_: object, **__: object) -> None:
    raise Died


@pytest.fixture
def abandoned(team: Team, monkeypatch: pytest.MonkeyPatch) -> IssuedSerial:
    """A serial number that was reserved by a process that died at the key."""
    with monkeypatch.context() as patched:
        patched.setattr(authority_signing, "sign_tbs", die)
        with pytest.raises(Died):
            issuance.submit(enrollment_of(team, make_csr("www.example.com")))
    assert not CertificateRequest.objects.exists()
    reserved = IssuedSerial.objects.get(request_id__isnull=False)
    assert reserved.tbs_sha256
    return reserved


def age(minutes: int = 3) -> None:
    IssuedSerial.objects.update(created_at=clock.now() - timedelta(minutes=minutes))


def test_it_becomes_a_failed_request_with_a_revoked_serial_number(team, abandoned):
    assert ledger.status_of(team.authority, abandoned.serial_number).status == "good"
    age()

    assert sweeps.reconcile() == "finished 0, failed 1"
    assert sweeps.reconcile() == NOTHING

    request = CertificateRequest.objects.get()
    assert request.pk == abandoned.request_id
    assert request.state == RequestState.FAILED
    assert "stored" in request.failure
    assert (request.application, request.profile) == (team.application, team.profile)
    assert request.policy_version == team.profile.policy.current_version
    assert request.profile_revision == team.profile.revision
    assert request.method == EnrollmentMethod.API
    assert request.requested_by == team.principal().actor
    assert request.serial_number == abandoned.serial_number
    assert ledger.status_of(team.authority, abandoned.serial_number).status == "revoked"
    assert not Certificate.objects.exists()
    event = AuditEvent.objects.get(event="certificate.issue_failed")
    assert event.subject_id == str(request.pk)
    assert event.application_id == team.application.pk


def test_a_fresh_one_is_left_to_its_process(team, abandoned):
    assert sweeps.reconcile() == NOTHING
    assert ledger.status_of(team.authority, abandoned.serial_number).status == "good"


def test_whoever_comes_too_late_stores_nothing(team, monkeypatch):
    """The process was not dead, only slow: the reconciler has ended its request meanwhile."""
    real = authority_signing.sign_tbs

    def slow(*given: object) -> bytes:
        age()
        assert sweeps.reconcile() == "finished 0, failed 1"
        return real(*given)

    monkeypatch.setattr(authority_signing, "sign_tbs", slow)
    with pytest.raises(InvalidTransition):
        issuance.submit(enrollment_of(team, make_csr("www.example.com")))

    assert not Certificate.objects.exists()
    assert CertificateRequest.objects.get().state == RequestState.FAILED
    assert not AuditEvent.objects.filter(event="certificate.issued").exists()


def test_whoever_is_just_in_time_is_left_alone(ask, team, monkeypatch):
    """The reconciler has found the number before, and looks for the request too late."""
    from apps.certificates import abandoned

    issued = ask("www.example.com")
    reserved = IssuedSerial.objects.select_related("authority").get(request_id=issued.request.pk)
    assert not abandoned._end(team.principal(), reserved)
    assert CertificateRequest.objects.get().state == RequestState.ISSUED
    assert ledger.status_of(team.authority, reserved.serial_number).status == "good"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("lost", ["profile", "event"])
def test_what_it_belonged_to_may_be_gone(team, abandoned, lost):
    if lost == "profile":
        Pairing.objects.all().delete()
        Profile.objects.filter(pk=team.profile.pk).delete()
    else:
        IssuedSerial.objects.filter(pk=abandoned.pk).update(request_id=ids.uuid7())
    age()

    assert sweeps.reconcile() == "finished 0, failed 1"
    assert sweeps.reconcile() == NOTHING

    assert not CertificateRequest.objects.exists()
    assert ledger.status_of(team.authority, abandoned.serial_number).status == "revoked"
    assert AuditEvent.objects.filter(event="certificate.issue_failed").count() == 1


def test_serial_numbers_without_a_request_are_none_of_its_business(team):
    ledger.reserve_serial(team.authority.pk, "0badcafe", "0" * 64, clock.now())
    age()
    assert sweeps.reconcile() == NOTHING
    assert ledger.status_of(team.authority, "0badcafe").status == "good"


def test_what_was_compared_once_is_not_read_again(ask, django_assert_num_queries):
    for number in range(3):
        ask(f"www{number}.example.com")
    age()
    sweeps.reconcile()
    assert LedgerMark.objects.get().serial_id == 0  # a neighbour might still show up
    age(20)
    sweeps.reconcile()
    newest = IssuedSerial.objects.order_by("-pk").first()
    assert LedgerMark.objects.get().serial_id == newest.pk
    assert LedgerMark.objects.count() == 1


def test_one_that_cannot_be_ended_does_not_keep_others_waiting(team, monkeypatch):
    monkeypatch.setattr(authority_signing, "sign_tbs", die)
    for name in ("a.example.com", "b.example.com"):
        with pytest.raises(Died):
            issuance.submit(enrollment_of(team, make_csr(name)))
    first, second = IssuedSerial.objects.filter(request_id__isnull=False).order_by("pk")
    real = ledger.revoke_serial

    def failing(authority: object, serial_hex: str, **options: object) -> None:
        if serial_hex == first.serial_number:
            raise DatabaseError
        real(authority, serial_hex, **options)

    age(20)
    with monkeypatch.context() as patched:
        patched.setattr(ledger, "revoke_serial", failing)
        assert sweeps.reconcile() == "finished 0, failed 1"
    assert CertificateRequest.objects.get().pk == second.request_id
    assert sweeps.reconcile() == "finished 0, failed 1"
    assert CertificateRequest.objects.filter(state=RequestState.FAILED).count() == 2


# --- who is written down when -----------------------------------------------------------------


def written_at_signing(team: Team, monkeypatch: pytest.MonkeyPatch, **options: object) -> bool:
    """Tell whether the request is on record when the key is used."""
    seen: list[bool] = []
    real = authority_signing.sign_tbs

    def looking(*given: object) -> bytes:
        seen.append(CertificateRequest.objects.filter(state=RequestState.SIGNING).exists())
        return real(*given)

    with monkeypatch.context() as patched:
        patched.setattr(authority_signing, "sign_tbs", looking)
        issued = issuance.submit(enrollment_of(team, **options))
    assert CertificateRequest.objects.get(pk=issued.request.pk).state == RequestState.ISSUED
    assert bytes(CertificateRequest.objects.get(pk=issued.request.pk).tbs_der) == b""
    assert IssuedSerial.objects.filter(request_id=issued.request.pk).count() == 1
    assert seen
    return seen[-1]


def test_a_request_that_nobody_looks_for_comes_with_its_certificate(team, monkeypatch):
    assert not written_at_signing(team, monkeypatch, csr=make_csr("www.example.com"))


@pytest.mark.parametrize(
    "options",
    [
        {"request_id": ids.uuid7()},
        {"also": lambda _certificate: None},
        {
            "csr": None,
            "requested": RequestedContent(subject_alt_names=(("dns_name", "www.example.com"),)),
        },
    ],
    ids=["identifier", "company", "key"],
)
def test_anc1_what_somebody_else_needs_is_written_before(team, monkeypatch, options):
    given = {"csr": make_csr("www.example.com")} | options
    assert written_at_signing(team, monkeypatch, **given)


def test_anc1_a_renewal_is_written_before(ask, team, monkeypatch):
    certificate = ask("www.example.com").certificate
    assert written_at_signing(
        team, monkeypatch, csr=make_csr("www.example.com"), replaces=certificate
    )


def test_anc1_what_a_key_elsewhere_signs_is_written_before(team, monkeypatch):
    monkeypatch.setattr(SoftwareBackend, "in_process", False)
    assert written_at_signing(team, monkeypatch, csr=make_csr("www.example.com"))


@pytest.mark.parametrize("fault", [UpstreamUnavailable(), RuntimeError("no memory")])
def test_a_key_that_fails_leaves_the_request_to_the_reconciler(team, monkeypatch, fault):
    def failing(*_: object) -> bytes:
        raise fault

    with monkeypatch.context() as patched:
        patched.setattr(authority_signing, "sign_tbs", failing)
        with pytest.raises(type(fault)):
            issuance.submit(enrollment_of(team, make_csr("www.example.com")))
    request = CertificateRequest.objects.get()
    assert request.state == RequestState.SIGNING
    CertificateRequest.objects.update(signing_since=clock.now() - timedelta(minutes=3))
    age()

    assert sweeps.reconcile() == "finished 1, failed 0"
    assert Certificate.objects.get().serial_number == request.serial_number


def test_a_certificate_that_cannot_be_stored_leaves_nothing_but_the_number(team, monkeypatch):
    real = writes._send
    calls = SimpleNamespace(count=0)

    def failing(batch: writes.Batch) -> bool:
        calls.count += 1
        if calls.count == 2:
            raise DatabaseError("gone")
        return real(batch)

    with monkeypatch.context() as patched:
        patched.setattr(writes, "_send", failing)
        with pytest.raises(DatabaseError):
            issuance.submit(enrollment_of(team, make_csr("www.example.com")))
    assert not CertificateRequest.objects.exists()
    assert not Certificate.objects.exists()
    age()
    assert sweeps.reconcile() == "finished 0, failed 1"


def test_the_signature_is_made_only_after_the_number_is_on_record(team, monkeypatch):
    real = signing.signed_row

    def looking(request: CertificateRequest, *given: object) -> Certificate:
        reserved = IssuedSerial.objects.get(request_id=request.pk)
        assert reserved.tbs_sha256 == request.tbs_sha256
        assert AuditEvent.objects.filter(subject_id=str(request.pk)).exists()
        return real(request, *given)

    monkeypatch.setattr(signing, "signed_row", looking)
    assert issuance.submit(enrollment_of(team, make_csr("www.example.com"))).stored_here
