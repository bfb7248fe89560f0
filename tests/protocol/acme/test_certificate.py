"""Tests of the download of chains (RFC 8555 section 7.4.2)."""

import re

import pytest
from cryptography import x509

from apps.applications import services as application_services
from apps.applications.roles import Role
from apps.enrollment.acme.services import endpoints as services
from tests.factories.authorities import make_root
from tests.factories.keys import make_csr
from tests.factories.profiles import make_profile
from tests.protocol.acme.client import Acme, kind
from tests.protocol.acme.conftest import ANYTHING, make_eab, url_of
from tests.served import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(trusted):
    return trusted.issue("www.example.com").json()


def alternates(answer):
    return re.findall(r'<([^>]+)>;rel="alternate"', answer["Link"])


def test_a27_the_default_chain_is_leaf_first_without_root_and_without_words(trusted, order):
    answer = trusted.post(order["certificate"])
    assert answer["Content-Type"] == "application/pem-certificate-chain"
    text = answer.content.decode()
    assert re.fullmatch(
        r"(-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=]{1,64}\n)+-----END CERTIFICATE-----\n){2}",
        text,
    )
    leaf, issuing = x509.load_pem_x509_certificates(answer.content)
    leaf.verify_directly_issued_by(issuing)
    assert issuing.issuer != issuing.subject


def test_a09_the_chain_with_its_root_is_the_alternate(trusted, order):
    answer = trusted.post(order["certificate"])
    (other,) = alternates(answer)
    assert other == f"{order['certificate']}/1"
    longer = trusted.post(other)
    leaf, issuing, root = x509.load_pem_x509_certificates(longer.content)
    leaf.verify_directly_issued_by(issuing)
    issuing.verify_directly_issued_by(root)
    root.verify_directly_issued_by(root)
    assert alternates(longer) == [order["certificate"]]
    assert kind(trusted.post(f"{order['certificate']}/2")) == "malformed"


def test_a27_under_a_root_the_chain_has_it_because_clients_want_two(team):
    profile = make_profile("flat", authority=make_root("flat-root"))
    pairing = application_services.attach_profile(_governor(), team.application, profile)
    endpoint = services.enable_acme(team.principal(Role.ADMIN), pairing, skip_validation=True)
    client = Acme(Client(), url_of(endpoint), eab=make_eab(team, endpoint, restrict_to=ANYTHING))
    client.register()
    answer = client.post(client.issue("www.example.com").json()["certificate"])
    leaf, root = x509.load_pem_x509_certificates(answer.content)
    leaf.verify_directly_issued_by(root)
    assert not alternates(answer)


def _governor():
    from apps import principals

    return principals.system("tests")


def test_a08_certificates_of_others_look_like_none(order, make_trusted):
    other = make_trusted()
    for url in (
        order["certificate"],
        f"{order['certificate']}/1",
        order["certificate"][:-22] + "A" * 22,
    ):
        answer = other.post(url)
        assert answer.status_code == 404
        assert kind(answer) == "malformed"


def test_a08_certificates_are_read_by_post_as_get(trusted, order):
    assert kind(trusted.post(order["certificate"], {})) == "malformed"
    assert trusted.get(order["certificate"]).status_code == 405


def test_there_is_no_certificate_before_it_is_issued(trusted):
    order = trusted.order("www.example.com").json()
    url = order["finalize"].replace("/order/", "/cert/").removesuffix("/finalize")
    assert trusted.post(url).status_code == 404
    trusted.finalize(order, make_csr("www.example.com"))
    assert trusted.post(url).status_code == 200
