"""Tokens that a process has cached count as long as nothing has changed, and no longer."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps import clock
from apps.applications.models import ApiToken, ApplicationUserObjectPermission, Pairing
from apps.audit.models import AuditEvent
from apps.certificates.models import Certificate, CertificateRequest, RequestState
from tests.factories.applications import Team, make_machine, make_token
from tests.factories.keys import make_csr
from tests.protocol.api.test_certificate_requests import URL, pem
from tests.served import Client

pytestmark = pytest.mark.django_db
TOKENS = ApiToken._meta.db_table


@pytest.fixture
def ask(client: Client, team: Team):
    """Send a request with a token that has issued before, so that it is cached."""
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

    assert call().status_code == 201
    return call


def close_the_api() -> None:
    Pairing.objects.update(api_enabled=False)


def test_a_cached_token_costs_no_query_of_its_table(ask):
    issued = Certificate.objects.count()
    with CaptureQueriesContext(connection) as queries:
        assert ask().status_code == 201
    assert not [one for one in queries.captured_queries if TOKENS in one["sql"]]
    assert Certificate.objects.count() == issued + 1


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
        (close_the_api, 403),
    ],
    ids=["role", "scope", "API closed"],
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


def test_use_is_written_down_once_a_minute(ask, frozen_clock):
    noted = ApiToken.objects.get().last_used_at
    frozen_clock.shift(61)
    with CaptureQueriesContext(connection) as queries:
        for _ in range(3):
            assert ask().status_code == 201
    assert len([one for one in queries.captured_queries if f'UPDATE "{TOKENS}"' in one["sql"]]) == 1
    assert ApiToken.objects.get().last_used_at > noted
