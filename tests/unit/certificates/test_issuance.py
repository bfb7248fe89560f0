"""The pipeline issues what was decided, and refuses everything else with all reasons."""

import hashlib
from dataclasses import replace

import pytest
from cryptography import x509

from apps.applications import pairings
from apps.applications import services as application_services
from apps.applications.roles import Role
from apps.audit.models import AuditEvent
from apps.authorities.models import IssuedSerial
from apps.certificates import issuance, key_material
from apps.certificates.enrollment import Enrollment
from apps.certificates.models import Certificate, CertificateRequest, RequestState
from apps.certificates.outcomes import Issued, Pending
from apps.errors import AccessDenied, BadCSR, InvalidTransition, NotFound, PolicyViolation
from apps.profiles.requested_content import RequestedContent
from pki import keys
from pki.algorithms import KeyAlgorithm
from pki.template import NameConstraints
from tests.factories.applications import make_team
from tests.factories.authorities import make_root
from tests.factories.keys import make_csr
from tests.factories.profiles import make_profile
from tests.unit.certificates.conftest import enrollment_of

pytestmark = pytest.mark.django_db


def test_a_csr_becomes_a_certificate_that_the_database_knows(team, ask):
    result = ask("www.example.com")

    assert isinstance(result, Issued)
    certificate = x509.load_der_x509_certificate(bytes(result.certificate.der))
    issuer = team.authority.certificates.get(is_current=True)
    certificate.verify_directly_issued_by(x509.load_der_x509_certificate(bytes(issuer.der)))
    assert format(certificate.serial_number, "x") == result.certificate.serial_number
    assert result.request.state == RequestState.ISSUED
    assert result.certificate.policy_version == team.profile.policy.current_version
    assert result.private_key_der is None
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["www.example.com"]


def test_anc1_the_intent_names_the_digest_of_what_was_signed(ask):
    result = ask("www.example.com")

    certificate = x509.load_der_x509_certificate(bytes(result.certificate.der))
    digest = hashlib.sha256(certificate.tbs_certificate_bytes).hexdigest()
    assert (
        IssuedSerial.objects.get(serial_number=result.certificate.serial_number).tbs_sha256
        == digest
    )
    assert CertificateRequest.objects.get(pk=result.request.pk).tbs_sha256 == digest


def test_each_act_leaves_one_event(ask):
    result = ask("www.example.com")

    events = list(AuditEvent.objects.order_by("id").values_list("event", "subject_id"))
    assert events[-2:] == [
        ("request.approved", str(result.request.pk)),
        ("certificate.issued", str(result.certificate.pk)),
    ]


@pytest.mark.parametrize("algorithm", [KeyAlgorithm.EC_P256, KeyAlgorithm.ML_DSA_44])
def test_a_key_made_here_comes_with_the_certificate_and_stays_sealed(ask, algorithm):
    requested = RequestedContent(
        subject_alt_names=(("dns_name", "www.example.com"),), key_algorithm=algorithm
    )

    result = ask(requested=requested)

    key = keys.private_key_from_pkcs8(result.private_key_der, trusted=True)
    certificate = x509.load_der_x509_certificate(bytes(result.certificate.der))
    assert certificate.public_key() == key.public_key()
    stored = Certificate.objects.get(pk=result.certificate.pk)
    assert key_material.of_certificate(stored) == result.private_key_der
    assert result.private_key_der not in bytes(stored.sealed_private_key)
    assert bytes(CertificateRequest.objects.get(pk=result.request.pk).sealed_private_key) == b""


def test_every_broken_rule_is_listed_and_kept_and_nothing_is_issued(ask):
    csr = make_csr(
        "a_b.example.com",
        "*.com",
        subject=(("common_name", "elsewhere.example.net"), ("email_address", "x@example.com")),
    )

    with pytest.raises(PolicyViolation) as refusal:
        ask(csr=csr)

    assert len(refusal.value.violations) >= 3
    request = CertificateRequest.objects.get(pk=refusal.value.request_id)
    assert request.state == RequestState.REJECTED
    assert [v["code"] for v in request.violations] == [v.code for v in refusal.value.violations]
    assert bytes(request.csr_der) == csr
    assert not Certificate.objects.exists()
    assert AuditEvent.objects.filter(event="request.rejected").count() == 1


@pytest.mark.parametrize("junk", [b"", b"\x30\x80", b"-----BEGIN", b"\x30" * 100, bytes(40_000)])
def test_an_unreadable_csr_is_refused_on_record(ask, junk):
    with pytest.raises(BadCSR):
        ask(csr=junk)

    assert CertificateRequest.objects.get().state == RequestState.REJECTED
    assert not Certificate.objects.exists()


def test_evaluate_shows_what_submit_would_decide_and_leaves_no_trace(team):
    decision = issuance.evaluate(enrollment_of(team, make_csr("www.example.com")))

    assert not decision.violations
    assert decision.leaf.subject_alt_names == (("dns_name", "www.example.com"),)
    assert all(verdict.passed for verdict in decision.verdicts)
    assert not CertificateRequest.objects.exists()


def test_an_auditor_may_look_but_not_ask(team):
    with pytest.raises(AccessDenied):
        issuance.submit(
            enrollment_of(team, make_csr("a.example.com"), principal=team.principal(Role.AUDITOR))
        )
    assert not CertificateRequest.objects.exists()


def test_another_team_is_not_found(team, other_team):
    mine = enrollment_of(team, make_csr("a.example.com"))
    foreign = Enrollment(
        principal=other_team.principal(Role.ADMIN),
        pairing=mine.pairing,
        method=mine.method,
        csr=mine.csr,
    )
    with pytest.raises(NotFound):
        issuance.submit(foreign)


def test_a_disabled_authority_signs_nothing(team, sealwright, ask):
    from apps.authorities import services

    services.disable_authority(sealwright, team.authority)
    with pytest.raises(InvalidTransition):
        ask("www.example.com")
    assert not Certificate.objects.exists()


def test_a_pairing_that_requires_approval_answers_pending(team, ask):
    team.pairing.requires_approval = True
    team.pairing.save()

    result = ask("www.example.com")

    assert isinstance(result, Pending)
    assert result.request.state == RequestState.PENDING_APPROVAL
    assert not Certificate.objects.exists()
    assert not IssuedSerial.objects.filter(serial_number=result.request.serial_number).exists()


def test_x07_a_self_signed_certificate_without_subject_is_refused_on_record(team, sealwright):
    profile = make_profile("self-signed", authority=None)
    application_services.attach_profile(sealwright, team.application, profile)
    pairing = pairings.pairing_for(team.application.name, profile.name)
    requested = RequestedContent(subject_alt_names=(("dns_name", "www.example.com"),))
    nameless = replace(enrollment_of(team, requested=requested), pairing=pairing)

    shown = issuance.evaluate(nameless).violations
    with pytest.raises(PolicyViolation) as caught:
        issuance.submit(nameless)
    assert caught.value.violations == shown
    assert [violation.code for violation in shown] == ["profile.self_signed_needs_subject"]
    assert CertificateRequest.objects.get().state == RequestState.REJECTED


def test_x15_each_authority_is_asked_for_its_own_name_constraints(ask):
    limits = NameConstraints(permitted=(("dns_name", "example.com"),))
    bound = make_team("bound", authority=make_root("bound-ca", name_constraints=limits))

    def found(team, name):
        enrollment = enrollment_of(team, make_csr(name))
        return [violation.code for violation in issuance.evaluate(enrollment).violations]

    for _ in range(2):
        assert isinstance(ask("www.example.org"), Issued)
        assert found(bound, "www.example.com") == []
        assert found(bound, "www.example.org") == ["certificate.name_not_permitted"]
