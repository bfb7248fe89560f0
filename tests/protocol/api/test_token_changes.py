"""A change of a token, its owner or its rights counts from the next request."""

import json
from datetime import timedelta

import pytest
from django.test import Client

from apps import clock
from apps.applications.models import ApiToken, ApplicationUserObjectPermission, Pairing
from apps.audit.models import AuditEvent
from apps.certificates import signing
from apps.certificates.models import Certificate, CertificateRequest, RequestState
from apps.errors import UpstreamUnavailable
from tests.factories.applications import Team, make_machine, make_token
from tests.factories.keys import make_csr
from tests.protocol.api.test_certificate_requests import URL, pem

pytestmark = pytest.mark.django_db


@pytest.fixture
def ask(client: Client, team: Team):
    """Send a request with a token that has issued before."""
    token = make_token(make_machine(team.application))

    def call(*, validity: str = "", **headers: str):
        body = {
            "application": team.application.name,
            "profile": team.profile.name,
            "csr": pem(make_csr("www.example.com")),
        }
        if validity:
            body["ttl"] = validity
        return client.post(
            URL,
            data=json.dumps(body),
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}", **headers},
        )

    for _ in range(2):
        assert call().status_code == 201
    return call


def close_the_door() -> None:
    Pairing.objects.update(api_enabled=False)


@pytest.mark.parametrize(
    "change",
    [
        lambda: ApiToken.objects.update(revoked_at=clock.now()),
        lambda: ApiToken.objects.update(expiry=clock.now() - timedelta(seconds=1)),
        lambda: ApiToken.objects.update(allowed_networks=["192.0.2.0/24"]),
        lambda: ApiToken.objects.all().delete(),
        lambda: ApiToken.objects.get().user.__class__.objects.update(is_active=False),
    ],
    ids=["revoked", "expired", "other networks", "deleted", "owner disabled"],
)
def test_a_token_that_is_good_no_more_gets_nothing(ask, change):
    before = Certificate.objects.count(), CertificateRequest.objects.count()
    change()
    answer = ask()
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert (Certificate.objects.count(), CertificateRequest.objects.count()) == before


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda: ApplicationUserObjectPermission.objects.all().delete(), 404),
        (lambda: ApiToken.objects.update(scopes=["read"]), 403),
        (close_the_door, 403),
    ],
    ids=["role", "scope", "door"],
)
def test_rights_that_are_gone_count_at_once(ask, change, status):
    before = Certificate.objects.count(), CertificateRequest.objects.count()
    change()
    assert ask().status_code == status
    assert (Certificate.objects.count(), CertificateRequest.objects.count()) == before


def test_a_denial_is_recorded_once(ask):
    ApiToken.objects.update(scopes=["read"])
    assert ask().status_code == 403
    assert AuditEvent.objects.filter(event="access.denied").count() == 1


def test_a_refusal_by_policy_is_kept_once(ask):
    answer = ask(validity="900d")
    assert answer.status_code == 422
    refused = CertificateRequest.objects.get(state=RequestState.REJECTED)
    assert answer.json()["request_id"] == str(refused.pk)
    assert AuditEvent.objects.filter(subject_id=refused.pk).count() == 1


def test_a_request_that_has_to_wait_is_made_once(ask):
    Pairing.objects.update(requires_approval=True)
    assert ask().status_code == 202
    assert ask().status_code == 202
    assert CertificateRequest.objects.filter(state=RequestState.PENDING_APPROVAL).count() == 2
    waiting = AuditEvent.objects.filter(event="request.pending_approval")
    assert waiting.count() == 2


def test_what_fails_after_it_was_confirmed_is_not_done_again(ask, monkeypatch):
    before = CertificateRequest.objects.count()

    def silent(*_args: object) -> None:
        raise UpstreamUnavailable("The key backend does not answer.")

    monkeypatch.setattr(signing, "signed_row", silent)
    assert ask().status_code == 503
    assert CertificateRequest.objects.count() == before + 1


def test_use_is_still_written_down_once_a_minute(ask, frozen_clock):
    noted = ApiToken.objects.get().last_used_at
    frozen_clock.shift(61)
    for _ in range(3):
        assert ask().status_code == 201
    assert ApiToken.objects.get().last_used_at > noted
