"""Names that were trusted without proof need one as soon as the endpoint trusts no longer."""

import pytest

from apps.applications.roles import Role
from apps.certificates.models import Certificate
from apps.enrollment.acme.models import AcmeAuthorization, AcmeChallenge, AcmeOrder
from apps.enrollment.acme.services import endpoints as services
from tests.factories.keys import make_csr
from tests.protocol.acme.client import b64, kind

pytestmark = pytest.mark.django_db
NAME = "www.example.com"


@pytest.fixture
def distrust(team, trusting_endpoint):
    def act(**also):
        admin = team.principal(Role.ADMIN)
        services.update_acme(admin, trusting_endpoint, skip_validation=False, **also)

    return act


def prove(authorization_url):
    """Let a proof be found, as the validator would."""
    row = AcmeAuthorization.objects.get(url_id=authorization_url.rpartition("/")[2])
    AcmeChallenge.objects.filter(authorization=row, type="http-01").update(status="valid")
    AcmeAuthorization.objects.filter(pk=row.pk).update(status="valid")
    AcmeOrder.objects.filter(authorizations=row).update(status="ready")


def test_the_next_order_asks_for_a_proof_which_is_reused_then(trusted, distrust):
    before = trusted.issue(NAME).json()
    assert trusted.order(NAME).json()["authorizations"] == before["authorizations"]
    distrust()
    order = trusted.order(NAME).json()
    assert order["status"] == "pending"
    (url,) = order["authorizations"]
    shown = trusted.post(url).json()
    assert (shown["status"], bool(shown["challenges"])) == ("pending", True)
    assert kind(trusted.finalize(order, make_csr(NAME, number=2))) == "orderNotReady"
    prove(url)
    assert trusted.finalize(order, make_csr(NAME, number=2)).json()["status"] == "valid"
    assert trusted.order(NAME).json()["authorizations"] == [url]


def test_an_authorization_asked_for_alone_is_pending(trusted, distrust):
    trusted.issue(NAME)
    distrust()
    asked = {"identifier": {"type": "dns", "value": NAME}}
    answer = trusted.post(trusted.directory["newAuthz"], asked)
    assert (answer.status_code, answer.json()["status"]) == (201, "pending")


def test_an_order_that_was_ready_is_refused_at_finalize(trusted, distrust):
    location = trusted.order(NAME)["Location"]
    order = trusted.post(location).json()
    assert order["status"] == "ready"
    distrust()
    answer = trusted.finalize(order, make_csr(NAME))
    assert (answer.status_code, kind(answer)) == (403, "unauthorized")
    assert trusted.post(location).json()["status"] == "invalid"
    assert not Certificate.objects.exists()


def test_a_proof_stays_good_when_trust_ends(trusted, distrust, trusting_endpoint, team):
    distrust()
    (url,) = trusted.order(NAME).json()["authorizations"]
    prove(url)
    services.update_acme(team.principal(Role.ADMIN), trusting_endpoint, skip_validation=True)
    assert trusted.order(NAME).json()["authorizations"] == [url]
    distrust()
    assert trusted.issue(NAME).json()["authorizations"] == [url]


def test_trust_that_ended_lets_nobody_revoke_for_others(trusted, make_trusted, distrust):
    trusted.issue(NAME)
    certificate = Certificate.objects.get()
    other = make_trusted()
    other.order(NAME)
    distrust()
    asked = {"certificate": b64(bytes(certificate.der))}
    assert kind(other.post(other.directory["revokeCert"], asked)) == "unauthorized"
    assert trusted.post(trusted.directory["revokeCert"], asked).status_code == 200
