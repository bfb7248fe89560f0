"""The inventory over the API: certificates are named, found and revoked as people know them."""

import json
from typing import Any

import pytest

from apps import ids
from apps.applications.roles import Role
from apps.audit.models import AuditEvent
from apps.certificates.models import Certificate
from apps.principals import Scope
from tests.factories.applications import Team, make_machine, make_token
from tests.factories.authorities import make_issuing
from tests.factories.spellings import spellings_of
from tests.protocol.api.conftest import ABSENT, Caller, bare, code_of, fields_of

pytestmark = pytest.mark.django_db
NAMES = ["b\u00fccher.example.com", "www.example.com"]
STORED = "xn--bcher-kva.example.com"


@pytest.fixture
def operator(team) -> Caller:
    return Caller(make_token(make_machine(team.application)))


@pytest.fixture
def nameless(team, operator) -> dict[str, Any]:
    """A certificate with alternative names only, as ACME clients and modern CSRs have it."""
    return issued(operator, team, NAMES)


def issued(caller: Caller, team: Team, names: list[str]) -> dict[str, Any]:
    wanted = {"application": team.application.name, "profile": team.profile.name, "key": {}}
    answer = caller.post("certificate-requests/", wanted | {"subject_alt_names": names})
    assert answer.status_code == 201, answer.content
    found: dict[str, Any] = answer.json()
    assert found["name"] == found["certificate"]["name"]
    return found["certificate"]


# --- named -------------------------------------------------------------------------------------


def test_one_without_a_common_name_goes_by_its_first_name(nameless, operator, governor):
    assert nameless["common_name"] == ""
    (row,) = operator.rows("certificates/")
    (wanted,) = operator.rows("certificate-requests/")
    read = operator.get(f"certificates/{nameless['id']}/").json()
    assert {row["name"], wanted["name"], read["name"], nameless["name"]} == {STORED}
    revoked = operator.post(f"certificates/{nameless['id']}/revoke/", {"reason": "superseded"})
    assert revoked.json()["name"] == STORED
    told = {row["event"]: row["subject_label"] for row in governor.rows("audit-events/")}
    assert told["certificate.issued"] == STORED
    assert told["certificate.revoked"] == STORED


# --- found -------------------------------------------------------------------------------------


def test_numbers_and_digests_are_found_in_any_spelling(nameless, team, operator):
    issued(operator, team, ["other.example.com"])
    for column in ("serial_number", "fingerprint_sha256"):
        spelled = spellings_of(nameless[column])
        spelled += [f"00{nameless[column]}"] if column == "serial_number" else []
        for text in spelled:
            answer = operator.client.get(
                "/api/v1/certificates/",
                {column: text},
                headers={"Authorization": f"Bearer {operator.token}"},
            )
            assert answer.status_code == 200, (column, text, answer.content)
            found = [row["id"] for row in answer.json()["results"]]
            assert found == [nameless["id"]], (column, text)


@pytest.mark.parametrize(
    "text",
    [STORED, STORED.upper(), "B\u00dcCHER", "b\u00fccher.example.com."],
)
def test_names_are_found_in_any_spelling(text, nameless, team, operator):
    issued(operator, team, ["other.example.com"])
    answer = operator.client.get(
        "/api/v1/certificates/",
        {"name": text},
        headers={"Authorization": f"Bearer {operator.token}"},
    )
    assert answer.status_code == 200, answer.content
    assert [row["id"] for row in answer.json()["results"]] == [nameless["id"]]


# --- revoked by serial number ------------------------------------------------------------------


def test_a_token_that_may_only_revoke_does_so_by_serial_number(nameless, team):
    robot = make_machine(team.application, "revoker")
    caller = Caller(make_token(robot, Scope.REVOKE))
    spelled = spellings_of(nameless["serial_number"])[3]
    assert code_of(caller.get(f"certificates/{nameless['id']}/"), 403) == "access_denied"
    answer = caller.post(
        "certificates/revoke/", {"serial_number": spelled, "reason": "keyCompromise"}
    )
    assert answer.status_code == 200, answer.content
    assert answer.json()["id"] == nameless["id"]
    assert answer.json()["state"] == "revoked"
    assert answer.json()["revocation_reason"] == "keyCompromise"
    event = AuditEvent.objects.get(event="certificate.revoked")
    assert event.actor == "machine:revoker"
    assert str(event.subject_id) == nameless["id"]
    again = caller.post("certificates/revoke/", {"serial_number": spelled})
    assert code_of(again, 409) == "already_revoked"


def test_every_spelling_of_the_serial_number_revokes(nameless, operator):
    for text in spellings_of(nameless["serial_number"]):
        held = {"serial_number": text, "reason": "certificateHold"}
        answer = operator.post("certificates/revoke/", held)
        assert answer.status_code == 200, (text, answer.content)
        assert operator.post(f"certificates/{nameless['id']}/release/").status_code == 200


def test_other_teams_certificates_are_as_good_as_none(nameless, other_team, team):
    outsider = Caller(make_token(make_machine(other_team.application, "other-robot")))
    foreign = {"serial_number": nameless["serial_number"]}
    digits = len(nameless["serial_number"])
    answers = [
        outsider.post("certificates/revoke/", body)
        for body in (foreign, {"serial_number": "7" * digits}, foreign | {"authority": ABSENT})
    ]
    assert {code_of(answer, 404) for answer in answers} == {"not_found"}
    texts = [
        json.dumps(bare(answer)).replace(nameless["serial_number"], "*").replace("7" * digits, "*")
        for answer in answers
    ]
    assert len(set(texts)) == 1, texts
    assert fields_of(answers[0]) == {"serial_number"}
    assert Certificate.objects.get().state == "active"


def test_a_number_used_by_two_authorities_needs_the_authority(nameless, team, operator):
    row, twin = Certificate.objects.get(), Certificate.objects.get()
    twin.pk, twin.request, twin.fingerprint_sha256 = ids.uuid7(), None, "f" * 64
    twin.authority = make_issuing("second-issuing", parent=team.authority.parent)
    twin.save(force_insert=True)
    body = {"serial_number": row.serial_number, "reason": "superseded"}
    refused = operator.post("certificates/revoke/", body)
    assert code_of(refused, 422) == "invalid_input"
    assert fields_of(refused) == {"authority"}
    assert "second-issuing" in refused.json()["errors"][0]["hint"]
    assert not Certificate.objects.filter(state="revoked").exists()
    wrong = operator.post("certificates/revoke/", body | {"authority": "nobody"})
    assert code_of(wrong, 404) == "not_found"
    assert fields_of(wrong) == {"authority"}
    for authority in (team.authority.name, str(team.authority.pk)):
        held = body | {"authority": authority, "reason": "certificateHold"}
        answer = operator.post("certificates/revoke/", held)
        assert answer.status_code == 200, answer.content
        assert answer.json()["id"] == nameless["id"]
        assert operator.post(f"certificates/{nameless['id']}/release/").status_code == 200


def test_every_mistake_is_listed_and_nothing_is_revoked(nameless, operator):
    body = {"serial_number": "zz", "reason": 5, "since": 1}
    refused = operator.post("certificates/revoke/", body)
    assert fields_of(refused) == {"serial_number", "reason", "since"}, refused.content
    body = {"serial_number": nameless["serial_number"], "reason": "because"}
    refused = operator.post("certificates/revoke/", body)
    assert code_of(refused, 422) == "bad_revocation_reason"
    assert fields_of(refused) == {"reason"}
    assert "keyCompromise" in refused.json()["detail"]
    assert fields_of(operator.post("certificates/revoke/", {})) == {"serial_number"}
    assert code_of(operator.get("certificates/revoke/"), 405)
    assert Certificate.objects.get().state == "active"


def test_the_auditor_sees_it_but_may_not(nameless, members):
    body = {"serial_number": nameless["serial_number"]}
    assert code_of(members[Role.AUDITOR].post("certificates/revoke/", body), 403)
