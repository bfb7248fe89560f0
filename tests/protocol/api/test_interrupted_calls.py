"""A revocation or release whose process dies is repeated under its key as if it had not been."""

import json

import pytest

from apps import sealing
from apps.applications.roles import Role
from apps.audit.models import AuditEvent
from apps.certificates import issuance
from apps.certificates.models import Certificate, IdempotentCall
from tests.factories.applications import make_machine, make_token
from tests.factories.keys import make_csr
from tests.protocol.api.conftest import code_of
from tests.served import Client
from tests.unit.certificates.conftest import enrollment_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def certificate(team, keyring) -> Certificate:
    return issuance.submit(enrollment_of(team, make_csr("www.example.com"))).certificate


@pytest.fixture
def post(team, certificate):
    token = make_token(make_machine(team.application))

    def act(what, body=None, key="k"):
        return Client(raise_request_exception=True).post(
            f"/api/v1/certificates/{certificate.pk}/{what}/",
            json.dumps(body or {}),
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}", "Idempotency-Key": key},
        )

    return act


ACTS = [
    ("revoke", {"reason": "superseded"}, "revoked", "certificate.revoked"),
    ("revoke", {"reason": "certificateHold"}, "held", "certificate.held"),
    ("release", {}, "active", "certificate.released"),
]


@pytest.fixture(params=ACTS, ids=lambda act: act[3])
def act(request, post):
    if request.param[0] == "release":
        assert post("revoke", {"reason": "certificateHold"}, key="before").status_code == 200
    return request.param


def test_a_call_that_died_before_its_answer_was_kept_is_served_at_once(
    act, post, certificate, monkeypatch
):
    what, body, state, event = act
    kept = IdempotentCall.objects.count()

    def die(*_args, **_options):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(sealing, "seal", die)  # the last step before the answer is stored
        with pytest.raises(SystemExit):
            post(what, body)
    # Nothing is half done: neither the effect nor a key that waits for a dead call.
    certificate.refresh_from_db()
    assert certificate.state != state
    assert IdempotentCall.objects.count() == kept
    first = post(what, body)
    assert (first.status_code, first.json()["state"]) == (200, state)
    assert AuditEvent.objects.filter(event=event).count() == 1


def test_a_repeat_answers_as_the_first_call(act, post):
    what, body, state, event = act
    first, again = post(what, body), post(what, body)
    assert (again.status_code, again.json()) == (200, first.json())
    assert first.json()["state"] == state
    assert again.headers["Idempotency-Replayed"] == "true"
    assert AuditEvent.objects.filter(event=event).count() == 1


def test_a_denial_stays_on_record(team, certificate):
    token = make_token(make_machine(team.application, "auditor", role=Role.AUDITOR))
    answer = Client().post(
        f"/api/v1/certificates/{certificate.pk}/revoke/",
        "{}",
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}", "Idempotency-Key": "k"},
    )
    assert answer.status_code == 403
    assert AuditEvent.objects.filter(event="access.denied", actor="machine:auditor").exists()
    assert not IdempotentCall.objects.exists()


def test_a_refusal_leaves_the_key_free(post):
    assert code_of(post("release"), 409) == "invalid_transition"
    assert post("revoke", {"reason": "certificateHold"}, key="hold").status_code == 200
    assert post("release").status_code == 200
