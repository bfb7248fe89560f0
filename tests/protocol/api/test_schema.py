"""Answers hold exactly the fields that the OpenAPI document declares.

schemathesis compares them as well, but does not notice fields that are not declared.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

import jsonschema
import pytest
from drf_spectacular.generators import SchemaGenerator

from apps.jobs.models import Job
from apps.web import schema
from apps.web.serializers import Body
from tests.factories.keys import make_csr
from tests.protocol.api.conftest import Caller, token_of
from tests.served import Client

pytestmark = pytest.mark.django_db


def subclasses(kind: type) -> Iterator[Any]:
    """Yield a class's subclasses, at any depth, of all modules that serve URLs."""
    import_module("config.urls")
    for below in kind.__subclasses__():
        yield below
        yield from subclasses(below)


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


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every operation with its method and path."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def answers(document: dict[str, Any], operation: dict[str, Any]) -> Iterator[tuple[int, Any]]:
    """Yield the answers of an operation, each with its status."""
    for status, answer in operation["responses"].items():
        name = answer.get("$ref", "").rpartition("/")[2]
        yield int(status), document["components"]["responses"][name] if name else answer


def conforming(document: dict[str, Any], schema: dict[str, Any], value: Any) -> list[str]:
    whole = closed({"components": document["components"], **schema})
    validator = jsonschema.Draft202012Validator(
        whole, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    return [error.message for error in validator.iter_errors(value)]


def test_every_operation_names_its_problems_in_their_own_media_type(document):
    for name, operation in operations(document):
        assert {"400", "401", "403", "406", "429"} <= set(operation["responses"]), name
        for status, answer in answers(document, operation):
            if status >= 400:
                assert list(answer["content"]) == ["application/problem+json"]


def test_every_operation_is_described(document):
    tags = {tag["name"]: tag["description"] for tag in document["tags"]}
    used = set()
    for name, operation in operations(document):
        assert operation["summary"].strip(), name
        assert len(operation["summary"]) < 100, name
        assert operation["description"].startswith(operation["summary"][:20]), name
        assert operation["security"] or name == "get /api/v1/", name
        used.update(operation["tags"])
        assert ("/acme/" in name) == (operation["tags"] == ["acme"]), name
    assert used == set(tags)
    assert all(tags.values())
    summaries = [operation["summary"] for _, operation in operations(document)]
    assert len(set(summaries)) == len(summaries)


def test_every_operation_has_examples_that_conform(document):
    """Of its parameters, its body, and each of its answers."""
    for name, operation in operations(document):
        for parameter in operation.get("parameters", []):
            told = (name, parameter["name"], parameter["example"])
            assert not conforming(document, parameter["schema"], parameter["example"]), told
        contents = [
            (status, kind, content)
            for status, answer in answers(document, operation)
            for kind, content in answer.get("content", {}).items()
        ]
        body = operation.get("requestBody", {}).get("content", {})
        contents += [(0, kind, content) for kind, content in body.items()]
        for status, kind, content in contents:
            told = (name, status, kind)
            examples = [one["value"] for one in content.get("examples", {}).values()]
            examples += [content["example"]] if "example" in content else []
            assert examples, told
            for example in examples:
                assert not conforming(document, content["schema"], example), (*told, example)
        if name.startswith(("post", "patch")):
            assert body or name.endswith(WITHOUT_BODY), name


# Acts that take no arguments.
WITHOUT_BODY = tuple(
    f"/{act}/"
    for act in (
        *("approve", "cancel", "disable", "enable", "publish-crl", "release", "retry", "reveal"),
        *("rotate", "revoke"),
    )
)


@pytest.mark.parametrize("kind", [kind for kind in subclasses(Body) if kind.example])
def test_examples_of_bodies_are_read(kind):
    assert kind.parse(kind.example)


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


def test_the_document_is_made_once_even_for_many_who_ask_at_the_same_time(monkeypatch, client):
    made = []
    monkeypatch.setattr(schema, "documents", {})
    monkeypatch.setattr(
        schema.SchemaGenerator,
        "get_schema",
        lambda *_args, **_kwargs: made.append(1) or {"openapi": "3.1.0"},
    )
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: Client().get("/api/schema/"), range(24)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(made) == 1
    again = client.get("/api/schema/", headers={"If-None-Match": answers[0]["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/api/schema/", headers={"Accept": "application/json"}).json()


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
