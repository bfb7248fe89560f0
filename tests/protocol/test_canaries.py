"""No secret appears where it must not: marked secrets go in, everything written is searched.

Searched: log lines as the configured handler writes them, every row of every table (audit
events, jobs, queued tasks, requests, certificates ...), and the bodies of refusals and faults.
"""

import base64
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from django.apps import apps

from apps.certificates import selectors
from apps.principals import ProductRole
from tests.factories.accounts import PASSWORD, make_person
from tests.factories.applications import make_machine, make_token
from tests.served import Client

pytestmark = pytest.mark.django_db

_EXPORT_PASSWORD = "canary-export-passphrase"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the console handler of our logging configuration really writes."""
    console = next(
        handler
        for handler in logging.getLogger().handlers
        if type(handler) is logging.StreamHandler
    )
    written = io.StringIO()
    before = console.setStream(written)
    yield written
    console.setStream(before)


@pytest.fixture
def token(team) -> str:
    return make_token(make_machine(team.application))


@pytest.fixture
def api(token) -> Client:
    return Client(headers={"Authorization": f"Bearer {token}"}, raise_request_exception=False)


def post(api: Client, path: str, body: Any) -> Any:
    return api.post(f"/api/v1/{path}", json.dumps(body), content_type="application/json")


def issue_with_key(api: Client, team: Any, name: str = "canary.example.com") -> dict[str, Any]:
    answer = post(
        api,
        "certificate-requests/",
        {
            "application": team.application.name,
            "profile": team.profile.name,
            "key": {"algorithm": "ec-p256"},
            "subject": {"common_name": name},
            "subject_alt_names": [name],
        },
    )
    assert answer.status_code == 201, answer.content
    return answer.json()


def shapes_of_key(pem: str) -> dict[str, bytes]:
    """Return the forms in which a private key could leak."""
    key = load_pem_private_key(pem.encode(), None)
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    scalar = key.private_numbers().private_value.to_bytes(32, "big")
    return {
        "DER": der,
        "base64": base64.b64encode(der)[40:120],
        "first PEM line": pem.splitlines()[1].encode(),
        "scalar": scalar,
        "scalar in hex": scalar.hex().encode(),
    }


def everything_stored() -> bytes:
    """Return all values of all rows of all tables, one after the other."""
    parts: list[bytes] = []
    for model in apps.get_models():
        for row in model._base_manager.values_list():
            for value in row:
                if isinstance(value, bytes | memoryview):
                    parts.append(bytes(value))
                else:
                    parts.append(json.dumps(value, default=str).encode())
    return b"\n".join(parts)


def assert_absent(secrets: dict[str, bytes], haystack: bytes, where: str) -> None:
    found = [name for name, secret in secrets.items() if secret in haystack]
    assert not found, f"{found} found in {where}"


def test_search_would_find_a_key_that_lies_open(team, api):
    """The search itself: public bytes that are stored are found."""
    certificate = issue_with_key(api, team)["certificate"]
    assert certificate["serial_number"].encode() in everything_stored()
    assert team.application.name.encode() in everything_stored()


def test_issued_key_is_stored_sealed_only_and_never_logged(team, api, token, log):
    issued = issue_with_key(api, team)
    secrets = shapes_of_key(issued["private_key_pem"]) | {"token": token.encode()}

    assert_absent(secrets, everything_stored(), "the database")
    assert_absent(secrets, log.getvalue().encode(), "the log")


def test_export_passwords_leave_no_trace(team, api, token, log):
    issued = issue_with_key(api, team)
    path = f"certificates/{issued['certificate']['id']}/export/"
    for form in ("pkcs12", "private-key"):
        answer = post(api, path, {"format": form, "password": _EXPORT_PASSWORD})
        assert answer.status_code == 200, answer.content
    refused = post(api, path, {"format": "jks", "password": _EXPORT_PASSWORD})
    assert refused.status_code == 422

    secrets = shapes_of_key(issued["private_key_pem"]) | {
        "token": token.encode(),
        "password": _EXPORT_PASSWORD.encode(),
    }
    assert_absent(secrets, everything_stored(), "the database")
    assert_absent(secrets, log.getvalue().encode(), "the log")
    assert_absent(secrets, refused.content, "the refusal")


def test_refusals_do_not_echo_credentials(team, api, token, log):
    refusals = [
        post(api, "certificate-requests/", {"password": _EXPORT_PASSWORD, "token": token}),
        api.post("/api/v1/certificate-requests/", b"{not json", content_type="application/json"),
        api.get(f"/api/v1/certificates/?application={token}"),
        api.get(f"/api/v1/{token}/"),
        Client(headers={"Authorization": f"Bearer {token[:-1]}x"}).get("/api/v1/certificates/"),
    ]
    secrets = {"token": token.encode(), "password": _EXPORT_PASSWORD.encode()}
    assert [refusal.status_code for refusal in refusals[:2]] == [400, 400]
    assert refusals[4].status_code == 401
    for refusal in refusals[:2] + refusals[4:]:
        assert_absent(secrets, refusal.content, f"{refusal.status_code} {refusal.content!r}")
    assert_absent(secrets, log.getvalue().encode(), "the log")
    assert_absent(secrets, everything_stored(), "the database")


def test_a_fault_gives_nothing_away_and_is_logged_redacted(team, api, token, log, monkeypatch):
    issued = issue_with_key(api, team)

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError(f"cannot work with {token} and\n{issued['private_key_pem']}")

    monkeypatch.setattr(selectors, "certificate_visible_to", broken)
    answer = api.get(f"/api/v1/certificates/{issued['certificate']['id']}/")

    assert answer.status_code == 500
    assert answer["Content-Type"] == "application/problem+json"
    secrets = shapes_of_key(issued["private_key_pem"]) | {"token": token.encode()}
    assert_absent(secrets, answer.content, "the 500")
    assert b"RuntimeError" not in answer.content
    assert "RuntimeError" in log.getvalue(), "the fault must be in the log"
    assert_absent(secrets, log.getvalue().encode(), "the log")


def test_login_passwords_leave_no_trace(log):
    make_person("ada", role=ProductRole.ADMIN)
    browser = Client()
    for password in (PASSWORD, "canary-wrong-password"):
        browser.post("/admin/login/", {"username": "ada", "password": password}, secure=True)
    secrets = {"password": PASSWORD.encode(), "wrong password": b"canary-wrong-password"}
    assert_absent(secrets, log.getvalue().encode(), "the log")
    assert_absent(secrets, everything_stored(), "the database")
