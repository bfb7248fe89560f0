"""The issuance pipeline when steps fail, or when other workers act between them."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError

from apps import clock, principals
from apps.applications.roles import Role
from apps.audit.models import AuditEvent
from apps.authorities import services as authority_services
from apps.authorities import signing as authority_signing
from apps.authorities.models import IssuedSerial
from apps.certificates import approvals, issuance, pipeline, sweeps
from apps.certificates.models import Certificate, CertificateRequest, RequestState
from apps.certificates.outcomes import Issued, Pending
from apps.errors import AlreadyExists, InvalidTransition, PolicyViolation, UpstreamUnavailable
from pki import lint
from pki.findings import Violation
from tests.factories.authorities import status_of
from tests.factories.keys import make_csr
from tests.unit.certificates.conftest import enrollment_of

pytestmark = pytest.mark.django_db

HOSTS = ("a.example.com", "b.example.com", "c.example.com")
SYSTEM = principals.system("tests")


def enrollments(team, **options):
    return [enrollment_of(team, make_csr(name), **options) for name in HOSTS]


@pytest.fixture
def between_the_commits(monkeypatch):
    """Return a function that has an act done once, after all signatures and before commit 2."""

    def arrange(act, after):
        real, signed = authority_signing.sign_tbs, []

        def sign_tbs(*args):
            certificate = real(*args)
            signed.append(certificate)
            if len(signed) == after:
                act()
            return certificate

        monkeypatch.setattr(authority_signing, "sign_tbs", sign_tbs)

    return arrange


def second_request():
    return CertificateRequest.objects.order_by("id")[1]


def test_another_worker_that_finishes_one_of_many_stops_none_of_them(team, between_the_commits):
    between_the_commits(lambda: pipeline.resume(second_request(), SYSTEM), after=len(HOSTS))

    outcomes = issuance.submit_many(enrollments(team))

    assert all(isinstance(outcome, Issued) for outcome in outcomes)
    assert [outcome.stored_here for outcome in outcomes] == [True, False, True]
    assert Certificate.objects.count() == len(HOSTS)
    assert AuditEvent.objects.filter(event="certificate.issued").count() == len(HOSTS)
    assert IssuedSerial.objects.filter(request_id__isnull=False).count() == len(HOSTS)


def test_a_request_given_up_meanwhile_gets_no_certificate_and_stops_no_other(
    team, between_the_commits
):
    between_the_commits(
        lambda: pipeline.give_up(second_request(), SYSTEM, "It took too long."), after=len(HOSTS)
    )

    first, second, third = issuance.submit_many(enrollments(team))

    assert isinstance(first, Issued)
    assert isinstance(third, Issued)
    assert isinstance(second, InvalidTransition)
    given_up = second_request()
    assert given_up.state == RequestState.FAILED
    assert not Certificate.objects.filter(request=given_up).exists()
    assert status_of(team.authority, given_up.serial_number).status == "revoked"


def test_an_identifier_that_exists_writes_nothing_of_all(team):
    taken = issuance.submit(enrollment_of(team, make_csr("www.example.com"))).request
    before = AuditEvent.objects.count()
    new, other = uuid4(), uuid4()
    several = [
        enrollment_of(team, make_csr(name), request_id=identifier)
        for name, identifier in zip(HOSTS, (new, taken.pk, other), strict=True)
    ]

    with pytest.raises(IntegrityError):
        issuance.submit_many(several)

    assert not CertificateRequest.objects.filter(pk__in=[new, other]).exists()
    assert IssuedSerial.objects.filter(request_id__isnull=False).count() == 1
    assert AuditEvent.objects.count() == before


def test_of_two_renewals_of_a_certificate_in_one_call_one_is_made(team, ask):
    certificate = ask("www.example.com").certificate
    two = [enrollment_of(team, make_csr("www.example.com"), replaces=certificate) for _ in range(2)]

    first, second = issuance.submit_many(two)

    assert isinstance(first, Issued)
    assert isinstance(second, AlreadyExists)
    assert Certificate.objects.filter(replaces=certificate).count() == 1


@pytest.fixture
def refusing_lint(monkeypatch):
    finding = Violation(code="lint.x", field="subject", value="", reason="It is not so.", hint="")
    monkeypatch.setattr(lint, "lint_tbs", lambda *_, **__: (finding,))


def test_a_refusal_by_the_lint_is_on_record(team, refusing_lint):
    with pytest.raises(PolicyViolation, match="It is not so") as refused:
        issuance.submit(enrollment_of(team, make_csr("www.example.com")))

    request = CertificateRequest.objects.get()
    assert refused.value.request_id == str(request.pk)
    assert request.state == RequestState.REJECTED
    assert [item["code"] for item in request.violations] == ["lint.x"]
    assert AuditEvent.objects.filter(event="request.rejected").count() == 1
    assert not IssuedSerial.objects.filter(request_id__isnull=False).exists()


def test_an_approved_request_that_the_lint_refuses_is_rejected(team, refusing_lint):
    team.pairing.requires_approval = True
    team.pairing.save()
    waiting = issuance.submit(enrollment_of(team, make_csr("www.example.com")))
    assert isinstance(waiting, Pending)

    with pytest.raises(PolicyViolation, match="It is not so"):
        approvals.approve(team.principal(Role.ADMIN), waiting.request)

    assert CertificateRequest.objects.get().state == RequestState.REJECTED


def test_a_ledger_that_lacks_a_serial_number_does_not_keep_others_waiting(
    team, monkeypatch, sealwright
):
    def unavailable(*_):
        raise UpstreamUnavailable

    with monkeypatch.context() as patched:
        patched.setattr(authority_signing, "sign_tbs", unavailable)
        issuance.submit_many(enrollments(team))
    CertificateRequest.objects.update(signing_since=clock.now() - timedelta(minutes=3))
    IssuedSerial.objects.filter(request_id=CertificateRequest.objects.earliest("id").pk).delete()
    authority_services.disable_authority(sealwright, team.authority)

    assert sweeps.reconcile() == "finished 0, failed 2"
