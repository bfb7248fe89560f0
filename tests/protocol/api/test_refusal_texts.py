"""What refusals and notes say: the place in what was sent, one fault once, no consequence, a way out."""

import base64

import pytest
from cryptography import x509

from apps.applications.roles import Role
from apps.policies import services as policy_services
from tests.factories.applications import Team, make_machine, make_token
from tests.factories.raw_requests import (
    HOST,
    HOST_NAME,
    alt_names,
    asked,
    extension_request,
    name,
    purposes,
    request,
)
from tests.protocol.api.conftest import Caller
from tests.unit.pki.samples import raw_extension

pytestmark = pytest.mark.django_db
CN, UTF8 = HOST_NAME[:2]
ANY_PURPOSE = "2.5.29.37.0"
NAMES = [
    "10.0.0.1",
    "::1",
    "fe80::1%eth0",
    "*.example.com",
    "a..b",
    "-x.example.com",
    "user@example.com",
    "spiffe://a/b",
    "http://x y/",
    "javascript:alert(1)",
    "10.0.0.1",
    "www.example.com:443",
]


@pytest.fixture
def call(team: Team) -> Caller:
    return Caller(make_token(make_machine(team.application, role=Role.OPERATOR)))


def body_of(team: Team, **fields: object) -> dict[str, object]:
    return {"application": team.application.name, "profile": team.profile.name, **fields}


def evaluated(call: Caller, team: Team, **fields: object) -> dict[str, object]:
    answer = call.post("certificate-requests/evaluate/", body_of(team, **fields))
    assert answer.status_code == 200, answer.content
    return answer.json()


def csr(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_places_are_those_of_the_list_that_was_sent(call, team):
    found = evaluated(call, team, key={}, subject_alt_names=NAMES)["violations"]
    placed = {(one["field"], one["value"]) for one in found if one["field"].startswith("subject_")}
    for field, value in placed:
        index = int(field.split("[")[1].split("]")[0])
        assert value == NAMES[index] or field.endswith(".type"), (field, value)
    fields = {field for field, _ in placed}
    assert {"subject_alt_names[2].value", "subject_alt_names[3].value"} <= fields
    for one in found:
        assert one["hint"], one
    hints = {one["value"]: one["reason"] + one["hint"] for one in found}
    assert "fe80::1" in hints["fe80::1%eth0"]
    assert "nderscores" not in hints["-x.example.com"]
    assert "URI" in hints["javascript:alert(1)"]
    assert "port" in hints["www.example.com:443"]


def test_places_in_a_csr_count_what_cannot_be_read(call, team):
    names = [x509.DNSName("a..b"), x509.DNSName(HOST), x509.DNSName("*.example.com")]
    sent = request(extension_request(alt_names(*names)))
    found = evaluated(call, team, csr=csr(sent))["violations"]
    assert {one["field"] for one in found} == {
        "subject_alt_names[0].value",
        "subject_alt_names[2].value",
    }


@pytest.mark.parametrize(
    ("sent", "codes"),
    [
        (
            request(subject=name((CN, UTF8, b"www.example.com\0.evil"))),
            {"name.invisible_character"},
        ),
        (
            request(extension_request(alt_names(x509.DNSName(f"{HOST}\0.evil")))),
            {"name.invisible_character"},
        ),
        (
            request(subject=name(HOST_NAME, (CN, UTF8, b"www.example.com"))),
            {"name.several_common_names"},
        ),
        (
            asked(raw_extension("2.5.29.19", bytes.fromhex("30060101ff020105"), critical=True)),
            {"policy.ca_denied"},
        ),
    ],
    ids=["NUL in the common name", "NUL in the only name", "two common names", "CA"],
)
def test_one_fault_is_told_once_and_breeds_no_other(call, team, sent, codes):
    found = evaluated(call, team, csr=csr(sent))["violations"]
    assert {one["code"] for one in found} == codes, found


def test_notes_say_what_was_critical_and_which_purposes_there_are(call, team):
    extension = raw_extension("1.2.3.4", b"\x05\x00", critical=True)
    notes = evaluated(call, team, csr=csr(asked(extension, purposes(ANY_PURPOSE))))["notes"]
    said = {one["code"]: one for one in notes}
    assert said["csr.extension_ignored"]["what"].startswith("The critical extension ")
    assert "server_auth" in said["csr.usage_ignored"]["why"]
    assert not {"time_stamping", "ocsp_signing"} & set(
        said["csr.usage_ignored"]["why"].replace(",", "").replace(".", "").split()
    )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"csr": "x\0y"}, ("csr", "x\\u0000y", "NUL")),
        ({"csr": "AAA"}, ("csr", "AAA", "padding")),
        ({"key": {}, "ttl": "99999999999999999999d"}, ("ttl", "9" * 20 + "d", "100 years")),
        ({"key": {}, "profile": "none"}, ("profile", "none", "no profile 'none' attached to")),
    ],
)
def test_a_refusal_names_field_and_value_as_sent_and_a_way_out(call, team, fields, said):
    answer = call.post("certificate-requests/", body_of(team) | fields)
    (error,) = answer.json()["errors"]
    field, value, text = said
    assert (error["field"], error["value"]) == (field, value)
    assert text in error["reason"] + error["hint"]


def test_a_missing_field_says_what_to_send(call):
    errors = call.post("certificate-requests/", {"key": {}}).json()["errors"]
    assert {one["field"]: bool(one["hint"]) for one in errors} == {
        "application": True,
        "profile": True,
    }


def test_a_validity_that_policy_refuses_is_told_as_it_was_asked_for(call, team, sealwright):
    rules = {"validity": {"max": "90d"}}
    policy_services.update_policy(sealwright, team.profile.policy, rules=rules)
    end = "9999-12-31T00:00:00Z"
    found = evaluated(call, team, key={}, subject_alt_names=["a.example.com"], not_after=end)
    (error,) = found["violations"]
    assert error["code"] == "policy.validity_too_long"
    assert int(error["value"].split()[0]) > 2_000_000
