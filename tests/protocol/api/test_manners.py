"""Refusals say what would be accepted, and where to look."""

import json
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import User
from apps.applications import services
from apps.applications.models import ApiToken
from apps.applications.roles import Role
from apps.principals import Scope, system
from tests.factories.applications import make_machine, make_token
from tests.protocol.api.conftest import ABSENT, Caller, bare, code_of, fields_of, token_of
from tests.served import Client

pytestmark = pytest.mark.django_db


def challenge_of(caller):
    answer = caller.get("applications/")
    assert code_of(answer, 401) == "authentication_failed"
    return answer["WWW-Authenticate"]


# --- the root ---------------------------------------------------------------------------------


def test_the_root_lists_what_the_caller_may_use(governor, members):
    root = governor.get("").json()
    assert root["caller"]["governs"]
    listed = {row["name"]: row for row in root["resources"]}
    assert listed["policies"]["methods"] == ["GET", "POST"]
    assert listed["jobs"]["methods"] == ["GET"]
    assert listed["certificates"]["url"].endswith("/api/v1/certificates/")
    assert governor.get(listed["certificates"]["url"]).status_code == 200
    assert "{reference}" in listed["applications_members"]["url"]
    own = members[Role.AUDITOR].get("").json()
    assert own["caller"] == {
        "kind": "user",
        "name": "payments-auditor",
        "governs": False,
        "scopes": [scope.value for scope in Scope],
        "application_id": None,
    }
    listed = {row["name"]: row for row in own["resources"]}
    assert listed["policies"]["methods"] == ["GET"]
    assert "jobs" not in listed


def test_the_root_follows_the_scopes_of_the_token(team):
    caller = Caller(token_of(team.people[Role.OPERATOR], Scope.REQUEST))
    root = caller.get("").json()
    assert root["caller"]["scopes"] == ["request"]
    assert {row["name"]: row["methods"] for row in root["resources"]} == {
        "certificate_requests": ["POST"],
        "certificate_requests_bulk": ["POST"],
    }


def test_paths_that_lead_nowhere_say_where_to_look(governor):
    assert Client().get("/api/").json()["api"].endswith("/api/v1/")
    for path in ("nowhere/", "applications/payments/nowhere/", "/api/v2/applications/"):
        answer = governor.get(path)
        assert code_of(answer, 404) == "not_found"
        assert "GET /api/v1/" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("certificates/42/", "'42' is not an identifier"),
        (f"certificates/{ABSENT.upper()}/", "lower case"),
        ("certificates/x/revoke/", "'x' is not an identifier"),
        ("audit-events/x/", "'x' is not a number"),
        ("policies/any/versions/first/", "'first' is not a number"),
        ("applications/a.b/", "'a.b' is not a name or an identifier"),
        (f"certificates/{ABSENT}/", f"There is no certificate '{ABSENT}'"),
    ],
)
def test_malformed_and_unknown_identifiers_are_told_apart(governor, path, word):
    answer = governor.get(path)
    assert code_of(answer, 404) == "not_found"
    assert word in answer.json()["detail"]


# --- parameters, methods, types -----------------------------------------------------------------


def test_unknown_parameters_are_refused_with_the_known_ones(governor):
    for path, known in (
        ("applications/?colour=red", "search"),
        ("applications/?colour=red", "cursor"),
        ("policy-presets/?limit=1", "takes no query parameters"),
        ("applications/x/?colour=red", "takes no query parameters"),
        (f"certificates/{ABSENT}/download/?form=der", "format"),
    ):
        answer = governor.get(path)
        assert code_of(answer, 400) == "malformed"
        assert known in answer.json()["errors"][0]["hint"]
    assert governor.post("policies/?dry_run=true", {"name": "p", "rules": {}}).status_code == 400


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("state=good", "Use: active, held, revoked, expired."),
        ("lineage=x", "Example: 0190a000"),
        ("not_after_before=tomorrow", "Example: 2027"),
        ("serial_number=xyz", "Hexadecimal"),
        ("fingerprint_sha256=xyz", "64 hexadecimal"),
    ],
)
def test_parameters_say_what_they_accept(governor, query, hint):
    answer = governor.get(f"certificates/?{query}")
    assert code_of(answer, 400) == "malformed"
    assert hint in answer.json()["errors"][0]["hint"]


def test_methods_and_types_say_what_they_accept(governor):
    answer = governor("PUT", "applications/", {})
    assert code_of(answer, 405) == "method_not_allowed"
    assert "GET, POST" in answer.json()["detail"]
    assert set(answer["Allow"].split(", ")) >= {"GET", "POST"}
    token = {"Authorization": f"Bearer {governor.token}"}
    client = Client(raise_request_exception=False)
    answer = client.get("/api/v1/applications/", headers=token | {"Accept": "text/html"})
    assert code_of(answer, 406) == "not_acceptable"
    assert "application/json" in answer.json()["detail"]
    answer = client.post(
        "/api/v1/applications/", "name: x", content_type="text/yaml", headers=token
    )
    assert code_of(answer, 415) == "unsupported_media_type"
    assert "application/json" in answer.json()["detail"]


def test_head_and_options_are_sensible(governor):
    head = governor("HEAD", "applications/")
    assert head.status_code == 200
    options = governor("OPTIONS", "applications/")
    assert options.status_code == 200
    assert {"GET", "POST"} <= set(options["Allow"].split(", "))


def test_a_download_is_given_whatever_type_the_client_accepts(team, caller_of_operator):
    caller, certificate = caller_of_operator
    answer = Client().get(
        f"/api/v1/certificates/{certificate}/download/?format=der",
        headers={"Authorization": f"Bearer {caller.token}", "Accept": "application/pkix-cert"},
    )
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/pkix-cert")


@pytest.fixture
def caller_of_operator(team, keyring):
    caller = Caller(token_of(team.people[Role.OPERATOR]))
    body = {
        "application": "payments",
        "profile": "payments-tls",
        "key": {},
        "subject_alt_names": ["www.example.com"],
    }
    return caller, caller.post("certificate-requests/", body).json()["certificate"]["id"]


# --- references -----------------------------------------------------------------------------------


def test_every_wrong_reference_of_a_body_is_named(governor, team):
    answer = governor.post("profiles/", {"name": "x", "policy": "nope", "authority": "none"})
    assert code_of(answer, 404) == "not_found"
    assert fields_of(answer) == {"policy", "authority"}
    answer = governor.post(
        "tokens/", {"name": "x", "scopes": ["read"], "machine_identity": "m", "application": "a"}
    )
    assert fields_of(answer) == {"machine_identity", "application"}
    body = {
        "name": "x",
        "kind": "intermediate",
        "subject": {"common_name": "X"},
        "key_algorithm": "ec-p256",
        "parent": "nope",
    }
    assert fields_of(governor.post("authorities/", body)) == {"parent"}


def test_a_profile_that_is_not_attached_is_as_good_as_none(members, team, other_team):
    caller = members[Role.OPERATOR]
    body = {"application": "payments", "key": {}, "subject_alt_names": ["www.example.com"]}
    for name in (other_team.profile.name, "nope"):
        for path in ("certificate-requests/", "certificate-requests/evaluate/"):
            answer = caller.post(path, body | {"profile": name})
            assert code_of(answer, 404) == "not_found"
            assert fields_of(answer) == {"profile"}
            assert name in answer.json()["detail"]


# --- tokens -----------------------------------------------------------------------------------


def test_challenges_say_what_is_wrong_with_a_token(team, frozen_clock):
    machine = make_machine(team.application)
    bare = Client().get("/api/v1/applications/")["WWW-Authenticate"]
    assert bare == 'Bearer realm="sealwright"'
    unknown = challenge_of(Caller("swt_" + "0" * 64))
    assert 'error="invalid_token"' in unknown
    assert "unknown" in unknown
    assert "malformed" in challenge_of(Caller("junk"))
    text = make_token(machine)
    token = ApiToken.objects.get()
    services.revoke_token(system("tests"), token)
    assert "revoked on" in challenge_of(Caller(text))
    # One character beside it, nothing is known about it.
    other = text[:-1] + ("0" if text[-1] != "0" else "1")
    assert challenge_of(Caller(other)) == unknown
    text = make_token(machine)
    frozen_clock.shift(timedelta(days=400))
    assert "expired on" in challenge_of(Caller(text))


def _disable_owner(token, clock):
    del clock
    User.objects.filter(pk=token.user_id).update(is_active=False)


def _confine(token, clock):
    del clock
    ApiToken.objects.filter(pk=token.pk).update(allowed_networks=["203.0.113.0/24"])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda token, clock: None, ""),
        (lambda token, clock: services.revoke_token(system("tests"), token), "revoked"),
        (lambda token, clock: clock.shift(timedelta(days=400)), "expired"),
        (_disable_owner, "owner"),
        (_confine, "address"),
    ],
    ids=["good", "revoked", "expired", "owner disabled", "outside its networks"],
)
def test_only_the_bearer_of_the_whole_token_hears_why_it_is_refused(
    change, word, team, frozen_clock
):
    text = make_token(make_machine(team.application))
    change(ApiToken.objects.get(), frozen_clock)
    answer = Caller(text).get("applications/")
    if word:
        assert word in challenge_of(Caller(text))
        assert re.fullmatch(r'Bearer (\w+="[ !#-\[\]-~]*"(, |$))+', answer["WWW-Authenticate"])
    else:
        assert answer.status_code == 200
    # Guesses: one that shares nothing with the token, and ones that share all but a character.
    flip = {False: "0", True: "1"}
    guesses = [
        "swt_" + "0" * 64,
        *(text[:at] + flip[text[at] == "0"] + text[at + 1 :] for at in (4, 11, 12, 40, 67)),
    ]
    heard = set()
    for guess in guesses:
        with CaptureQueriesContext(connection) as queries:
            answer = Caller(guess).get("applications/")
        shapes = tuple(re.sub(r"'[^']*'", "?", query["sql"]) for query in queries)
        problem = json.dumps(bare(answer), sort_keys=True)
        heard.add((answer.status_code, answer["WWW-Authenticate"], problem, shapes))
    assert len(heard) == 1, heard


def test_a_missing_scope_is_named_in_the_challenge(team):
    caller = Caller(token_of(team.people[Role.ADMIN], Scope.READ))
    answer = caller.post("tokens/", {"name": "x", "scopes": ["read"]})
    assert code_of(answer, 403) == "access_denied"
    assert answer["WWW-Authenticate"] == (
        'Bearer realm="sealwright", error="insufficient_scope", '
        'error_description="The token lacks the scope \'manage\'.", scope="manage"'
    )
    # A right that the role lacks is no matter of scopes.
    answer = caller.get("jobs/")
    assert code_of(answer, 403) == "access_denied"
    assert "WWW-Authenticate" not in answer
    assert json.loads(answer.content)["detail"]
