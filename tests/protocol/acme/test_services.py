"""Tests of the services that administrators use for endpoints and EAB keys."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from apps import clock, sealing
from apps.applications.roles import Role
from apps.audit.models import AuditEvent
from apps.enrollment.acme import jws
from apps.enrollment.acme.models import AcmeAccount, AcmeEndpoint, EabKey
from apps.enrollment.acme.services import eab_keys
from apps.enrollment.acme.services import endpoints as services
from apps.errors import AccessDenied, AlreadyExists, InvalidInput, InvalidTransition, NotFound
from tests.protocol.acme.client import Acme, kind
from tests.protocol.acme.conftest import make_eab, url_of
from tests.served import Client

pytestmark = pytest.mark.django_db


def codes(refusal):
    return {violation.field for violation in refusal.value.violations}


def test_an_endpoint_is_safe_by_default(endpoint):
    assert endpoint.require_eab
    assert not endpoint.skip_validation
    assert endpoint.challenge_types == ["http-01", "dns-01", "tls-alpn-01"]
    assert AuditEvent.objects.filter(event="acme.endpoint_created").count() == 1


def test_skipping_both_proofs_is_refused_by_service_and_database(team, endpoint):
    admin = team.principal(Role.ADMIN)
    with pytest.raises(InvalidInput) as refusal:
        services.update_acme(admin, endpoint, skip_validation=True, require_eab=False)
    assert codes(refusal) == {"skip_validation"}
    services.update_acme(admin, endpoint, skip_validation=True)
    with pytest.raises(InvalidInput):
        services.update_acme(admin, endpoint, require_eab=False)
    with pytest.raises(IntegrityError), transaction.atomic():
        AcmeEndpoint.objects.update(require_eab=False)


def test_every_wrong_setting_is_listed_at_once(team):
    with pytest.raises(InvalidInput) as refusal:
        services.enable_acme(
            team.principal(Role.ADMIN),
            team.pairing,
            challenge_types=["http-01", "smtp-01"],
            http_port=0,
            tls_port=70000,
            order_lifetime_h=0,
            authz_lifetime_h=-1,
            website="javascript:alert(1)",
            allowed_networks=["10.0.0.0/8", "10.0.0.1/8"],
            limits={"x": 1},
            surprise=1,
        )
    assert codes(refusal) == {
        "challenge_types",
        "http_port",
        "tls_port",
        "order_lifetime_h",
        "authz_lifetime_h",
        "website",
        "allowed_networks[1]",
        "limits.x",
        "surprise",
    }
    assert not AcmeEndpoint.objects.exists()


def test_a_pairing_has_one_endpoint(team, endpoint):
    with pytest.raises(AlreadyExists):
        services.enable_acme(team.principal(Role.ADMIN), team.pairing)


def test_who_may_not_edit_enrollment_opens_nothing(team, other_team, outsider):
    for role in (Role.OPERATOR, Role.AUDITOR):
        with pytest.raises(AccessDenied):
            services.enable_acme(team.principal(role), team.pairing)
    for stranger in (other_team.principal(Role.ADMIN), outsider):
        with pytest.raises(NotFound):
            services.enable_acme(stranger, team.pairing)
    assert not AcmeEndpoint.objects.exists()


def test_who_may_not_edit_enrollment_touches_nothing(team, endpoint, other_team):
    key = eab_keys.create_eab_key(team.principal(Role.ADMIN), endpoint)
    acts = [
        lambda p: services.update_acme(p, endpoint, enabled=False),
        lambda p: services.update_acme(p, endpoint, enabled=False),
        lambda p: eab_keys.create_eab_key(p, endpoint),
        lambda p: eab_keys.reveal_eab_key(p, key),
        lambda p: eab_keys.rotate_eab_key(p, key),
        lambda p: eab_keys.revoke_eab_key(p, key),
    ]
    before = (
        list(AcmeEndpoint.objects.values()),
        [
            dict(row, sealed_hmac_key=bytes(row["sealed_hmac_key"]))
            for row in EabKey.objects.values()
        ],
    )
    for act in acts:
        with pytest.raises(AccessDenied):
            act(team.principal(Role.OPERATOR))
        with pytest.raises(NotFound):
            act(other_team.principal(Role.ADMIN))
    after = (
        list(AcmeEndpoint.objects.values()),
        [
            dict(row, sealed_hmac_key=bytes(row["sealed_hmac_key"]))
            for row in EabKey.objects.values()
        ],
    )
    assert before == after


def test_auditors_list_keys_without_their_secrets(team, endpoint, other_team):
    make_eab(team, endpoint, name="web")
    (row,) = eab_keys.eab_keys_of(team.principal(Role.AUDITOR), endpoint)
    assert row.name == "web"
    assert "sealed_hmac_key" in row.get_deferred_fields()
    with pytest.raises(NotFound):
        eab_keys.eab_keys_of(other_team.principal(Role.ADMIN), endpoint)


def test_a_secret_is_shown_once_and_kept_sealed(team, endpoint):
    admin = team.principal(Role.ADMIN)
    key = eab_keys.create_eab_key(admin, endpoint)
    secret = eab_keys.reveal_eab_key(admin, key)
    assert len(jws.decode(secret)) == 32
    with pytest.raises(InvalidTransition):
        eab_keys.reveal_eab_key(admin, key)
    row = EabKey.objects.get()
    assert jws.decode(secret) not in bytes(row.sealed_hmac_key)
    with pytest.raises(sealing.CannotUnseal):
        sealing.unseal(
            bytes(row.sealed_hmac_key), context="enrollment.EabKey.sealed_hmac_key:other"
        )


def test_pv07_no_secret_reaches_the_audit_log(team, endpoint):
    admin = team.principal(Role.ADMIN)
    key = eab_keys.create_eab_key(admin, endpoint, name="web")
    secrets = {eab_keys.reveal_eab_key(admin, key), eab_keys.rotate_eab_key(admin, key)}
    eab_keys.revoke_eab_key(admin, key)
    written = str(list(AuditEvent.objects.values()))
    assert not any(secret in written for secret in secrets)
    events = AuditEvent.objects.filter(event__startswith="acme.eab").order_by("id")
    assert list(events.values_list("event", flat=True)) == [
        "acme.eab_created",
        "acme.eab_revealed",
        "acme.eab_rotated",
        "acme.eab_revoked",
    ]


def test_after_rotation_the_old_secret_is_worth_nothing(team, endpoint):
    admin = team.principal(Role.ADMIN)
    kid, old = make_eab(team, endpoint)
    new = eab_keys.rotate_eab_key(admin, EabKey.objects.get())
    assert kind(Acme(Client(), url_of(endpoint), eab=(kid, old)).register()) == "unauthorized"
    assert Acme(Client(), url_of(endpoint), eab=(kid, new)).register().status_code == 201


def test_revoking_a_key_may_end_its_accounts(team, endpoint):
    admin = team.principal(Role.ADMIN)
    kept = Acme(Client(), url_of(endpoint), eab=make_eab(team, endpoint))
    kept.register()
    first = EabKey.objects.get()
    ended = Acme(Client(), url_of(endpoint), eab=make_eab(team, endpoint))
    ended.register()
    eab_keys.revoke_eab_key(admin, first)
    assert kept.post(kept.kid).status_code == 200
    eab_keys.revoke_eab_key(admin, EabKey.objects.exclude(pk=first.pk).get(), accounts=True)
    assert ended.post(ended.kid).status_code == 401
    assert AcmeAccount.objects.filter(status="revoked").count() == 1
    with pytest.raises(InvalidTransition):
        eab_keys.revoke_eab_key(admin, first)


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"restrict_to": ["a_b.example.com"]}, "identifiers[0]"),
        ({"restrict_to": ["ok.example.com", ""]}, "identifiers[1]"),
        ({"networks": ["10.0.0.1/8"]}, "networks[0]"),
        ({"networks": ["nonsense"]}, "networks[0]"),
        ({"name": "x" * 101}, "name"),
        ({"expires_at": clock.now() - timedelta(days=1)}, "expires_at"),
    ],
)
def test_terms_of_a_key_make_sense(team, endpoint, terms, field):
    with pytest.raises(InvalidInput) as refusal:
        eab_keys.create_eab_key(team.principal(Role.ADMIN), endpoint, **terms)
    assert codes(refusal) == {field}
    assert not EabKey.objects.exists()


def test_a_self_signed_profile_has_no_endpoint(team, sealwright):
    from apps.applications import services as application_services
    from tests.factories.profiles import make_profile

    profile = make_profile("selfish", authority=None)
    pairing = application_services.attach_profile(sealwright, team.application, profile)
    with pytest.raises(InvalidInput) as refusal:
        services.enable_acme(team.principal(Role.ADMIN), pairing)
    assert codes(refusal) == {"profile"}


def test_detaching_the_profile_removes_the_endpoint_and_its_accounts(team, trusted, sealwright):
    from apps.applications import services as application_services
    from apps.certificates.models import Certificate

    trusted.issue("www.example.com")
    application_services.detach_profile(sealwright, team.pairing)
    assert not AcmeEndpoint.objects.exists()
    assert not AcmeAccount.objects.exists()
    assert Certificate.objects.count() == 1
    assert trusted.get(trusted.directory_url).status_code == 404
