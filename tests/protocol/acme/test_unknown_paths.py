"""Requests below the ACME prefix that no resource takes are refused by ACME problem documents."""

import pytest

from tests.protocol.acme.client import kind
from tests.served import Client

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "path",
    [
        "/acme/",
        "/acme/payments",
        "/acme/payments/",
        "/acme/payments/payments-tls",
        "/acme/pay.ments/payments-tls/new-order",
        "/acme//new-order",
    ],
)
def test_a_path_that_is_no_endpoint_is_refused_by_an_acme_problem(endpoint, method, path):
    answer = Client().generic(method, path, b"{}")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:ietf:params:acme:error:malformed"
    assert answer.json()["status"] == 404


@pytest.mark.parametrize("path", ["new-order/", "new-orders", "cert/x/y/z"])
def test_an_unknown_resource_of_an_endpoint_is_refused_by_an_acme_problem(endpoint, path):
    answer = Client().generic("POST", f"/acme/payments/payments-tls/{path}", b"{}")
    assert (answer.status_code, answer.json()["type"]) == (
        404,
        "urn:ietf:params:acme:error:malformed",
    )


def test_the_url_with_its_slash_is_named(endpoint):
    answer = Client().generic("POST", "/acme/payments/payments-tls", b"{}")
    assert "/acme/payments/payments-tls/" in answer.json()["detail"]


PATH = "/acme/payments/payments-tls/new-order"
UNSEEN = {
    "a body without its length": (PATH, {"HTTP_TRANSFER_ENCODING": "chunked"}, 411),
    "a body that is too large": (PATH, {"CONTENT_LENGTH": str(10**9)}, 413),
    "a body that was cut off": (PATH, {"CONTENT_LENGTH": "1000"}, 400),
    "a compressed body": (PATH, {"HTTP_CONTENT_ENCODING": "gzip"}, 415),
    "NUL in the path": (f"{PATH}%00", {}, 400),
    "NUL in the query": (f"{PATH}?cursor=%00", {}, 400),
    "a length that is no number": (PATH, {"CONTENT_LENGTH": "x"}, 400),
}


@pytest.mark.parametrize(("path", "environ", "status"), UNSEEN.values(), ids=UNSEEN)
def test_what_no_view_sees_is_refused_like_everything_else(endpoint, path, environ, status):
    answer = Client().generic("POST", path, b"{}", content_type="application/jose+json", **environ)
    assert (answer.status_code, kind(answer)) == (status, "malformed")
    assert answer["Replay-Nonce"]
    assert answer["Cache-Control"] == "no-store"
    assert answer.links == [
        '<https://localhost:8443/acme/payments/payments-tls/directory>;rel="index"'
    ]


@pytest.mark.parametrize("name", ["%0D%0ALink:x", "%3E;rel=x", "%22", "%C3%A9"])
def test_no_name_from_a_path_gets_into_a_header_unless_it_is_one(endpoint, name):
    answer = Client().generic("POST", f"/acme/{name}/payments-tls/new-order", b"{}")
    assert (answer.status_code, kind(answer)) == (404, "malformed")
    assert answer.links == []


def test_a_get_that_no_view_sees_carries_no_nonce(endpoint):
    answer = Client().get("/acme/payments/payments-tls/directory%00")
    assert (answer.status_code, kind(answer)) == (400, "malformed")
    assert "Replay-Nonce" not in answer
