"""Requests below the ACME prefix that no resource takes are refused by ACME problem documents."""

import pytest

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
