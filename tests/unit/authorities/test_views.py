"""Tests of the public views: CRLs, CA certificates, OCSP over HTTP."""

import base64
import hashlib
from datetime import timedelta
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509 import ocsp as x509_ocsp
from django.utils.http import http_date

from apps import clock
from apps.authorities import crl_contents, publication, selectors, services
from apps.authorities.models import CRL
from pki.reasons import RevocationReason as Reason
from tests.factories.authorities import make_issuing
from tests.unit.authorities.test_ocsp import issue, question, revoke

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("keyring")]
GOOD, REVOKED = x509_ocsp.OCSPCertStatus.GOOD, x509_ocsp.OCSPCertStatus.REVOKED


@pytest.fixture
def issuing():
    return make_issuing("issuing")


def der_of(authority):
    return bytes(selectors.current_certificate(authority.pk).der)


def test_x19_the_certificate_comes_in_der_pem_and_p7b(client, issuing):
    own, root = der_of(issuing), der_of(issuing.parent)
    response = client.get("/pki/issuing/ca.cer")
    assert response.content == own
    assert response["Content-Type"] == "application/pkix-cert"
    assert response["Content-Disposition"] == 'attachment; filename="issuing.cer"'
    assert not response.cookies
    pem = client.get("/pki/issuing/ca.pem").content
    assert x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER) == own
    chain = x509.load_pem_x509_certificates(client.get("/pki/issuing/chain.pem").content)
    assert [c.public_bytes(Encoding.DER) for c in chain] == [own, root]
    response = client.get("/pki/issuing/ca.p7b")
    assert response["Content-Type"] == "application/pkcs7-mime"
    bundle = pkcs7.load_der_pkcs7_certificates(response.content)
    assert {c.public_bytes(Encoding.DER) for c in bundle} == {own, root}


def test_c11_the_crl_has_type_validators_and_a_short_age(client, issuing):
    crl = CRL.objects.get(authority=issuing)
    for path in ("crl", "ca.crl"):
        response = client.get(f"/pki/issuing/{path}")
        content = response.getvalue()
        assert content == crl_contents.der_of(crl)
        assert response["Content-Type"] == "application/pkix-crl"
        assert response["ETag"] == f'"{hashlib.sha256(content).hexdigest()}"'
        assert response["Content-Length"] == str(len(content))
        assert response["Cache-Control"] == "public, max-age=30, no-transform, must-revalidate"
        assert response["Last-Modified"]
        assert response["Expires"]
    head = client.head("/pki/issuing/crl")
    assert head.status_code == 200
    assert head.getvalue() == b""
    assert head["Content-Length"] == str(crl.size)
    pem = client.get("/pki/issuing/crl.pem").getvalue()
    assert x509.load_pem_x509_crl(pem).public_bytes(Encoding.DER) == crl_contents.der_of(crl)


def test_an_unchanged_crl_is_not_sent_again(client, issuing):
    first = client.get("/pki/issuing/crl")
    again = client.get("/pki/issuing/crl", headers={"if-none-match": first["ETag"]})
    assert again.status_code == 304
    assert again.content == b""
    assert again["ETag"] == first["ETag"]
    publication.publish_crl(issuing.pk)
    fresh = client.get("/pki/issuing/crl", headers={"if-none-match": first["ETag"]})
    assert fresh.status_code == 200
    cer = client.get("/pki/issuing/ca.cer")
    assert (
        client.get("/pki/issuing/ca.cer", headers={"if-none-match": cer["ETag"]}).status_code == 304
    )


def test_a_crl_past_its_time_is_not_cached(client, issuing, frozen_clock):
    crl = publication.publish_crl(issuing.pk)
    frozen_clock.move_to(crl.next_update + timedelta(days=1))
    assert "max-age=0" in client.get("/pki/issuing/crl")["Cache-Control"]


def test_unknown_authorities_are_404_and_one_without_crl_503(client, issuing):
    for path in ("ca.cer", "ca.pem", "ca.p7b", "chain.pem", "crl", "crl.pem"):
        assert client.get(f"/pki/nobody/{path}").status_code == 404
    assert client.post("/ocsp/nobody", b"x", "application/ocsp-request").status_code == 404
    CRL.objects.all().delete()
    assert client.get("/pki/issuing/crl").status_code == 503


def test_only_reading_is_allowed(client, issuing):
    for path in ("/pki/", "/pki/issuing/ca.cer", "/pki/issuing/crl"):
        assert client.post(path).status_code == 405
    assert client.get("/ocsp/issuing").status_code == 405
    assert client.put("/ocsp/issuing").status_code == 405


def status_in(response):
    assert response.status_code == 200
    assert response["Content-Type"] == "application/ocsp-response"
    return x509_ocsp.load_der_ocsp_response(response.content)


@pytest.mark.parametrize("path", ["/ocsp/issuing", "/ocsp/issuing/"])
def test_o01_post(client, issuing, path):
    serial = issue(issuing)
    body = question(issuing, serial)
    response = client.post(path, body, "application/ocsp-request")
    assert status_in(response).certificate_status == GOOD
    assert response["Cache-Control"] == "no-store"
    assert not response.cookies
    revoke(issuing, serial)
    response = client.post(path, body, "application/ocsp-request")
    assert status_in(response).certificate_status == REVOKED


def test_o01_post_needs_no_csrf_token(issuing):
    from django.test import Client

    body = question(issuing, issue(issuing))
    client = Client(enforce_csrf_checks=True)
    response = client.post("/ocsp/issuing", body, "application/ocsp-request")
    assert status_in(response).certificate_status == GOOD


def test_o01_get_takes_every_spelling_of_base64(client, issuing):
    serials = [issue(issuing, f"{n:x}f") for n in range(1, 40)]
    texts = [base64.b64encode(question(issuing, serial)).decode() for serial in serials]
    assert any("/" in text for text in texts)
    assert any("+" in text for text in texts)
    for text in texts:
        for spelling in (text, quote(text, safe=""), quote(text, safe="+/="), f"/{text}"):
            response = client.get(f"/ocsp/issuing/{spelling}")
            assert status_in(response).certificate_status == GOOD, spelling


@pytest.mark.usefixtures("frozen_clock")
def test_o08_a_get_may_be_cached_for_half_a_minute(client, issuing):
    text = base64.b64encode(question(issuing, issue(issuing))).decode()
    response = client.get(f"/ocsp/issuing/{quote(text, safe='')}")
    assert response["Cache-Control"] == "public, max-age=30, no-transform, must-revalidate"
    assert response["ETag"] == f'"{hashlib.sha256(response.content).hexdigest()}"'
    told = status_in(response)
    assert told.this_update_utc == clock.now_s()
    assert response["Last-Modified"] == http_date(clock.now_s().timestamp())
    assert response["Expires"] == http_date(clock.now_s().timestamp() + 12 * 3600)
    assert response["X-Accel-Expires"] == "0"
    again = client.get(response.wsgi_request.path, headers={"if-none-match": response["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.usefixtures("frozen_clock")
@pytest.mark.parametrize(
    ("reason", "max_age", "kept_in_front"),
    [(Reason.KEY_COMPROMISE, 6 * 3600, 6 * 3600), (Reason.CERTIFICATE_HOLD, 30, 0)],
)
def test_o08_only_what_cannot_change_any_more_is_cached_for_long(
    client, issuing, reason, max_age, kept_in_front
):
    serial = issue(issuing)
    revoke(issuing, serial, reason)
    text = quote(base64.b64encode(question(issuing, serial)).decode(), safe="")
    for _ in range(2):  # signed for the request, then as it is kept
        response = client.get(f"/ocsp/issuing/{text}")
        assert status_in(response).certificate_status == REVOKED
        assert response["Cache-Control"].startswith(f"public, max-age={max_age}, ")
        assert response["X-Accel-Expires"] == str(kept_in_front)


def test_o06_answers_with_a_nonce_or_about_unknowns_are_not_cached(client, issuing):
    nonced = question(issuing, issue(issuing), nonce=b"n" * 16)
    for body in (nonced, question(issuing, 0x77)):
        text = quote(base64.b64encode(body).decode(), safe="")
        assert client.get(f"/ocsp/issuing/{text}")["Cache-Control"] == "no-store"


def test_o02_nonsense_gets_a_protocol_error_with_status_200(client, issuing):
    malformed = x509_ocsp.OCSPResponseStatus.MALFORMED_REQUEST
    for body in (b"nonsense", b"\x30" * 4097, b"\0" * 100_000):
        response = client.post("/ocsp/issuing", body, "application/ocsp-request")
        assert status_in(response).response_status == malformed
    for text in ("nonsense!", "AAAA", "%00", "x" * 9000):
        response = client.get(f"/ocsp/issuing/{text}")
        if response.status_code != 400:
            assert status_in(response).response_status == malformed
            assert response["Cache-Control"] == "no-store"


def test_another_content_type_is_415(client, issuing):
    body = question(issuing, issue(issuing))
    assert client.post("/ocsp/issuing", body, "application/json").status_code == 415


def test_ocsp_switched_off_is_unauthorized(client, issuing, sealwright):
    services.update_authority(sealwright, issuing, ocsp_enabled=False)
    response = client.post("/ocsp/issuing", question(issuing, 1), "application/ocsp-request")
    assert status_in(response).response_status == x509_ocsp.OCSPResponseStatus.UNAUTHORIZED


def test_the_index_names_each_authority_with_its_fingerprint(client, issuing):
    fingerprint = hashlib.sha256(der_of(issuing)).hexdigest()
    page = client.get("/pki/")
    assert page["Content-Type"].startswith("text/html")
    assert fingerprint in page.content.decode()
    assert not page.cookies
    lines = client.get("/pki/index.txt").content.decode().splitlines()
    assert [line.split("\t")[0] for line in lines] == ["issuing", "issuing-root"]
    assert fingerprint in lines[0]


def test_an_empty_index_is_a_page_too(client):
    assert client.get("/pki/").status_code == 200
    assert client.get("/pki/index.txt").content == b""
