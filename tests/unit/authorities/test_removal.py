"""Tests of the removal of authorities and their keys."""

from datetime import timedelta
from functools import partial

import pytest

from apps import clock
from apps.audit.models import AuditEvent
from apps.authorities import ledger, ocsp_responders, publication, services
from apps.authorities.models import CRL, Authority, IssuedSerial
from apps.errors import InUse, NotFound
from apps.jobs.models import Job
from apps.keys.models import Key
from pki.reasons import RevocationReason
from tests.factories.authorities import make_issuing, make_root, status_of
from tests.factories.profiles import make_profile

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("keyring")]


def users(principal, authority):
    with pytest.raises(InUse) as caught:
        services.delete_authority(principal, authority)
    assert Authority.objects.filter(pk=authority.pk).exists()
    assert not AuditEvent.objects.filter(event="authority.deleted").exists()
    return caught.value.users


def test_an_unused_authority_goes_with_its_ledgers_and_its_keys(sealwright):
    root = make_root()
    ocsp_responders.ensure_responder(root.pk)
    services.delete_authority(sealwright, root)
    assert not Authority.objects.exists()
    assert not CRL.objects.exists()
    assert not IssuedSerial.objects.exists()
    for key in Key.objects.all():
        assert key.destroyed_at
        assert bytes(key.sealed_private_key) == b""
    assert AuditEvent.objects.filter(event="key.destroyed").count() == 2
    assert AuditEvent.objects.filter(event="authority.deleted").count() == 1


def test_children_are_named(sealwright):
    issuing = make_issuing("issuing")
    assert users(sealwright, issuing.parent)[0] == "authority issuing"


def test_profiles_are_named(sealwright):
    root = make_root()
    make_profile("web", authority=root)
    assert users(sealwright, root) == ("profile web",)


def test_unexpired_certificates_are_counted_unless_revoked(sealwright, frozen_clock):
    root = make_root()
    end = clock.now_s() + timedelta(days=5)
    ledger.reserve_serial(root.pk, "1f", "0" * 64, end)
    ledger.reserve_serial(root.pk, "2f", "0" * 64, end)
    ledger.revoke_serial(
        root,
        "2f",
        reason=RevocationReason.UNSPECIFIED,
        revoked_at=clock.now_s(),
        not_after=end,
    )
    assert users(sealwright, root) == ("1 certificates that are neither expired nor revoked",)
    frozen_clock.shift(timedelta(days=6))
    services.delete_authority(sealwright, root)


def test_the_parent_revokes_the_certificate_of_a_child_that_goes(sealwright):
    issuing = make_issuing("issuing")
    root, serial = issuing.parent, issuing.certificates.get().serial_number
    services.delete_authority(sealwright, issuing)
    status = status_of(root, serial)
    assert status.reason == RevocationReason.CESSATION_OF_OPERATION
    assert Job.objects.filter(kind="crl.publish", idempotency_key=str(root.pk)).exists()
    services.delete_authority(sealwright, root)


@pytest.mark.parametrize(
    "act",
    [
        services.delete_authority,
        services.disable_authority,
        partial(services.update_authority, ocsp_enabled=False),
        partial(services.renew_authority, lifetime_days=10),
        lambda _principal, authority: publication.publish_crl(authority.pk),
    ],
)
def test_an_act_on_an_authority_that_has_just_gone_finds_nothing(sealwright, act):
    root = make_root()
    services.delete_authority(sealwright, Authority.objects.get(pk=root.pk))
    events = AuditEvent.objects.count()
    with pytest.raises(NotFound):
        act(sealwright, root)
    assert AuditEvent.objects.count() == events


def test_an_authority_that_goes_while_its_crl_is_made_leaves_none(sealwright, monkeypatch):
    root = make_root()
    built = publication.build_next_crl

    def meanwhile(*arguments: object) -> CRL:
        crl = built(*arguments)
        services.delete_authority(sealwright, root)
        return crl

    monkeypatch.setattr(publication, "build_next_crl", meanwhile)
    with pytest.raises(NotFound):
        publication.publish_crl(root.pk)
    assert not CRL.objects.exists()
