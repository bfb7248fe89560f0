"""Approvals need a second person, and each is used once."""

from datetime import timedelta

import pytest

from apps import clock
from apps.applications import services as application_services
from apps.applications.roles import Role
from apps.audit.models import AuditEvent
from apps.certificates import approvals, issuance, sweeps
from apps.certificates.models import Certificate, CertificateRequest, RequestState
from apps.certificates.outcomes import Issued
from apps.errors import AccessDenied, InvalidTransition, PolicyViolation
from apps.policies import services as policy_services
from apps.principals import Principal
from apps.profiles import services as profile_services
from apps.profiles.requested_content import RequestedContent
from tests.factories.applications import Team
from tests.factories.authorities import make_issuing
from tests.factories.keys import make_csr
from tests.unit.certificates.conftest import enrollment_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def waiting(team: Team) -> CertificateRequest:
    team.pairing.requires_approval = True
    team.pairing.save()
    pending = issuance.submit(enrollment_of(team, make_csr("www.example.com")))
    return CertificateRequest.objects.select_related("application").get(pk=pending.request.pk)


def test_approval_by_another_member_issues(team, waiting):
    result = approvals.approve(team.principal(Role.ADMIN), waiting)

    assert result.request.state == RequestState.ISSUED
    assert Certificate.objects.get().request_id == waiting.pk
    assert AuditEvent.objects.filter(event="approval.granted").count() == 1


def test_the_requester_cannot_approve(team):
    team.pairing.requires_approval = True
    team.pairing.save()
    admin = team.principal(Role.ADMIN)
    own = issuance.submit(enrollment_of(team, make_csr("a.example.com"), principal=admin)).request

    with pytest.raises(AccessDenied):
        approvals.approve(admin, own)
    assert CertificateRequest.objects.get(pk=own.pk).state == RequestState.PENDING_APPROVAL


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.AUDITOR])
def test_only_admins_approve(team, waiting, role):
    with pytest.raises(AccessDenied):
        approvals.approve(team.principal(role), waiting)


def test_an_approval_is_consumed_once(team, waiting):
    approvals.approve(team.principal(Role.ADMIN), waiting)
    with pytest.raises(InvalidTransition):
        approvals.approve(team.principal(Role.ADMIN), waiting)
    assert Certificate.objects.count() == 1


def test_a_denied_request_stays_denied(team, waiting):
    approvals.deny(team.principal(Role.ADMIN), waiting, "not this name")

    with pytest.raises(InvalidTransition):
        approvals.approve(team.principal(Role.ADMIN), waiting)
    found = CertificateRequest.objects.get(pk=waiting.pk)
    assert (found.state, found.failure) == (RequestState.REJECTED, "not this name")


def test_the_requester_may_withdraw(team, waiting):
    approvals.cancel(team.principal(), waiting)
    assert CertificateRequest.objects.get(pk=waiting.pk).state == RequestState.CANCELLED


def test_rules_tightened_while_waiting_hold_for_the_request_too(team, waiting, sealwright):
    policy_services.update_policy(
        sealwright,
        team.profile.policy,
        rules={"subject_alt_names": [{"type": "dns_name", "allowed": ["*.example.org"]}]},
    )

    with pytest.raises(PolicyViolation):
        approvals.approve(team.principal(Role.ADMIN), waiting)

    assert CertificateRequest.objects.get(pk=waiting.pk).state == RequestState.REJECTED
    assert not Certificate.objects.exists()


def test_ac05_a_profile_detached_while_waiting_issues_nothing(team, waiting, sealwright):
    application_services.detach_profile(sealwright, team.pairing)
    refused_as(team, waiting, "request.profile_detached")


def test_ac05_a_profile_moved_to_another_issuer_while_waiting_issues_nothing(
    team, waiting, sealwright
):
    profile_services.update_profile(sealwright, team.profile, authority=make_issuing("other"))
    refused_as(team, waiting, "request.issuer_changed")


def refused_as(team: Team, request: CertificateRequest, code: str) -> None:
    with pytest.raises(PolicyViolation) as caught:
        approvals.approve(team.principal(Role.ADMIN), request)
    assert [violation.code for violation in caught.value.violations] == [code]
    assert CertificateRequest.objects.get(pk=request.pk).state == RequestState.REJECTED
    assert not Certificate.objects.exists()


@pytest.mark.parametrize("waited_days", [1, 3])
def test_a_start_asked_for_in_advance_is_kept_or_is_now(frozen_clock, team, waited_days):
    team.pairing.requires_approval = True
    team.pairing.save()
    start = clock.now_s() + timedelta(days=2)
    requested = RequestedContent(not_before=start)
    pending = issuance.submit(enrollment_of(team, make_csr("www.example.com"), requested)).request

    frozen_clock.shift(timedelta(days=waited_days))
    certificate = approvals.approve(team.principal(Role.ADMIN), pending).certificate
    assert certificate.not_before == max(start, clock.now_s())
    assert certificate.not_after - certificate.not_before == timedelta(days=90, seconds=-1)


def test_a_request_approved_just_now_is_left_to_its_approver(team, waiting, monkeypatch):
    CertificateRequest.objects.update(updated_at=clock.now() - timedelta(days=1))
    seen: list[str] = []

    def meanwhile(principal: Principal, request: CertificateRequest) -> Issued:
        monkeypatch.undo()
        seen.append(sweeps.reconcile())
        return approvals.sign_approved(principal, request)

    monkeypatch.setattr(approvals, "sign_approved", meanwhile)
    approvals.approve(team.principal(Role.ADMIN), waiting)
    assert seen == ["finished 0, failed 0"]
