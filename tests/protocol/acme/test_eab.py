"""Tests of external account binding (RFC 8555 section 7.3.4)."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from apps import clock
from apps.applications.roles import Role
from apps.enrollment.acme.models import AcmeAccount, EabKey
from apps.enrollment.acme.services import eab_keys
from apps.enrollment.acme.services import endpoints as services
from tests.protocol.acme.client import Acme, b64, ip, jwk_of, jws, kind, unb64
from tests.protocol.acme.conftest import make_eab, url_of
from tests.served import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def bound(team, endpoint):
    """A client with an unused EAB key."""
    return Acme(Client(), url_of(endpoint), eab=make_eab(team, endpoint))


def refused(client, answer, *, why="", status=403):
    assert kind(answer) == "unauthorized", answer.content
    assert answer.status_code == status
    assert why in answer.json()["detail"]
    assert not AcmeAccount.objects.exists()


def test_a14_a_binding_registers(bound):
    assert bound.register().status_code == 201
    key = EabKey.objects.get()
    assert AcmeAccount.objects.get().eab_key == key
    assert key.used_count == 1
    assert key.last_used_at is not None


def test_a14_required_but_absent(endpoint):
    answer = Acme(Client(), url_of(endpoint)).register()
    assert kind(answer) == "externalAccountRequired"
    assert answer.status_code == 403


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a14_mac_algorithms(bound, algorithm):
    import hashlib
    import hmac
    import json

    url = bound.directory["newAccount"]
    protected = b64(json.dumps({"alg": algorithm, "kid": bound.eab[0], "url": url}))
    payload = b64(json.dumps(jwk_of(bound.key)))
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[algorithm]
    mac = hmac.new(unb64(bound.eab[1]), f"{protected}.{payload}".encode(), digest).digest()
    binding = {"protected": protected, "payload": payload, "signature": b64(mac)}
    assert bound.register(externalAccountBinding=binding).status_code == 201


def test_a14_a_wrong_mac_or_kid_is_refused_alike(bound):
    kid, secret = bound.eab
    bound.eab = (kid, b64(b"x" * 32))
    wrong_mac = bound.register()
    refused(bound, wrong_mac, why="do not match")
    bound.eab = (b64(b"y" * 16), secret)
    wrong_kid = bound.register()
    refused(bound, wrong_kid)
    assert wrong_mac.json()["detail"] == wrong_kid.json()["detail"]


def test_a14_the_binding_is_for_this_url(bound):
    for url in (bound.directory["newOrder"], "https://other.example/new-account"):
        refused(bound, bound.register(externalAccountBinding=bound.binding(url)), why="url")


def test_a14_the_binding_is_for_this_account_key(bound):
    binding = bound.binding()
    bound.key = ec.generate_private_key(ec.SECP256R1())
    refused(bound, bound.register(externalAccountBinding=binding), why="another account key")


def test_a14_the_binding_compares_keys_by_thumbprint(bound):
    url = bound.directory["newAccount"]
    spelled = dict(reversed(jwk_of(bound.key).items())) | {"use": "sig", "kid": "mine"}
    header = {"alg": "HS256", "kid": bound.eab[0], "url": url}
    binding = jws(unb64(bound.eab[1]), header, spelled)
    assert bound.register(externalAccountBinding=binding).status_code == 201


def test_a14_the_binding_has_no_nonce(bound):
    answer = bound.register(externalAccountBinding=bound.binding(nonce=bound.nonce()))
    assert kind(answer) == "malformed"
    assert not AcmeAccount.objects.exists()


def test_a14_the_binding_is_no_signature(bound):
    url = bound.directory["newAccount"]
    for algorithm in ("ES256", "none"):
        header = {"alg": algorithm, "kid": bound.eab[0], "url": url}
        answer = bound.register(externalAccountBinding=jws(bound.key, header, jwk_of(bound.key)))
        assert kind(answer) == "badSignatureAlgorithm"
    assert not AcmeAccount.objects.exists()


@pytest.mark.parametrize("binding", ["text", 7, [], {}, {"protected": "e30"}])
def test_a14_a_binding_is_a_jws(bound, binding):
    assert kind(bound.register(externalAccountBinding=binding)) == "malformed"


def test_a14_a_key_serves_one_account_by_default(bound, endpoint):
    bound.register()
    second = Acme(Client(), url_of(endpoint), eab=bound.eab)
    answer = second.register()
    assert kind(answer) == "unauthorized"
    assert AcmeAccount.objects.count() == 1
    assert bound.register().status_code == 200  # the account itself is found without it


def test_a14_a_reusable_key_serves_many(team, endpoint):
    eab = make_eab(team, endpoint, reusable=True)
    for _ in range(3):
        assert Acme(Client(), url_of(endpoint), eab=eab).register().status_code == 201
    assert EabKey.objects.get().used_count == 3


def test_a14_an_expired_key_is_refused(team, endpoint, frozen_clock):
    eab = make_eab(team, endpoint, expires_at=clock.now() + timedelta(hours=1))
    client = Acme(Client(), url_of(endpoint), eab=eab)
    frozen_clock.shift(timedelta(hours=1))
    client.nonces.clear()
    refused(client, client.register(), why="expired")


def test_a14_a_revoked_key_is_refused(bound, team):
    eab_keys.revoke_eab_key(team.principal(Role.ADMIN), EabKey.objects.get())
    refused(bound, bound.register())
    assert not bytes(EabKey.objects.get().sealed_hmac_key)


def test_a14_a_key_of_another_endpoint_is_refused(bound, other_team):
    there = services.enable_acme(other_team.principal(Role.ADMIN), other_team.pairing)
    client = Acme(Client(), url_of(there), eab=bound.eab)
    refused(client, client.register(), why="do not match")


def test_a14_source_networks_are_held_to(team, endpoint):
    eab = make_eab(team, endpoint, networks=["192.0.2.0/24", "2001:db8::/32"])
    stranger = Acme(Client(REMOTE_ADDR="198.51.100.7"), url_of(endpoint), eab=eab)
    refused(stranger, stranger.register(), why="address")
    friend = Acme(Client(REMOTE_ADDR="192.0.2.9"), url_of(endpoint), eab=eab)
    assert friend.register().status_code == 201
    friend.http = Client(REMOTE_ADDR="198.51.100.7")
    assert kind(friend.order("www.example.com")) == "unauthorized"
    friend.http = Client(REMOTE_ADDR="::ffff:192.0.2.77")
    assert friend.order("www.example.com").status_code == 201


def test_a14_an_account_keeps_to_the_names_of_its_key(team, endpoint):
    eab = make_eab(team, endpoint, restrict_to=["*.web.example.com", "10.0.0.0/8"])
    client = Acme(Client(), url_of(endpoint), eab=eab)
    client.register()
    assert client.order("a.web.example.com", ip("10.1.2.3")).status_code == 201
    for name in (
        "web.example.com",
        "a.b.web.example.com",
        "evilweb.example.com",
        "a.web.example.com.evil.example",
    ):
        answer = client.order("a.web.example.com", name)
        assert kind(answer) == "rejectedIdentifier"
        assert [p["identifier"]["value"] for p in answer.json()["subproblems"]] == [name]
    assert kind(client.order(ip("11.0.0.1"))) == "rejectedIdentifier"
    answer = client.post(
        client.directory["newAuthz"], {"identifier": {"type": "dns", "value": "x.example.com"}}
    )
    assert kind(answer) == "rejectedIdentifier"


def test_skipping_is_for_listed_names_only(team, trusting_endpoint):
    listed = make_eab(team, trusting_endpoint, restrict_to=["*.example.com"])
    client = Acme(Client(), url_of(trusting_endpoint), eab=listed)
    client.register()
    assert client.order("www.example.com").json()["status"] == "ready"
    unlisted = Acme(Client(), url_of(trusting_endpoint), eab=make_eab(team, trusting_endpoint))
    unlisted.register()
    assert unlisted.order("www.example.com").json()["status"] == "pending"


def test_an_optional_binding_is_checked_where_it_is_given(team, open_endpoint):
    client = Acme(Client(), url_of(open_endpoint), eab=make_eab(team, open_endpoint))
    kid, secret = client.eab
    client.eab = (kid, b64(b"wrong" * 7))
    refused(client, client.register())
    client.eab = (kid, secret)
    assert client.register().status_code == 201
    assert AcmeAccount.objects.get().eab_key is not None
