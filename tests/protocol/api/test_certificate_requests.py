"""Requests over the API are issued, refused with every reason, and repeated safely."""

import base64
import json
import uuid
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from apps import clock
from apps.applications.models import Pairing
from apps.applications.roles import Role
from apps.authorities import signing as authority_signing
from apps.certificates import issuance
from apps.certificates.models import Certificate, CertificateRequest, IdempotentCall, RequestState
from apps.errors import UpstreamUnavailable
from apps.principals import Scope
from apps.web import throttle
from pki.algorithms import KeyAlgorithm
from tests.factories.applications import Team, make_machine, make_token
from tests.factories.keys import make_csr
from tests.protocol.api.conftest import bare, fields_of
from tests.served import Client

pytestmark = pytest.mark.django_db
URL = "/api/v1/certificate-requests/"


def pem(csr_der: bytes) -> str:
    body = base64.encodebytes(csr_der).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{body}-----END CERTIFICATE REQUEST-----\n"


@pytest.fixture
def token(team: Team) -> str:
    return make_token(make_machine(team.application))


@pytest.fixture
def post(client: Client, token: str):
    def call(url: str, body: object, *, as_token: str | None = None, **headers: str):
        return client.post(
            url,
            data=body if isinstance(body, bytes | str) else json.dumps(body),
            content_type="application/json",
            headers={"Authorization": f"Bearer {as_token or token}", **headers},
        )

    return call


@pytest.fixture
def get(client: Client, token: str):
    def call(url: str, *, as_token: str | None = None):
        return client.get(url, headers={"Authorization": f"Bearer {as_token or token}"})

    return call


@pytest.fixture
def body(team: Team) -> dict[str, object]:
    return {
        "application": team.application.name,
        "profile": team.profile.name,
        "csr": pem(make_csr("www.example.com")),
    }


def test_a_csr_is_answered_201_with_certificate_and_chain(post, body, team):
    answer = post(URL, body)

    assert answer.status_code == 201
    found = answer.json()
    assert found["state"] == "issued"
    assert "private_key_pem" not in found
    certificate = x509.load_pem_x509_certificate(found["certificate"]["pem"].encode())
    assert format(certificate.serial_number, "x") == found["certificate"]["serial_number"]
    chain = x509.load_pem_x509_certificates(found["certificate"]["chain_pem"].encode())
    certificate.verify_directly_issued_by(chain[0])
    assert answer.headers["Location"] == f"{URL}{found['id']}/"


def test_names_and_ids_are_both_accepted(post, body, team):
    body |= {"application": str(team.application.pk), "profile": str(team.profile.pk)}
    assert post(URL, body).status_code == 201


@pytest.mark.parametrize("algorithm", list(KeyAlgorithm))
def test_a_key_specification_brings_a_key(post, body, algorithm):
    if algorithm in {KeyAlgorithm.RSA_3072, KeyAlgorithm.RSA_4096}:
        pytest.skip("slow to generate, and no other path than RSA 2048")
    del body["csr"]
    body |= {
        "key": {"algorithm": algorithm.value},
        "subject_alt_names": ["a.example.com", "10.0.0.7"],
    }

    answer = post(URL, body)

    assert answer.status_code == 201, answer.content
    found = answer.json()
    key = keys_of(found["private_key_pem"])
    certificate = x509.load_pem_x509_certificate(found["certificate"]["pem"].encode())
    assert certificate.public_key() == key.public_key()
    assert found["certificate"]["has_private_key"] is True


def test_rsa_keys_made_for_one_application_are_bounded(post, body, settings):
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"RSA_KEYS_PER_MINUTE": 1}
    throttle.made_keys.clear()
    with_csr = dict(body)
    del body["csr"]
    body |= {"key": {"algorithm": "rsa-2048"}, "subject_alt_names": ["a.example.com"]}

    assert post(URL, body).status_code == 201
    refused = post(URL, body)

    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert "CSR" in refused.json()["detail"]
    assert CertificateRequest.objects.count() == 1
    assert post(URL, with_csr).status_code == 201
    assert post(URL, body | {"key": {"algorithm": "ec-p256"}}).status_code == 201


def keys_of(text: str):
    return load_pem_private_key(text.encode(), None)


def test_base64_of_der_is_a_csr_too(post, body):
    body["csr"] = base64.b64encode(make_csr("www.example.com")).decode()
    assert post(URL, body).status_code == 201


def test_every_broken_rule_is_listed_at_once(post, body):
    body["csr"] = pem(
        make_csr("a_b.example.com", subject=(("common_name", "x.example.net"), ("country", "DE")))
    )
    body["ttl"] = "900d"

    answer = post(URL, body)

    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert len(problem["errors"]) >= 3
    assert all(item["code"] and item["field"] and item["reason"] for item in problem["errors"])
    kept = CertificateRequest.objects.get(pk=problem["request_id"])
    assert kept.state == RequestState.REJECTED
    assert not Certificate.objects.exists()


def test_every_unusable_field_is_listed_at_once(post):
    answer = post(
        URL,
        {
            "application": 7,
            "csr": "x",
            "key": {"algorithm": "dsa"},
            "ttl": "soon",
            "not_before": "yesterday",
            "subject": {"colour": "blue"},
            "subject_alt_names": [{"type": "upn", "value": "a"}, 3],
            "key_usages": ["everything"],
            "basic_constraints": {"is_ca": "maybe", "path_length": -1},
            "surprise": True,
        },
    )

    assert answer.status_code == 400
    fields = {item["field"] for item in answer.json()["errors"]}
    assert fields >= {
        "application",
        "profile",
        "csr",
        "key.algorithm",
        "ttl",
        "not_before",
        "subject.colour",
        "subject_alt_names[0].type",
        "subject_alt_names[1]",
        "key_usages[0]",
        "basic_constraints.is_ca",
        "basic_constraints.path_length",
        "surprise",
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("subject", {"organizational_unit": ["x"] * 101}),
        ("subject_alt_names", ["www.example.com"] * 251),
    ],
)
def test_lists_out_of_proportion_are_refused_unread(post, body, field, value):
    answer = post(URL, body | {field: value})
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not CertificateRequest.objects.exists()


@pytest.mark.parametrize(
    "junk", ["", "null", "[]", "7", '"x"', "{", '{"a":1,"a":2}', "\xff", "[" * 5000]
)
def test_a_body_that_is_no_json_object_is_a_400(post, junk):
    assert post(URL, junk).status_code == 400


@pytest.mark.parametrize(
    "csr",
    [
        "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        "MIIB",
        "x" * 100_000,
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "é",
    ],
)
def test_an_unreadable_csr_is_refused_and_nothing_is_issued(post, body, csr):
    body["csr"] = csr
    answer = post(URL, body)
    assert answer.status_code == 400
    assert answer.json()["errors"]
    assert not Certificate.objects.exists()


def test_evaluate_shows_rules_and_content_and_leaves_no_trace(post, body):
    answer = post(f"{URL}evaluate/", body)

    assert answer.status_code == 200
    found = answer.json()
    assert found["accepted"] is True
    assert found["certificate"]["subject_alt_names"] == [
        {"type": "dns_name", "value": "www.example.com"}
    ]
    assert found["rules"]
    assert all(rule["passed"] for rule in found["rules"])
    assert not CertificateRequest.objects.exists()


def test_evaluate_agrees_with_the_request_on_refusals(post, body):
    body["ttl"] = "900d"
    tried = post(f"{URL}evaluate/", body).json()
    refused = post(URL, body).json()
    assert tried["accepted"] is False
    assert [v["code"] for v in tried["violations"]] == [v["code"] for v in refused["errors"]]


def test_a_request_can_be_read_again(post, get, body):
    made = post(URL, body).json()
    found = get(f"{URL}{made['id']}/").json()
    assert found["certificate"]["pem"] == made["certificate"]["pem"]
    assert base64.b64decode("".join(found["csr_pem"].splitlines()[1:-1])) == bytes(
        CertificateRequest.objects.get().csr_der
    )
    assert found["content"]["key_usages"]


def test_a_pending_request_answers_202_and_can_be_approved(post, get, body, team):
    Pairing.objects.filter(pk=team.pairing.pk).update(requires_approval=True)
    del body["csr"]
    body |= {"key": {}, "subject_alt_names": ["www.example.com"]}

    answer = post(URL, body)

    assert answer.status_code == 202
    assert int(answer.headers["Retry-After"]) > 0
    pending = answer.json()
    assert pending["certificate"] is None
    assert post(f"{URL}{pending['id']}/approve/", {}).status_code == 403
    admin = make_token(make_machine(team.application, "boss", role=Role.ADMIN))
    approved = post(f"{URL}{pending['id']}/approve/", {}, as_token=admin)
    assert approved.status_code == 201
    assert "private_key_pem" not in approved.json()
    assert get(f"{URL}{pending['id']}/").json()["state"] == "issued"


def test_a_pairing_closed_for_the_api_is_refused(post, body, team):
    Pairing.objects.filter(pk=team.pairing.pk).update(api_enabled=False)
    assert post(URL, body).status_code == 403


@pytest.mark.parametrize("which", ["application", "profile"])
def test_foreign_and_unknown_pairs_answer_alike(post, body, other_team, which):
    foreign = other_team.application.name if which == "application" else other_team.profile.name
    one = post(URL, body | {which: foreign})
    other = post(URL, body | {which: "no-such-thing"})
    assert one.status_code == other.status_code == 404
    assert fields_of(one) == {which}
    assert bare(one) == bare(other)


def test_another_teams_objects_are_404_everywhere(post, get, body, team, other_team):
    made = post(URL, body).json()
    foreign = make_token(make_machine(other_team.application, "stranger", role=Role.ADMIN))
    certificate = made["certificate"]["id"]
    base = f"/api/v1/certificates/{certificate}/"
    assert get(f"{URL}{made['id']}/", as_token=foreign).status_code == 404
    for path in ("", "download/"):
        assert get(base + path, as_token=foreign).status_code == 404
    for path, content in (
        ("revoke/", {"reason": "superseded"}),
        ("release/", {}),
        ("renew/", {}),
        ("export/", {"format": "private-key"}),
    ):
        assert post(base + path, content, as_token=foreign).status_code == 404
    for listing in (URL, "/api/v1/certificates/"):
        assert get(listing, as_token=foreign).json()["results"] == []


@pytest.mark.parametrize(
    ("scopes", "status"), [((Scope.READ,), 403), ((Scope.REQUEST,), 201), ((), 403)]
)
def test_the_tokens_scope_narrows_the_role(post, body, team, scopes, status):
    machine = make_machine(team.application, "narrow")
    narrow = make_token(machine, *(scopes or (Scope.REVOKE,)))
    assert post(URL, body, as_token=narrow).status_code == status


def test_without_a_token_401_with_a_challenge(client, body):
    answer = client.post(URL, json.dumps(body), content_type="application/json")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


# --- idempotency ---------------------------------------------------------------------------


def test_lg04_a_repeat_with_the_same_key_gets_the_same_answer(post, body):
    key = str(uuid.uuid4())
    first = post(URL, body, **{"Idempotency-Key": key})
    again = post(URL, body, **{"Idempotency-Key": key})

    assert first.status_code == again.status_code == 201
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert Certificate.objects.count() == 1


def test_lg04_a_replay_brings_the_private_key_again_and_keeps_it_sealed(post, body):
    del body["csr"]
    body |= {"key": {}, "subject_alt_names": ["www.example.com"]}
    first = post(URL, body, **{"Idempotency-Key": "k"}).json()
    assert post(URL, body, **{"Idempotency-Key": "k"}).json() == first
    stored = bytes(IdempotentCall.objects.get().sealed_answer)
    assert first["private_key_pem"].splitlines()[1].encode() not in stored


def test_lg04_the_same_key_with_another_body_is_422(post, body):
    post(URL, body, **{"Idempotency-Key": "k"})
    body["ttl"] = "1d"
    answer = post(URL, body, **{"Idempotency-Key": "k"})
    assert answer.status_code == 422
    assert answer.json()["code"] == "idempotency_key_reused"
    assert Certificate.objects.count() == 1


def test_lg04_a_call_in_flight_is_409(post, body, token):
    post(URL, body, **{"Idempotency-Key": "k"})
    IdempotentCall.objects.update(status=None, started_at=clock.now())
    answer = post(URL, body, **{"Idempotency-Key": "k"})
    assert answer.status_code == 409
    assert int(answer.headers["Retry-After"]) > 0


def test_lg04_a_call_whose_worker_died_finds_what_it_had_made(post, body):
    first = post(URL, body, **{"Idempotency-Key": "k"}).json()
    IdempotentCall.objects.update(
        status=None, sealed_answer=b"", started_at=clock.now() - timedelta(minutes=5)
    )
    again = post(URL, body, **{"Idempotency-Key": "k"})
    assert again.status_code == 201
    assert again.json()["certificate"]["id"] == first["certificate"]["id"]
    assert Certificate.objects.count() == 1


def test_lg04_keys_of_two_callers_never_meet(post, body, team):
    other = make_token(make_machine(team.application, "second"))
    one = post(URL, body, **{"Idempotency-Key": "k"}).json()
    two = post(URL, body, as_token=other, **{"Idempotency-Key": "k"}).json()
    assert one["id"] != two["id"]


def test_lg04_a_refusal_leaves_the_key_free(post, body):
    assert post(URL, body | {"ttl": "900d"}, **{"Idempotency-Key": "k"}).status_code == 422
    assert post(URL, body, **{"Idempotency-Key": "k"}).status_code == 201


def test_lg04_a_try_after_a_fault_finds_what_the_first_had_begun(post, body, monkeypatch):
    def silent(*_: object) -> bytes:
        raise UpstreamUnavailable

    with monkeypatch.context() as patched:
        patched.setattr(authority_signing, "sign_tbs", silent)
        assert post(URL, body, **{"Idempotency-Key": "k"}).status_code == 503
    again = post(URL, body, **{"Idempotency-Key": "k"})
    assert again.status_code == 202
    assert again.json()["id"] == str(CertificateRequest.objects.get().pk)


def test_lg04_a_try_after_a_fault_that_left_nothing_starts_afresh(post, body, monkeypatch):
    def silent(*_: object) -> object:
        raise UpstreamUnavailable

    with monkeypatch.context() as patched:
        patched.setattr(issuance, "submit", silent)
        assert post(URL, body, **{"Idempotency-Key": "k"}).status_code == 503
    assert post(URL, body, **{"Idempotency-Key": "k"}).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "ä"])
def test_an_odd_idempotency_key_is_refused(post, body, key):
    assert post(URL, body, **{"Idempotency-Key": key}).status_code == 400


# --- lists -----------------------------------------------------------------------------------


def test_lists_page_by_key_and_lose_nothing(post, get, body):
    made = [post(URL, body).json()["certificate"]["id"] for _ in range(5)]
    seen, url = [], "/api/v1/certificates/?limit=2"
    while url:
        page = get(url).json()
        seen += [row["id"] for row in page["results"]]
        url = page["next"]
    assert seen == made[::-1]


def test_lists_are_narrowed_by_known_parameters_only(post, get, body):
    post(URL, body)
    assert len(get("/api/v1/certificates/?name=EXAMPLE&state=active").json()["results"]) == 1
    assert get("/api/v1/certificates/?state=revoked").json()["results"] == []
    assert get("/api/v1/certificates/?stat=revoked").status_code == 400
    assert get("/api/v1/certificates/?state=dead").status_code == 400
    assert len(get(f"{URL}?state=issued").json()["results"]) == 1


@pytest.mark.parametrize("when", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"])
def test_times_outside_the_calendar_are_a_400(get, when):
    for name in ("not_after_before", "not_after_after"):
        answer = get(f"/api/v1/certificates/?{name}={when}")
        assert answer.status_code == 400
        assert [error["field"] for error in answer.json()["errors"]] == [name]


# --- what happens to certificates ------------------------------------------------------------


def test_download_in_each_format(post, get, body):
    certificate = post(URL, body).json()["certificate"]
    base = f"/api/v1/certificates/{certificate['id']}/download/"
    for form in ("pem", "der", "p7b", "chain", "fullchain"):
        answer = get(f"{base}?format={form}")
        assert answer.status_code == 200
        assert answer.content
        assert answer.headers["Content-Disposition"].startswith("attachment")
    assert get(f"{base}?format=pem").content.decode() == certificate["pem"]
    assert get(f"{base}?format=exe").status_code == 422
    assert get(f"{base}?format=jks").status_code == 422
    assert get(f"{base}?format=pkcs12").status_code == 422


def test_revoke_answers_with_the_revoked_certificate(post, body):
    certificate = post(URL, body).json()["certificate"]["id"]
    url = f"/api/v1/certificates/{certificate}/revoke/"
    answer = post(url, {"reason": "keyCompromise"})
    assert answer.status_code == 200
    assert answer.json()["state"] == "revoked"
    assert answer.json()["revocation_reason"] == "keyCompromise"
    assert post(url, {"reason": "keyCompromise"}).status_code == 409


def test_an_expired_certificate_is_revoked_only_where_that_is_said(post, body):
    certificate = post(URL, body).json()["certificate"]["id"]
    Certificate.objects.update(state="expired", not_after=clock.now() - timedelta(days=9))
    url = f"/api/v1/certificates/{certificate}/revoke/"
    refused = post(url, {"reason": "keyCompromise"})
    assert refused.status_code == 409
    assert "allow_expired" in refused.json()["detail"]
    answer = post(url, {"reason": "keyCompromise", "allow_expired": True})
    assert answer.status_code == 200, answer.content
    assert answer.json()["state"] == "revoked"


def test_one_fault_breeds_no_others(post, body):
    del body["csr"]
    name = {"type": "dns_name", "value": "a_b.example.com"}
    body |= {"key": {"algorithm": "ec-p256"}, "subject_alt_names": [name], "ttl": "1s"}
    answer = post(URL, body)
    assert answer.status_code == 422, answer.content
    fields = [item["field"] for item in answer.json()["errors"]]
    assert fields == ["subject_alt_names[0].value", "ttl"], answer.json()


def test_an_unknown_reason_is_422(post, body):
    certificate = post(URL, body).json()["certificate"]["id"]
    answer = post(f"/api/v1/certificates/{certificate}/revoke/", {"reason": "whim"})
    assert answer.status_code == 422


def test_hold_and_release(post, body):
    certificate = post(URL, body).json()["certificate"]["id"]
    base = f"/api/v1/certificates/{certificate}/"
    assert post(f"{base}revoke/", {"reason": "certificateHold"}).json()["state"] == "held"
    assert post(f"{base}release/", {}).json()["state"] == "active"
    assert post(f"{base}release/", {}).status_code == 409


def test_renew_links_the_successor(post, body):
    first = post(URL, body).json()["certificate"]
    csr = pem(make_csr("www.example.com", number=1))
    answer = post(f"/api/v1/certificates/{first['id']}/renew/", {"csr": csr})
    assert answer.status_code == 201
    assert answer.json()["certificate"]["replaces"] == first["id"]
    assert post(f"/api/v1/certificates/{first['id']}/renew/", {"csr": csr}).status_code == 409


def test_export_of_a_kept_key(post, body):
    del body["csr"]
    body |= {"key": {}, "subject_alt_names": ["www.example.com"]}
    certificate = post(URL, body).json()["certificate"]
    url = f"/api/v1/certificates/{certificate['id']}/export/"
    assert post(url, {"format": "pkcs12", "password": "a good password"}).status_code == 200
    assert post(url, {"format": "pkcs12"}).status_code == 400
    assert post(url, {"format": "pem"}).status_code == 422
    assert post(url, {"format": "private-key", "legacy": True}).status_code == 400
    old = post(url, {"format": "pkcs12", "password": "schl\u00fcssel", "legacy": True})
    assert (old.status_code, "Java" in old["Sealwright-Note"]) == (200, True)
