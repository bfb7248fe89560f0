"""No secret lies in queued tasks, stored answers, sealed keys, pages or documents.

Continues ``test_canaries``: the same search, over what is packed or rendered.
"""

import json
import re
from typing import Any

import pytest
from django.conf import settings
from django.contrib import admin as django_admin
from django_q.models import OrmQ
from django_q.signing import SignedPackage
from drf_spectacular.generators import SchemaGenerator

from apps import keyring, sealing
from apps.applications import services
from apps.applications.models import ApiToken
from apps.applications.roles import Role
from apps.audit.models import AuditEvent
from apps.authorities import views
from apps.certificates.models import Certificate, IdempotentCall
from apps.enrollment.acme.models import EabKey
from apps.enrollment.acme.services import endpoints as acme
from apps.jobs.models import Job
from apps.keys.models import Key
from apps.principals import ProductRole, Scope
from apps.web import health
from pki import keys
from tests.factories.accounts import make_person, principal_for
from tests.factories.applications import make_machine, make_token
from tests.protocol.acme.client import Acme, b64, unb64
from tests.protocol.test_canaries import (
    api,
    assert_absent,
    everything_stored,
    issue_with_key,
    log,
    post,
    shapes_of_key,
    token,
)
from tests.served import Client

pytestmark = pytest.mark.django_db
__all__ = ["api", "log", "token"]


def everything_queued() -> bytes:
    """Return all tasks that wait, unpacked (they are compressed and signed), and all jobs."""
    tasks = [repr(SignedPackage.loads(row.payload)) for row in OrmQ.objects.all()]
    jobs = [repr(values) for values in Job.objects.values_list()]
    return "\n".join(tasks + jobs).encode()


def keyring_shapes() -> dict[str, bytes]:
    """Return the forms in which the key-encryption key could leak."""
    ring = keyring.load_keyring()
    key = ring.keys[ring.current]
    return {"KEK": key, "KEK hex": key.hex().encode(), "KEK base64": b64(key)[:40].encode()}


def test_queued_tasks_and_jobs_hold_identifiers_only(team, api, token, log):
    """AC-17: revoking and issuing put work into the queue; the work names rows, no secrets."""
    issued = issue_with_key(api, team)
    revoked = post(api, f"certificates/{issued['certificate']['id']}/revoke/", {})
    assert revoked.status_code == 200
    assert OrmQ.objects.exists()
    secrets = shapes_of_key(issued["private_key_pem"]) | {"token": token.encode()}
    secrets |= keyring_shapes()
    assert b"crl.publish" in everything_queued() or Job.objects.exists()
    assert_absent(secrets, everything_queued(), "the queue")
    assert_absent(keyring_shapes(), everything_stored(), "the database")
    assert_absent(keyring_shapes(), log.getvalue().encode(), "the log")


def test_a_kept_answer_with_a_private_key_is_sealed(team, api, token, log):
    body = {
        "application": team.application.name,
        "profile": team.profile.name,
        "key": {"algorithm": "ec-p256"},
        "subject_alt_names": ["kept.example.com"],
    }
    first, again = (
        api.post(
            "/api/v1/certificate-requests/",
            json.dumps(body),
            content_type="application/json",
            headers={"Idempotency-Key": "canary"},
        ).json()
        for _ in range(2)
    )
    assert again["private_key_pem"] == first["private_key_pem"]
    assert bytes(IdempotentCall.objects.get().sealed_answer)
    secrets = shapes_of_key(first["private_key_pem"])
    assert_absent(secrets, everything_stored(), "the database")
    assert_absent(secrets, log.getvalue().encode(), "the log")


def test_keys_of_authorities_are_sealed(team):
    rows = list(Key.objects.exclude(sealed_private_key=b""))
    assert rows
    stored = everything_stored()
    for row in rows:
        der = sealing.unseal(
            bytes(row.sealed_private_key),
            context=sealing.field_context(row, "sealed_private_key"),
        )
        pem = keys.private_key_to_pem(keys.private_key_from_pkcs8(der, trusted=True)).decode()
        assert_absent(shapes_of_key(pem), stored, "the database")


def test_eab_secrets_leave_no_trace(team, log):
    """Shown by reveal and rotate; nowhere else, not even in answers to wrong bindings."""
    endpoint = acme.enable_acme(team.principal(Role.ADMIN), team.pairing, skip_validation=True)
    admin = Client(
        headers={
            "Authorization": f"Bearer {make_token(make_machine(team.application, role=Role.ADMIN))}"
        }
    )
    base = f"applications/{team.application.name}/acme/endpoints/{team.profile.name}/eab-keys/"
    made = post(admin, base, {"name": "canary", "identifiers": ["**"]}).json()
    shown = [post(admin, f"{base}{made['id']}/{act}/", {}) for act in ("reveal", "rotate")]
    secrets = [answer.json()["hmac_key"] for answer in shown]
    assert [answer.headers["Cache-Control"] for answer in shown] == ["no-store"] * 2
    client = Acme(Client(), acme_directory(team), eab=(made["kid"], secrets[0]))
    wrong = client.register()
    assert wrong.status_code in {401, 403}, "the rotated secret must be void"
    client = Acme(Client(), acme_directory(team), eab=(made["kid"], secrets[1]))
    assert client.register().status_code == 201
    again = post(admin, f"{base}{made['id']}/reveal/", {})
    assert again.status_code == 409
    listed = admin.get(f"/api/v1/{base}")

    forms = {f"{n} text": text.encode() for n, text in enumerate(secrets)}
    forms |= {f"{n} bytes": unb64(text) for n, text in enumerate(secrets)}
    forms |= {f"{n} hex": unb64(text).hex().encode() for n, text in enumerate(secrets)}
    assert EabKey.objects.filter(endpoint=endpoint).count() == 1
    assert_absent(forms, everything_stored(), "the database")
    assert_absent(forms, everything_queued(), "the queue")
    assert_absent(forms, log.getvalue().encode(), "the log")
    for answer in (wrong, again, listed):
        assert_absent(forms, answer.content, "an answer")


def acme_directory(team: Any) -> str:
    return f"/acme/{team.application.name}/{team.profile.name}/directory"


def test_a_token_made_over_the_api_is_shown_once(log, keyring):
    person = make_person("ada", role=ProductRole.ADMIN)
    _, text = services.create_token(principal_for(person), person, name="first", scopes=list(Scope))
    api = Client(headers={"Authorization": f"Bearer {text}"})
    made = post(api, "tokens/", {"name": "canary", "scopes": ["read"]})
    assert made.status_code == 201
    secret = made.json()["token"]
    assert made.headers["Cache-Control"] == "no-store"
    shown = [
        api.get("/api/v1/tokens/"),
        api.get(f"/api/v1/tokens/{made.json()['id']}/"),
        api.get("/api/v1/audit-events/"),
        post(api, f"tokens/{made.json()['id']}/revoke/", {}),
    ]
    digest = ApiToken.objects.get(name="canary").digest
    secrets = {"token": secret.encode(), "its middle": secret[20:60].encode()}
    assert_absent(secrets, everything_stored(), "the database")
    assert_absent(secrets | {"digest": digest.encode()}, log.getvalue().encode(), "the log")
    assert AuditEvent.objects.filter(event="token.created").exists()
    for answer in shown:
        assert answer.status_code == 200
        assert_absent(secrets | {"digest": digest.encode()}, answer.content, "an answer")


@pytest.mark.parametrize("path", ["/admin/certificates/certificate/", "/pki/", "/livez"])
def test_pages_about_faults_give_nothing_away(team, token, log, monkeypatch, path):
    """Outside the API, too: no exception text, no settings, no traceback."""
    secret = f"cannot work with {token}"

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError(secret)

    monkeypatch.setattr(views, "render_to_string", broken)
    monkeypatch.setattr(health, "HttpResponse", broken)
    monkeypatch.setattr(type(django_admin.site._registry[Certificate]), "get_queryset", broken)
    browser = Client(raise_request_exception=False)
    browser.force_login(make_person("ada", role=ProductRole.ADMIN))
    answer = browser.get(path)
    assert answer.status_code == 500
    hidden = {"token": token.encode(), "text": b"RuntimeError", "settings": b"SEALWRIGHT"}
    hidden |= {"traceback": b"Traceback", "secret key": settings.SECRET_KEY.encode()}
    assert_absent(hidden, answer.content, "the page")
    assert_absent({"token": token.encode()}, log.getvalue().encode(), "the log")
    assert "RuntimeError" in log.getvalue(), "the fault must be in the log"


def test_the_api_document_has_no_secret_in_it(keyring):
    document = json.dumps(SchemaGenerator().get_schema(request=None, public=True), default=str)
    assert "PRIVATE KEY-----\\nM" not in document
    assert not re.search(r"swt_[0-9a-f]{16}", document)
    assert settings.SECRET_KEY not in document
    for name, secret in keyring_shapes().items():
        assert secret.decode("latin-1") not in document, name
