"""Answers of the API about applications and events, for each kind of caller."""

import pytest
from django.test import Client

from apps.applications import services
from apps.applications.roles import PERMISSIONS_OF, Role
from apps.audit.models import AuditEvent
from apps.principals import Scope
from tests.protocol.api.conftest import bare
from tests.unit.applications.conftest import SYSTEM

pytestmark = pytest.mark.django_db
PATHS = ["/api/v1/applications/", "/api/v1/applications/payments/", "/api/v1/audit-events/"]


@pytest.fixture
def robot(payments):
    machine = services.create_machine_identity(SYSTEM, name="robot")
    services.add_member(SYSTEM, payments, machine=machine, role=Role.OPERATOR)
    return machine


@pytest.fixture
def client(robot) -> Client:
    _, text = services.create_token(SYSTEM, robot, name="ci", scopes=[Scope.READ])
    return Client(headers={"Authorization": f"Bearer {text}"})


def problem(response) -> str:
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["instance"] == f"urn:uuid:{response['X-Request-Id']}"
    return response.json()["code"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("header", [None, "Bearer junk", "Bearer swt_" + "0" * 64])
def test_without_a_valid_token_everything_is_401(path, header, payments):
    response = Client().get(path, headers={"Authorization": header} if header else {})
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert problem(response) == "authentication_failed"


@pytest.mark.parametrize("path", PATHS)
def test_a_session_alone_does_not_open_the_api(path, payments):
    from tests.factories.accounts import make_person

    client = Client()
    client.force_login(make_person("eve"))
    assert client.get(path).status_code == 401


def test_the_list_holds_what_is_in_sight(client, payments, billing):
    body = client.get("/api/v1/applications/").json()
    assert [row["name"] for row in body["results"]] == ["payments"]
    assert body["next"] is None
    assert client.get("/api/v1/applications/?name=billing").json()["results"] == []


def test_one_application_tells_rights_and_profiles(client, payments, profile):
    services.attach_profile(SYSTEM, payments, profile)
    for reference in ("payments", payments.pk):
        body = client.get(f"/api/v1/applications/{reference}/").json()
        assert body["id"] == str(payments.pk)
        assert set(body["permissions"]) < {p.value for p in PERMISSIONS_OF[Role.OPERATOR]}
        assert [row["profile"] for row in body["profiles"]] == ["tls"]


def test_foreign_and_absent_applications_answer_alike(client, billing):
    answers = []
    for reference in ("billing", billing.pk, "absent", "0190a000-0000-7000-8000-000000000000"):
        for path in (
            f"/api/v1/applications/{reference}/",
            f"/api/v1/audit-events/?application={reference}",
        ):
            response = client.get(path)
            assert response.status_code == 404
            assert {error["field"] for error in response.json()["errors"]} == {"application"}
            answers.append(bare(response))
    assert all(answer == answers[0] for answer in answers)


def test_events_are_filtered_and_only_ours(client, payments, billing):
    body = client.get("/api/v1/audit-events/").json()
    assert {row["application_id"] for row in body["results"]} == {str(payments.pk)}
    one = client.get("/api/v1/audit-events/?event=member.added&application=payments").json()
    assert [row["event"] for row in one["results"]] == ["member.added"]
    none = client.get("/api/v1/audit-events/?until=2001-01-01T00:00:00Z").json()
    assert none["results"] == []


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "cursor=x",
        "event=odd",
        "since=yesterday",
        "colour=red",
        "actor=a&actor=b",
        "actor=a%00b",
        "application=a%00",
        "%00=1",
        "cursor=%00",
    ],
)
def test_unusable_parameters_are_400_and_named(client, query):
    response = client.get(f"/api/v1/audit-events/?{query}")
    assert response.status_code == 400
    assert problem(response) == "malformed"


@pytest.mark.parametrize("query", ["actor=%ff%fe", "actor=%ED%A0%80", "actor=" + "x" * 5000])
def test_odd_but_legal_parameters_find_nothing(client, query):
    response = client.get(f"/api/v1/audit-events/?{query}")
    assert response.status_code == 200
    assert response.json()["results"] == []


def test_events_come_in_pages(client, payments):
    total = len(client.get("/api/v1/audit-events/?limit=200").json()["results"])
    for n in range(5):
        services.update_application(SYSTEM, payments, description=str(n))
    url, seen = "/api/v1/audit-events/?limit=3", []
    while url:
        body = client.get(url).json()
        seen += [row["id"] for row in body["results"]]
        url = body["next"]
    assert len(seen) == total + 5
    assert seen == sorted(set(seen), reverse=True)


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nothing_changes_the_log(client, method):
    before = AuditEvent.objects.count()
    response = getattr(client, method)(PATHS[-1], data="{}", content_type="application/json")
    assert response.status_code == 405
    assert "GET" in response["Allow"]
    assert problem(response) == "method_not_allowed"
    assert AuditEvent.objects.count() == before


def test_other_media_types_are_refused_in_the_same_form(client):
    response = client.get("/api/v1/applications/", headers={"Accept": "text/html"})
    assert response.status_code == 406
    assert problem(response) == "not_acceptable"


def test_a_token_without_scope_read_is_403(robot):
    _, text = services.create_token(SYSTEM, robot, name="ci", scopes=[Scope.REQUEST])
    for path in PATHS:
        response = Client().get(path, headers={"Authorization": f"Bearer {text}"})
        assert response.status_code == 403
        assert problem(response) == "access_denied"
