"""Tests of the management API of ACME, and of the rights that it needs."""

from typing import Any

import pytest

from apps import principals
from apps.applications.roles import Role
from apps.enrollment.acme.models import AcmeChallenge, AcmeEndpoint, EabKey
from apps.enrollment.acme.problems import Type, document
from apps.enrollment.acme.services import challenges
from apps.enrollment.acme.services.challenges import ValidationResult
from tests.factories.applications import Team
from tests.protocol.acme.client import Acme
from tests.protocol.api.conftest import ABSENT, Caller, code_of, fields_of
from tests.served import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def base(team: Team) -> str:
    return f"applications/{team.application.name}/acme/"


@pytest.fixture
def endpoint(team: Team, members: dict[Role, Caller], base: str) -> str:
    """An endpoint with EAB; returns its path below ``/api/v1/``."""
    made = members[Role.ADMIN].post(f"{base}endpoints/", {"profile": team.profile.name})
    assert made.status_code == 201, made.content
    return made["Location"].removeprefix("/api/v1/")


def new_key(admin: Caller, endpoint: str, **terms: Any) -> dict[str, Any]:
    made = admin.post(f"{endpoint}eab-keys/", terms)
    assert made.status_code == 201, made.content
    return made.json()


@pytest.fixture
def client(members: dict[Role, Caller], endpoint: str) -> Acme:
    """A client that registered with a key from the API."""
    admin = members[Role.ADMIN]
    key = new_key(admin, endpoint, name="cluster")
    secret = admin.post(f"{endpoint}eab-keys/{key['id']}/reveal/").json()
    directory = admin.get(endpoint).json()["directory_url"]
    found = Acme(Client(), directory, eab=(secret["kid"], secret["hmac_key"]))
    assert found.register(contact=["mailto:a@example.com"]).status_code == 201
    return found


def test_an_endpoint_is_enabled_with_safe_defaults_and_changed(team, members, endpoint):
    admin = members[Role.ADMIN]
    shown = admin.get(endpoint).json()
    names = f"/acme/{team.application.name}/{team.profile.name}/directory"
    assert shown["directory_url"].endswith(names)
    assert (shown["enabled"], shown["require_eab"], shown["skip_validation"]) == (True, True, False)
    wanted = {
        "resolvers": ["192.0.2.53", "192.0.2.53:5353", "[2001:db8::1]:53"],
        "allowed_networks": ["127.0.0.0/8"],
        "http_port": 8080,
        "challenge_types": ["dns-01"],
        "limits": {"orders_per_account": 0},
    }
    changed = admin.patch(endpoint, wanted).json()
    assert {name: changed[name] for name in wanted} == wanted
    assert changed["tls_port"] == shown["tls_port"]
    use = {row["name"]: (row["limit"], row["used"], row["by"]) for row in changed["limit_use"]}
    assert use == {
        "accounts_per_address": (500, 0, ""),
        "orders_per_account": (0, 0, ""),
        "orders_per_names": (50, 0, ""),
        "failures_per_account": (60, 0, ""),
    }


def test_a_second_endpoint_for_a_pair_is_refused(team, members, base, endpoint):
    answer = members[Role.ADMIN].post(f"{base}endpoints/", {"profile": team.profile.name})
    assert code_of(answer, 409) == "already_exists"
    assert AcmeEndpoint.objects.count() == 1


def test_every_unusable_setting_is_listed(members, endpoint):
    admin = members[Role.ADMIN]
    unreadable = {"http_port": "80", "enabled": 1, "challenge_types": ["x"], "limits": {"y": 1}}
    answer = admin.patch(endpoint, unreadable | {"kid": "z"})
    assert code_of(answer, 400) == "malformed"
    assert fields_of(answer) == {
        "http_port", "enabled", "challenge_types[0]", "limits.y", "kid",
    }  # fmt: skip
    senseless = {
        "http_port": 0,
        "resolvers": ["ns.example", "192.0.2.1:0", "192.0.2.1:99999"],
        "allowed_networks": ["10.0.0.1/8"],
        "require_eab": False,
        "skip_validation": True,
    }
    answer = admin.patch(endpoint, senseless)
    assert code_of(answer, 422) == "invalid_input"
    assert fields_of(answer) == {
        "http_port", "resolvers[0]", "resolvers[1]", "resolvers[2]", "allowed_networks[0]",
        "skip_validation",
    }  # fmt: skip


def test_a_secret_is_shown_once_and_rotated(members, endpoint):
    admin = members[Role.ADMIN]
    key = new_key(admin, endpoint, name="cluster", reusable=True, identifiers=["**.example.com"])
    assert key["state"] == "usable"
    assert "hmac_key" not in key
    path = f"{endpoint}eab-keys/{key['id']}/"
    first = admin.post(f"{path}reveal/")
    assert first["Cache-Control"] == "no-store"
    assert first.json()["kid"] == key["kid"]
    assert code_of(admin.post(f"{path}reveal/"), 409) == "invalid_transition"
    second = admin.post(f"{path}rotate/").json()
    assert second["kid"] == key["kid"]
    assert second["hmac_key"] != first.json()["hmac_key"]
    assert second["hmac_key"] not in admin.get(path).content.decode()


def test_a_revoked_key_is_revoked_for_good(members, endpoint):
    admin = members[Role.ADMIN]
    path = f"{endpoint}eab-keys/{new_key(admin, endpoint)['id']}/"
    assert admin.post(f"{path}revoke/", {}).json()["state"] == "revoked"
    for act in ("reveal", "rotate", "revoke"):
        body = {} if act == "revoke" else None
        assert code_of(admin.post(f"{path}{act}/", body), 409) == "invalid_transition"
    assert bytes(EabKey.objects.get().sealed_hmac_key) == b""


def test_accounts_and_orders_are_shown_with_why_they_are_not_valid(members, base, client):
    ordered = client.order("a.example.com", "b.example.com")
    assert ordered.status_code == 201, ordered.content
    challenge = AcmeChallenge.objects.filter(
        type="http-01", authorization__identifier_value="b.example.com"
    ).get()
    client.post(_url(client, challenge), {})
    attempt = {
        "at": "2027-01-01T00:00:00+00:00",
        "by": "worker",
        "type": "http-01",
        "identifier": "b.example.com",
        "proven": False,
        "error": "connection",
        "detail": "Nobody listens.",
        "hops": [{"url": "http://b.example.com/", "address": "192.0.2.7", "outcome": "refused"}],
        "seen": [],
    }
    challenges.record_result(
        challenge.pk,
        ValidationResult(
            proven=False,
            problem=document(Type.CONNECTION, "Nobody listens."),
            attempt=attempt,
            principal=principals.system("tests"),
        ),
    )
    auditor = members[Role.AUDITOR]
    (account,) = auditor.rows(f"{base}accounts/")
    assert account["contacts"] == ["mailto:a@example.com"]
    assert (account["orders"], account["failures"]) == (1, 1)
    assert auditor.get(f"{base}accounts/{account['id']}/").json() == account

    (order,) = auditor.rows(f"{base}orders/?status=invalid&name=b.example.com")
    assert order["error"]["detail"] == "b.example.com: Nobody listens."
    shown = auditor.get(f"{base}orders/{order['id']}/").json()
    failed = next(a for a in shown["authorizations"] if a["status"] == "invalid")
    http = next(c for c in failed["challenges"] if c["type"] == "http-01")
    assert http["attempts"] == [attempt]
    (failing,) = auditor.get(f"{base}failing/").json()["results"]
    assert failing["reason"] == "Nobody listens."
    assert failing["identifiers"] == ["b.example.com"]
    assert auditor.rows(f"{base}orders/?status=valid") == []


def test_an_account_is_ended(members, base, client):
    admin = members[Role.ADMIN]
    (account,) = admin.rows(f"{base}accounts/")
    path = f"{base}accounts/{account['id']}/revoke/"
    assert code_of(members[Role.OPERATOR].post(path), 403) == "access_denied"
    assert admin.post(path).json()["status"] == "revoked"
    assert code_of(admin.post(path), 409) == "invalid_transition"
    assert client.order("a.example.com").status_code == 401


def test_only_administrators_of_the_application_set_acme_up(team, members, base, endpoint):
    key = new_key(members[Role.ADMIN], endpoint)
    for role in (Role.OPERATOR, Role.AUDITOR):
        caller = members[role]
        assert caller.get(endpoint).status_code == 200
        for method, path, body in (
            ("POST", f"{base}endpoints/", {"profile": team.profile.name}),
            ("PATCH", endpoint, {"enabled": False}),
            ("POST", f"{endpoint}eab-keys/", {}),
            ("POST", f"{endpoint}eab-keys/{key['id']}/reveal/", None),
            ("POST", f"{endpoint}eab-keys/{key['id']}/rotate/", None),
            ("POST", f"{endpoint}eab-keys/{key['id']}/revoke/", {}),
        ):
            assert code_of(caller(method, path, body), 403) == "access_denied", path
    assert AcmeEndpoint.objects.get().enabled


def test_strangers_see_nothing_at_all(stranger, members, base, endpoint):
    key = new_key(members[Role.ADMIN], endpoint)
    for method, path in (
        ("GET", f"{base}endpoints/"),
        ("GET", endpoint),
        ("PATCH", endpoint),
        ("GET", f"{endpoint}eab-keys/"),
        ("POST", f"{endpoint}eab-keys/{key['id']}/reveal/"),
        ("GET", f"{base}accounts/"),
        ("GET", f"{base}orders/"),
        ("GET", f"{base}failing/"),
    ):
        body = {} if method == "PATCH" else None
        assert code_of(stranger(method, path, body), 404) == "not_found", path


def test_what_is_absent_is_404(members, base, endpoint):
    admin = members[Role.ADMIN]
    for path in (
        f"{base}endpoints/nothing/",
        f"{endpoint}eab-keys/{ABSENT}/",
        f"{base}accounts/{ABSENT}/",
        f"{base}orders/{ABSENT}/",
    ):
        assert code_of(admin.get(path), 404) == "not_found", path
    assert code_of(admin.post(f"{base}endpoints/", {"profile": "nothing"}), 404) == "not_found"
    assert code_of(admin.post(f"{base}accounts/{ABSENT}/revoke/"), 404) == "not_found"


def _url(client: Acme, challenge: AcmeChallenge) -> str:
    return f"{client.directory['newOrder'].removesuffix('new-order')}chall/{challenge.url_id}"


@pytest.mark.parametrize("path", ["", "payments-tls/eab-keys/"])
def test_lists_refuse_parameters_that_they_do_not_know(governor, endpoint, path):
    answer = governor.get(f"applications/payments/acme/endpoints/{path}?colour=red")
    assert code_of(answer, 400) == "malformed"
