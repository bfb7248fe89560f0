"""Requests of the field over the API, alone and many at a time: issued or refused, and why."""

import base64

import pytest
from cryptography import x509

from apps import principals
from apps.applications.roles import Role
from apps.certificates.models import CertificateRequest, RequestState
from apps.policies import services as policy_services
from apps.profiles import services
from tests.factories.applications import Team, make_machine, make_token
from tests.factories.field_requests import KINDS, Kind
from tests.factories.raw_requests import request
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


def test_an_item_with_a_text_that_no_database_holds_is_refused_alone(call, team):
    good = {"csr": text_of(request())}
    bad = [good | {"subject": {"common_name": "a\0b"}}, {"csr": "\ud800"}, {"\0": 1}]
    sent = body_of(team, requests=[good, *bad, good])
    answer = call.post("certificate-requests/bulk/", sent)

    results = answer.json()["results"]
    assert [result["status"] for result in results] == [201, 400, 400, 400, 201]
    codes = [result["problem"]["errors"][0]["code"] for result in results[1:4]]
    assert codes == ["json.text"] * 3


def test_a_profile_may_refuse_extras_and_names_all_of_them(call, team):
    services.update_profile(principals.system("tests"), team.profile, csr={"csr_extras": "refuse"})
    kind = KINDS["S/MIME capabilities"]
    answer = call.post("certificate-requests/", body_of(team, csr=text_of(kind.data)))

    assert answer.status_code == 422
    errors = [(error["code"], error["value"]) for error in answer.json()["errors"]]
    assert ("policy.key_usage_not_allowed", "data_encipherment") in errors
    assert [value.partition(")")[0] for code, value in errors if code.startswith("csr.")] == [
        "sMIMECapabilities (1.2.840.113549.1.9.15",
        "subjectKeyIdentifier (2.5.29.14",
    ]
    plain = call.post("certificate-requests/", body_of(team, csr=text_of(request())))
    assert plain.status_code == 201


def test_a_profile_may_honour_must_staple_and_renewals_keep_it(call, team):
    services.update_profile(principals.system("tests"), team.profile, csr={"must_staple": "honour"})
    asked = {"csr": text_of(KINDS["must-staple"].data)}
    found = call.post("certificate-requests/", body_of(team, **asked)).json()
    renewed = call.post(f"certificates/{found['certificate']['id']}/renew/", asked)

    assert renewed.status_code == 201, renewed.content
    for outcome in (found, renewed.json()):
        certificate = x509.load_pem_x509_certificate(outcome["certificate"]["pem"].encode())
        feature = certificate.extensions.get_extension_for_class(x509.TLSFeature)
        assert list(feature.value) == [x509.TLSFeatureType.status_request]
        assert outcome["notes"] == []


def test_a_mail_address_of_the_subject_becomes_a_name_where_the_policy_allows_it(call, team):
    rules = team.profile.policy.current_version.rules
    rules["subject_alt_names"] += [{"type": "email", "allowed": ["*@example.com"]}]
    policy_services.update_policy(principals.system("tests"), team.profile.policy, rules=rules)
    asked = {"csr": text_of(KINDS["mail address in the subject"].data)}
    found = call.post("certificate-requests/", body_of(team, **asked)).json()

    assert [name["value"] for name in found["certificate"]["subject_alt_names"]] == [
        "host.example.com",
        "admin@example.com",
    ]
    assert found["certificate"]["subject"] == "CN=host.example.com,C=DE"
    assert [note["code"] for note in found["notes"]] == ["csr.email_moved"]
    renewed = call.post(f"certificates/{found['certificate']['id']}/renew/", asked)
    assert renewed.status_code == 201, renewed.content


def test_a_private_key_that_came_along_is_not_kept(call, team):
    data = KINDS["PEM with a private key"].data
    call.post("certificate-requests/", body_of(team, csr=text_of(data)))
    assert bytes(CertificateRequest.objects.get().csr_der) == b""
