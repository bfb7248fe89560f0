"""Answers hold exactly the fields that the OpenAPI document declares.

schemathesis compares them as well, but does not notice fields that are not declared.
"""

from typing import Any

import jsonschema
import pytest
from drf_spectacular.generators import SchemaGenerator

from apps.jobs.models import Job
from tests.factories.keys import make_csr
from tests.protocol.api.conftest import Caller, token_of

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return SchemaGenerator().get_schema(request=None, public=True)


@pytest.fixture
def operator(team):
    from apps.applications.roles import Role

    return Caller(token_of(team.people[Role.ADMIN]))


def closed(schema: Any) -> Any:
    """Return the schema such that objects with named properties may have no others."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    if "properties" in found and found.get("type") == "object":
        found.setdefault("additionalProperties", False)
    return found


def conform(document: dict[str, Any], answer: Any, component: str) -> None:
    assert answer.status_code < 300, answer.content
    schema = closed({"components": document["components"]})
    schema["$ref"] = f"#/components/schemas/{component}"
    validator = jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    assert [error.message for error in validator.iter_errors(answer.json())] == []
    body = answer.json()
    if "results" in body and component.endswith("Page"):
        assert body["results"], "an empty page proves nothing"


def test_management_answers(document, governor, team):
    machine = {"name": "robot", "description": "x"}
    token = {"name": "ci", "machine_identity": "robot", "scopes": ["read"]}
    job = Job.objects.create(kind="crl.publish", state="failed", arguments={"authority_id": "x"})
    rules = {"key_algorithms": ["ec-p256"]}
    name = team.authority.name
    pending = {
        "name": "waiting",
        "kind": "intermediate",
        "subject": {"common_name": "W"},
        "key_algorithm": "ml-dsa-65",
        "name_constraints": {"permitted": [{"type": "dns_name", "value": "example.com"}]},
    }
    for component, answer in (
        ("Authority", governor.post("authorities/", pending)),
        ("Csr", governor.get("authorities/waiting/csr/")),
        ("Authority", governor.get(f"authorities/{name}/")),
        ("AuthorityPage", governor.get("authorities/?limit=1")),
        ("Job", governor.post(f"authorities/{name}/publish-crl/")),
        ("CrlPage", governor.get(f"authorities/{name}/crls/")),
        ("Policy", governor.post("policies/", {"name": "p", "rules": rules})),
        ("PolicyPage", governor.get("policies/")),
        ("PolicyVersionPage", governor.get("policies/p/versions/")),
        ("PolicyVersion", governor.get("policies/p/versions/1/")),
        ("PolicyPresetPage", governor.get("policy-presets/")),
        ("Profile", governor.get("profiles/payments-tls/")),
        ("ProfilePage", governor.get("profiles/")),
        ("Application", governor.get("applications/payments/")),
        ("ApplicationPage", governor.get("applications/")),
        ("PairingPage", governor.get("applications/payments/profiles/")),
        ("Pairing", governor.get("applications/payments/profiles/payments-tls/")),
        ("MachineIdentity", governor.post("machine-identities/", machine)),
        ("MachineIdentityPage", governor.get("machine-identities/")),
        ("CreatedToken", governor.post("tokens/", token)),
        ("TokenPage", governor.get("tokens/")),
        (
            "Member",
            governor.post(
                "applications/payments/members/", {"role": "auditor", "machine_identity": "robot"}
            ),
        ),
        ("MemberPage", governor.get("applications/payments/members/")),
        (
            "BulkResult",
            governor.post(
                "applications/payments/members/bulk/", {"role": "auditor", "names": ["a", "robot"]}
            ),
        ),
        ("JobPage", governor.get("jobs/")),
        ("Job", governor.post(f"jobs/{job.pk}/retry/")),
        ("AuditEventPage", governor.get("audit-events/?limit=200")),
    ):
        conform(document, answer, component)


def test_enrollment_answers(document, operator):
    wanted = {"application": "payments", "profile": "payments-tls"}
    csr = make_csr("a.example.com")
    import base64

    by_csr = wanted | {"csr": base64.b64encode(csr).decode()}
    by_key = wanted | {"key": {}, "subject_alt_names": ["b.example.com"]}
    issued = operator.post("certificate-requests/", by_csr)
    one = issued.json()["certificate"]["id"]
    for component, answer in (
        ("Outcome", issued),
        ("Outcome", operator.post("certificate-requests/", by_key)),
        ("Decision", operator.post("certificate-requests/evaluate/", by_csr)),
        ("RequestPage", operator.get("certificate-requests/")),
        ("RequestDetail", operator.get(f"certificate-requests/{issued.json()['id']}/")),
        ("CertificatePage", operator.get("certificates/")),
        ("CertificateDetail", operator.get(f"certificates/{one}/")),
        ("CertificateDetail", operator.post(f"certificates/{one}/revoke/", {})),
    ):
        conform(document, answer, component)


def test_every_operation_names_its_problems_in_their_own_media_type(document):
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            responses = operation["responses"]
            assert {"400", "401", "403", "429"} <= set(responses), (path, method)
            for status, response in responses.items():
                if int(status) >= 400:
                    assert list(response["content"]) == ["application/problem+json"]


def test_problems_conform(document, governor):
    schema = {"components": document["components"], "$ref": "#/components/schemas/Problem"}
    for answer in (
        governor.get("authorities/nobody/"),
        governor.post("authorities/", {}),
        governor.get("applications/?colour=red"),
        governor("PUT", "applications/", {}),
        Caller("junk").get("applications/"),
        governor.get("nowhere/"),
    ):
        assert answer.status_code >= 400
        jsonschema.validate(answer.json(), closed(schema))


def test_the_document_is_served_and_so_is_a_page_to_read_it(client):
    served = client.get("/api/schema/", {"format": "json"})
    assert served.status_code == 200
    page = client.get("/api/docs/")
    assert page.status_code == 200
    assert b"<style" not in page.content
    assert b"<script>" not in page.content
    assert b"style=" not in page.content
    script = client.get("/api/docs/?script=")
    assert script["Content-Type"] == "application/javascript"
