"""Requests of the field over the API, alone and many at a time: issued or refused, and why."""

import base64

import pytest
from cryptography import x509

from apps.applications.roles import Role
from apps.certificates.models import CertificateRequest, RequestState
from tests.factories.applications import Team, make_machine, make_token
from tests.factories.field_requests import KINDS, Kind
from tests.protocol.api.conftest import Caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def call(team: Team) -> Caller:
    return Caller(make_token(make_machine(team.application, role=Role.OPERATOR)))


def text_of(data: bytes) -> str:
    """Return a file as clients put it into JSON."""
    return base64.b64encode(data).decode() if data[1:2] >= b"\x80" else data.decode()


def body_of(team: Team, **fields: object) -> dict[str, object]:
    return {"application": team.application.name, "profile": team.profile.name, **fields}


def require_refusal(kind: Kind, problem: dict[str, object]) -> None:
    assert problem["status"] in (400, 422), problem
    codes = {error["code"] for error in problem["errors"]}
    assert codes.issuperset(kind.codes), problem
    said = " ".join(f"{e['value']} {e['reason']} {e['hint']}" for e in problem["errors"])
    assert all(text in said for text in kind.says), said
    assert "\0" not in said


def require_issue(kind: Kind, outcome: dict[str, object]) -> None:
    assert {note["code"] for note in outcome["notes"]}.issuperset(kind.codes), outcome["notes"]
    said = " ".join(f"{note['what']} {note['why']}" for note in outcome["notes"])
    assert all(text in said for text in kind.says), said
    certificate = x509.load_pem_x509_certificate(outcome["certificate"]["pem"].encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == list(kind.names)
    assert outcome["certificate"]["subject"] == kind.subject
    assert not any(
        isinstance(extension.value, x509.UnrecognizedExtension | x509.TLSFeature)
        for extension in certificate.extensions
    )


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_request_is_issued_with_notes_or_refused_by_name(call, team, kind):
    body = body_of(team, csr=text_of(kind.data))
    evaluated = call.post("certificate-requests/evaluate/", body)
    answer = call.post("certificate-requests/", body)
    row = CertificateRequest.objects.get()

    if kind.issued:
        assert answer.status_code == 201, answer.content
        require_issue(kind, answer.json())
        assert evaluated.json()["accepted"]
        told = [note["code"] for note in evaluated.json()["notes"]]
        shown = call.get(f"certificate-requests/{row.id}/").json()
        assert told == [note["code"] for note in shown["notes"]]
        assert answer.json()["notes"] == shown["notes"] == row.notes
    else:
        require_refusal(kind, answer.json())
        assert row.state == RequestState.REJECTED
        assert evaluated.status_code == 400 or not evaluated.json()["accepted"]


def test_many_at_a_time_are_as_many_alone(call, team):
    sent = [{"csr": text_of(kind.data)} for kind in KINDS.values()]
    answer = call.post("certificate-requests/bulk/", body_of(team, requests=sent))

    assert answer.status_code == 200, answer.content
    for kind, result in zip(KINDS.values(), answer.json()["results"], strict=True):
        if kind.issued:
            require_issue(kind, result["request"])
        else:
            require_refusal(kind, result["problem"])
    assert CertificateRequest.objects.count() == len(KINDS)
