"""Tests of the account's key change (RFC 8555 section 7.3.5)."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from apps.audit.models import AuditEvent
from apps.enrollment.acme.jws import thumbprint
from apps.enrollment.acme.models import AcmeAccount
from tests.protocol.acme.client import Acme, algorithm_of, jwk_of, jws, kind
from tests.protocol.acme.conftest import url_of
from tests.served import Client

pytestmark = pytest.mark.django_db


def inner(client, new_key, *, payload=None, signer=None, **header):
    url = client.directory["keyChange"]
    full = {"alg": algorithm_of(new_key), "jwk": jwk_of(new_key), "url": url} | header
    full = {name: value for name, value in full.items() if value is not None}
    content = {"account": client.kid, "oldKey": jwk_of(client.key)} | (payload or {})
    return jws(signer or new_key, full, {k: v for k, v in content.items() if v is not None})


def roll(client, new_key, **changes):
    return client.post(client.directory["keyChange"], inner(client, new_key, **changes))


@pytest.fixture
def new_key():
    return ec.generate_private_key(ec.SECP384R1())


def unchanged(client):
    return AcmeAccount.objects.get(url_id=client.kid.rpartition("/")[2]).thumbprint == thumbprint(
        jwk_of(client.key)
    )


def test_a15_the_new_key_takes_over_and_pending_objects_survive(client, new_key):
    order = client.order("www.example.com")["Location"]
    old = client.key

    answer = roll(client, new_key)

    assert answer.status_code == 200, answer.content
    client.key = new_key
    assert client.post(order).json()["status"] == "pending"
    assert client.post(client.post(order).json()["authorizations"][0]).json()["status"] == "pending"
    client.key = old
    assert kind(client.post(order)) in {"malformed", "badSignatureAlgorithm"}
    event = AuditEvent.objects.get(event="acme.account_key_changed")
    assert event.data["after"] == thumbprint(jwk_of(new_key))


@pytest.mark.parametrize(
    "changes",
    [
        {"jwk": None},
        {"url": "https://localhost:8443/acme/payments/payments-tls/new-order"},
        {"nonce": "A" * 43},
        {"kid": "https://localhost:8443/acme/payments/payments-tls/acct/x"},
        {"payload": {"account": None}},
        {"payload": {"account": "https://localhost:8443/acme/payments/payments-tls/acct/x"}},
        {"payload": {"oldKey": None}},
        {"payload": {"oldKey": "text"}},
        {"payload": {"oldKey": jwk_of(ec.generate_private_key(ec.SECP256R1()))}},
        {"signer": ec.generate_private_key(ec.SECP384R1())},
    ],
)
def test_a15_each_check_refuses(client, new_key, changes):
    answer = roll(client, new_key, **changes)
    assert kind(answer) == "malformed", answer.content
    assert unchanged(client)


def test_a15_the_new_key_must_be_usable(client):
    assert kind(roll(client, rsa.generate_private_key(65537, 1024))) == "badPublicKey"
    assert kind(roll(client, ec.generate_private_key(ec.SECP256R1()), alg="ES384")) == (
        "badSignatureAlgorithm"
    )
    assert unchanged(client)


def test_a15_the_outer_jws_is_signed_by_the_old_key(client, new_key):
    answer = client.post(client.directory["keyChange"], inner(client, new_key), key=new_key)
    assert kind(answer) == "malformed"
    assert unchanged(client)


def test_a15_a_key_in_use_is_answered_409_with_its_account(client, open_endpoint, new_key):
    other = Acme(Client(), url_of(open_endpoint), key=new_key)
    other.register()
    answer = roll(client, new_key)
    assert answer.status_code == 409
    assert answer["Location"] == other.kid
    assert unchanged(client)
    own = roll(client, client.key)
    assert own.status_code == 409
    assert own["Location"] == client.kid


def test_a15_the_payload_is_the_inner_jws(client, new_key):
    for payload in ({}, {"protected": "x"}, b"", b"[]", inner(client, new_key) | {"header": {}}):
        assert kind(client.post(client.directory["keyChange"], payload)) == "malformed"
    assert unchanged(client)


def test_a15_nobody_takes_over_another_account(client, open_endpoint, new_key):
    thief = Acme(Client(), url_of(open_endpoint))
    thief.register()
    body = inner(client, new_key)  # names the victim's account and key
    answer = thief.post(thief.directory["keyChange"], body)
    assert kind(answer) == "malformed"
    assert unchanged(client)
    assert unchanged(thief)


def test_a15_the_old_key_is_refused_at_once_also_where_it_was_seen_lately(client):
    """The process remembers keys of accounts it has met; what the database says counts."""
    old = client.key
    assert client.order("www.example.com").status_code == 201
    new = ec.generate_private_key(ec.SECP256R1())
    AcmeAccount.objects.update(jwk=jwk_of(new))
    refused = client.order("www.example.com")
    assert kind(refused) == "malformed"
    client.key = new
    assert client.order("www.example.com").status_code == 201
    client.key = old
    assert kind(client.order("www.example.com")) == "malformed"
