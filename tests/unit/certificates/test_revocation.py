"""Revocation only moves forward, and ledger, CRL and audit log follow it."""

from datetime import timedelta

import pytest

from apps import clock
from apps.applications.roles import Role
from apps.authorities import ledger
from apps.authorities.models import RevokedSerial
from apps.certificates import revocation
from apps.certificates.models import Certificate, CertificateState
from apps.errors import (
    AccessDenied,
    AlreadyRevoked,
    BadRevocationReason,
    InvalidTransition,
    NotFound,
)
from apps.jobs.models import Job
from pki.reasons import RevocationReason

pytestmark = pytest.mark.django_db


@pytest.fixture
def certificate(ask) -> Certificate:
    return ask("www.example.com").certificate


@pytest.mark.parametrize("reason", list(RevocationReason))
def test_every_reason_of_rfc5280_is_accepted(team, certificate, reason):
    revocation.revoke(team.principal(), certificate, reason)

    held = reason == RevocationReason.CERTIFICATE_HOLD
    found = Certificate.objects.get(pk=certificate.pk)
    assert found.state == (CertificateState.HELD if held else CertificateState.REVOKED)
    assert RevokedSerial.objects.get().reason == reason
    assert ledger.status_of(team.authority, certificate.serial_number).status == "revoked"
    assert Job.objects.filter(kind="crl.publish").exists()


def test_revoking_twice_is_refused(team, certificate):
    revocation.revoke(team.principal(), certificate, RevocationReason.SUPERSEDED)
    with pytest.raises(AlreadyRevoked):
        revocation.revoke(team.principal(), certificate, RevocationReason.KEY_COMPROMISE)
    assert RevokedSerial.objects.get().reason == RevocationReason.SUPERSEDED


def test_a_hold_can_be_released(team, certificate):
    revocation.revoke(team.principal(), certificate, RevocationReason.CERTIFICATE_HOLD)
    revocation.remove_hold(team.principal(), certificate)

    assert Certificate.objects.get(pk=certificate.pk).state == CertificateState.ACTIVE
    assert ledger.status_of(team.authority, certificate.serial_number).status == "good"


def test_a_released_certificate_can_be_held_and_revoked_again(team, certificate):
    who = team.principal()
    revocation.revoke(who, certificate, RevocationReason.CERTIFICATE_HOLD)
    revocation.remove_hold(who, certificate)
    revocation.revoke(who, certificate, RevocationReason.CERTIFICATE_HOLD)
    revocation.revoke(who, certificate, RevocationReason.KEY_COMPROMISE)

    assert RevokedSerial.objects.get().reason == RevocationReason.KEY_COMPROMISE
    assert ledger.status_of(team.authority, certificate.serial_number).status == "revoked"
    with pytest.raises(InvalidTransition):
        revocation.remove_hold(who, certificate)


def test_only_holds_are_released(team, certificate):
    revocation.revoke(team.principal(), certificate, RevocationReason.SUPERSEDED)
    with pytest.raises(InvalidTransition):
        revocation.remove_hold(team.principal(), certificate)


def test_an_auditor_cannot_revoke(team, certificate):
    with pytest.raises(AccessDenied):
        revocation.revoke(team.principal(Role.AUDITOR), certificate, RevocationReason.UNSPECIFIED)


def test_pv06_another_team_cannot_revoke(certificate, other_team):
    with pytest.raises(NotFound):
        revocation.revoke(
            other_team.principal(Role.ADMIN), certificate, RevocationReason.UNSPECIFIED
        )
    assert not RevokedSerial.objects.exists()


def test_a_future_invalidity_date_is_refused(team, certificate):
    with pytest.raises(BadRevocationReason):
        revocation.revoke(
            team.principal(),
            certificate,
            RevocationReason.KEY_COMPROMISE,
            invalidity_date=clock.now() + timedelta(days=1),
        )


def test_an_expired_certificate_is_not_revoked(team, certificate):
    Certificate.objects.filter(pk=certificate.pk).update(state=CertificateState.EXPIRED)
    with pytest.raises(InvalidTransition):
        revocation.revoke(team.principal(), certificate, RevocationReason.UNSPECIFIED)
