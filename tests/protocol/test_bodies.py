"""Bodies that are cut off, encoded or in other charsets, on every path."""

import pytest

from tests.served import Client

FORMS = {
    "/api/v1/certificate-requests/": "application/problem+json",
    "/acme/a/b/new-order": "application/problem+json",
    "/ocsp/a": "text/plain",
    "/admin/login/": "text/html",
}
CODECS = ["utf-16", "iso-8859-1", "rot13", "undefined", "base64", "no-such"]


@pytest.mark.parametrize("charset", CODECS)
@pytest.mark.parametrize("path", FORMS)
def test_a_body_in_another_charset_is_415(path, charset):
    answer = Client().generic(
        "POST", path, b"{}", content_type=f"application/json; charset={charset}"
    )
    assert answer.status_code == 415
    assert answer.headers["Content-Type"].startswith(FORMS[path])
    assert charset in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("charset", CODECS)
def test_a_charset_without_a_body_is_ignored(charset):
    kind = f"text/plain; charset={charset}"
    answer = Client().get("/pki/?name=%C3%A4", headers={"Content-Type": kind})
    assert answer.status_code == 200


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf-8"', "us-ascii"])
def test_utf_8_may_be_named(charset):
    kind = f"application/json; charset={charset}"
    answer = Client().generic("POST", "/api/v1/certificate-requests/", b"{}", content_type=kind)
    assert answer.status_code == 401


def test_an_endless_content_type_is_refused():
    kind = "application/json; x=" + "y" * 12_000
    answer = Client().generic("POST", "/api/v1/certificate-requests/", b"{}", content_type=kind)
    assert answer.status_code in {401, 415}
