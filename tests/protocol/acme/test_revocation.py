"""Tests of revocation (RFC 8555 section 7.6)."""

import pytest

from apps.audit.models import AuditEvent
from apps.certificates.models import Certificate
from apps.enrollment.acme.models import AcmeAccount
from pki.algorithms import KeyAlgorithm
from tests.factories.keys import make_csr, private_key
from tests.protocol.acme.client import Acme, b64, kind
from tests.protocol.acme.conftest import url_of
from tests.served import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def certificate(trusted):
    trusted.issue(
        "www.example.com", "example.com", csr=make_csr("www.example.com", "example.com", number=3)
    )
    return Certificate.objects.get()


def revoke(client, certificate, **options):
    payload = {"certificate": b64(bytes(certificate.der))} | options.pop("payload", {})
    return client.post(client.directory["revokeCert"], payload, **options)


def state(certificate):
    certificate.refresh_from_db()
    return certificate.state


def test_a28_the_account_that_ordered_it(trusted, certificate):
    answer = revoke(trusted, certificate, payload={"reason": 4})
    assert answer.status_code == 200, answer.content
    assert not answer.content
    assert state(certificate) == "revoked"
    assert certificate.revocation_reason == "superseded"
    event = AuditEvent.objects.get(event="certificate.revoked")
    assert event.actor == f"acme:{AcmeAccount.objects.get().pk}"


def test_a28_an_account_that_is_authorized_for_all_its_names(certificate, make_trusted):
    other = make_trusted()
    other.order("www.example.com")
    assert kind(revoke(other, certificate)) == "unauthorized"
    other.order("example.com")
    assert revoke(other, certificate).status_code == 200
    assert state(certificate) == "revoked"


def test_a28_a_pending_authorization_is_none(certificate, make_trusted, trusting_endpoint):
    from apps.enrollment.acme.models import AcmeAuthorization

    other = make_trusted()
    other.order("www.example.com", "example.com")
    AcmeAuthorization.objects.filter(account__url_id=other.kid.rpartition("/")[2]).update(
        status="pending"
    )
    assert kind(revoke(other, certificate)) == "unauthorized"
    assert state(certificate) == "active"


def test_a28_whoever_holds_its_key(trusted, certificate):
    holder = Acme(Client(), trusted.directory_url, key=private_key(KeyAlgorithm.EC_P256, 3))
    answer = revoke(holder, certificate, by_jwk=True, payload={"reason": 1})
    assert answer.status_code == 200, answer.content
    assert state(certificate) == "revoked"
    assert certificate.revocation_reason == "keyCompromise"
    assert AuditEvent.objects.get(event="certificate.revoked").actor == "acme:certificate-key"


def test_a28_any_other_key_may_not(trusted, certificate):
    stranger = Acme(Client(), trusted.directory_url)
    answer = revoke(stranger, certificate, by_jwk=True)
    assert kind(answer) == "unauthorized"
    assert answer.status_code == 403
    assert (
        kind(revoke(trusted, certificate, by_jwk=True)) == "unauthorized"
    )  # an account key is none
    assert state(certificate) == "active"


def test_pv03_another_account_may_not_and_learns_nothing(trusted, certificate, make_trusted):
    other = make_trusted()
    for payload in ({}, {"reason": 99}):
        answer = revoke(other, certificate, payload=payload)
        assert kind(answer) == "unauthorized"
    assert state(certificate) == "active"


def test_pv06_another_endpoint_knows_no_such_certificate(certificate, other_team):
    from apps.applications.roles import Role
    from apps.enrollment.acme.services import endpoints as services

    there = services.enable_acme(
        other_team.principal(Role.ADMIN), other_team.pairing, require_eab=False
    )
    holder = Acme(Client(), url_of(there), key=private_key(KeyAlgorithm.EC_P256, 3))
    answer = revoke(holder, certificate, by_jwk=True)
    assert answer.status_code == 404
    assert state(certificate) == "active"


def test_a28_twice_is_already_revoked(trusted, certificate):
    revoke(trusted, certificate)
    answer = revoke(trusted, certificate, payload={"reason": 1})
    assert kind(answer) == "alreadyRevoked"
    assert answer.status_code == 400


@pytest.mark.parametrize("reason", [2, 6, 7, 8, 9, 10, 11, -1, "1", 1.0, True, [1]])
def test_a28_a_reason_that_subscribers_may_not_give(trusted, certificate, reason):
    assert kind(revoke(trusted, certificate, payload={"reason": reason})) == "badRevocationReason"
    assert state(certificate) == "active"


@pytest.mark.parametrize("text", [None, 7, "", "AA==", "A A", b64(b"junk"), "A" * 70_000])
def test_a28_the_payload_has_a_certificate(trusted, certificate, text):
    answer = trusted.post(trusted.directory["revokeCert"], {"certificate": text})
    assert answer.status_code in {400, 404}
    assert kind(answer) == "malformed"
    assert state(certificate) == "active"


def test_a28_one_changed_byte_is_another_certificate(trusted, certificate):
    der = bytearray(bytes(certificate.der))
    der[-1] ^= 1
    certificate.der = bytes(der)
    assert revoke(trusted, certificate).status_code == 404
    assert state(certificate) == "active"


def test_a_certificate_from_another_method_of_the_pair_is_revoked_by_its_key_only(trusted, team):
    from apps.certificates import issuance
    from tests.unit.certificates.conftest import enrollment_of

    issued = issuance.submit(enrollment_of(team, make_csr("api.example.com", number=5))).certificate
    assert kind(revoke(trusted, issued)) == "unauthorized"
    holder = Acme(Client(), trusted.directory_url, key=private_key(KeyAlgorithm.EC_P256, 5))
    assert revoke(holder, issued, by_jwk=True).status_code == 200
