"""Revocation only moves forward, and ledger, CRL and audit log follow it."""

from datetime import timedelta

import pytest
from cryptography import x509

from apps import clock
from apps.applications.roles import Role
from apps.audit.models import AuditEvent
from apps.authorities import crl_contents, publication
from apps.authorities.models import RevokedSerial
from apps.certificates import revocation, sweeps
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
from tests.factories.authorities import status_of

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
    assert status_of(team.authority, certificate.serial_number).status == "revoked"
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
    assert status_of(team.authority, certificate.serial_number).status == "good"


def test_a_released_certificate_can_be_held_and_revoked_again(team, certificate):
    who = team.principal()
    revocation.revoke(who, certificate, RevocationReason.CERTIFICATE_HOLD)
    revocation.remove_hold(who, certificate)
    revocation.revoke(who, certificate, RevocationReason.CERTIFICATE_HOLD)
    revocation.revoke(who, certificate, RevocationReason.KEY_COMPROMISE)

    assert RevokedSerial.objects.get().reason == RevocationReason.KEY_COMPROMISE
    assert status_of(team.authority, certificate.serial_number).status == "revoked"
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


@pytest.fixture(params=["marked", "not marked yet"])
def expired(request, certificate, frozen_clock) -> Certificate:
    frozen_clock.move_to(certificate.not_after + timedelta(days=400))
    if request.param == "marked":
        sweeps.mark_expired()
    return Certificate.objects.get()


def test_an_expired_certificate_is_not_revoked_unless_that_is_said(team, expired):
    with pytest.raises(InvalidTransition, match="allow_expired"):
        revocation.revoke(team.principal(), expired, RevocationReason.KEY_COMPROMISE)
    with pytest.raises(InvalidTransition, match="hold"):
        revocation.revoke(
            team.principal(), expired, RevocationReason.CERTIFICATE_HOLD, allow_expired=True
        )
    assert not RevokedSerial.objects.exists()


def test_rfc5280_3_3_a_revocation_after_the_end_is_on_scheduled_crls(team, expired, frozen_clock):
    revocation.revoke(
        team.principal(), expired, RevocationReason.KEY_COMPROMISE, allow_expired=True
    )
    found = Certificate.objects.get()
    assert (found.state, found.revocation_reason) == ("revoked", "keyCompromise")
    event = AuditEvent.objects.get(event="certificate.revoked")
    assert event.data["reason"] == "keyCompromise"
    assert event.data["expired_at"] == found.not_after.isoformat()
    assert status_of(team.authority, found.serial_number).status == "revoked"

    hours = team.authority.crl_lifetime_hours
    listed = []
    for _ in range(6):  # at half of their lifetime, as the schedule makes them
        crl = x509.load_der_x509_crl(
            crl_contents.der_of(publication.publish_crl(team.authority.pk))
        )
        serial = int(found.serial_number, 16)
        listed.append(crl.get_revoked_certificate_by_serial_number(serial) is not None)
        frozen_clock.shift(timedelta(hours=hours / 2))
    assert listed[:2] == [True, True]
    assert not listed[-1], "an entry for an expired certificate leaves in the end"
