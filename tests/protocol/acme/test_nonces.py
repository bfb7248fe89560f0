"""Tests of replay nonces (RFC 8555 section 6.5)."""

import base64
import uuid

import pytest
from django.db import connections
from django.test import override_settings

from apps.enrollment.acme import nonces
from apps.enrollment.acme.models import AcmeUsedNonce
from apps.enrollment.acme.problems import Refusal
from apps.errors import Malformed
from tests.protocol.acme.client import Acme, kind
from tests.protocol.acme.conftest import url_of
from tests.served import Client

pytestmark = pytest.mark.django_db
FORM = r"^[A-Za-z0-9_-]{43}$"


def test_a05_nonces_are_base64url_and_never_repeat():
    import re

    seen = {nonces.issue() for _ in range(5000)}
    assert len(seen) == 5000
    assert all(re.match(FORM, nonce) for nonce in seen)


def test_a05_every_answer_to_a_post_and_new_nonce_carry_a_fresh_nonce(client):
    new_order, new_nonce = client.directory["newOrder"], client.directory["newNonce"]
    answers = [
        client.http.head("/acme/payments/payments-tls/new-nonce"),
        client.get(new_nonce),
        client.post(new_nonce),
        client.post(f"https://localhost:8443{client.directory_url}"),
        client.order("www.example.com"),
        client.post(new_order, {}),  # malformed
        client.post(new_order, {}, nonce="A" * 43),  # badNonce
        client.send(new_order, "{}", "text/plain"),  # 415
        client.post(client.directory["renewalInfo"] + "/a.b"),  # 405
        client.post(new_order.replace("new-order", "new-orders")),  # 404
    ]
    given = [answer["Replay-Nonce"] for answer in answers]
    assert len(set(given)) == len(given)
    assert {answer["Cache-Control"] for answer in answers} == {"no-store"}


def test_a05_answers_to_get_carry_none_and_public_ones_may_be_kept(client):
    found = {
        client.directory_url: (200, "public, max-age=300"),
        client.directory_url.replace("directory", "limits"): (200, "public, max-age=300"),
        client.directory["renewalInfo"] + "/a.b": (400, "no-store"),
        client.directory["newOrder"]: (405, "no-store"),
        client.directory_url.replace("directory", "nothing"): (404, "no-store"),
        client.directory_url.replace("payments-tls", "other"): (404, "no-store"),
    }
    for url, wanted in found.items():
        answer = client.get(url)
        assert (answer.status_code, answer["Cache-Control"]) == wanted, url
        assert "Replay-Nonce" not in answer, url


@pytest.mark.parametrize("nonce", ["", "a b", "a+b", "a/b", "AAAA=", "é", 7, ["x"]])
def test_a05_a_malformed_nonce_is_malformed(client, nonce):
    answer = client.post(client.directory["newOrder"], {}, nonce=nonce)
    assert kind(answer) == "malformed"


@pytest.mark.parametrize("nonce", ["A", "A" * 43, "A" * 44, "A" * 400])
def test_a06_a_nonce_that_is_not_ours_is_bad(client, nonce):
    answer = client.post(client.directory["newOrder"], {}, nonce=nonce)
    assert kind(answer) == "badNonce"
    assert answer.status_code == 400
    assert answer["Replay-Nonce"]


def test_a06_a_missing_nonce_is_bad(client):
    assert kind(client.post(client.directory["newOrder"], {}, nonce=None)) == "badNonce"


def test_a06_every_flipped_bit_is_noticed():
    data = base64.urlsafe_b64decode(nonces.issue() + "=")
    for bit in range(len(data) * 8):
        forged = bytearray(data)
        forged[bit // 8] ^= 1 << bit % 8
        text = base64.urlsafe_b64encode(bytes(forged)).rstrip(b"=").decode()
        with pytest.raises(Refusal):
            nonces.check(text)


def test_a06_another_spelling_of_the_same_nonce_is_the_same_nonce():
    """43 characters carry two bits too many; they must not make a second nonce."""
    text = nonces.issue()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(text[-1])
    nonces.consume(nonces.check(text))
    for other in range(last + 1, min(last + 4, 64)):
        with pytest.raises(Refusal):
            nonces.consume(nonces.check(text[:-1] + alphabet[other]))


def test_a06_a_used_nonce_is_bad(client):
    nonce = client.nonce()
    assert (
        client.post(client.directory["newOrder"], {}, nonce=nonce)
        .json()["type"]
        .endswith("malformed")
    )
    assert kind(client.post(client.directory["newOrder"], {}, nonce=nonce)) == "badNonce"


def test_a06_a_refused_request_has_used_its_nonce(client):
    nonce = client.nonce()
    assert kind(client.order("a_b.example.com", "x")) == "rejectedIdentifier"
    client.post(client.directory["newOrder"], {"identifiers": "x"}, nonce=nonce)
    assert kind(client.post(client.kid, nonce=nonce)) == "badNonce"


def test_a06_an_expired_nonce_is_bad(frozen_clock):
    text = nonces.issue()
    frozen_clock.shift(nonces.LIFETIME_S - 1)
    checked = nonces.check(text)
    frozen_clock.shift(1)
    with pytest.raises(Refusal):
        nonces.check(text)
    nonces.consume(checked)


def test_a06_a_nonce_of_another_installation_is_bad():
    text = nonces.issue()
    with override_settings(SECRET_KEY="another"), pytest.raises(Refusal):
        nonces.check(text)
    nonces.check(text)


def test_a06_purging_forgets_the_expired_only(frozen_clock):
    old, young = nonces.check(nonces.issue()), None
    nonces.consume(old)
    frozen_clock.shift(nonces.LIFETIME_S // 2)
    young = nonces.check(nonces.issue())
    nonces.consume(young)
    assert nonces.purge() == "deleted 0 nonces"
    frozen_clock.shift(nonces.LIFETIME_S // 2 + 1)
    assert nonces.purge() == "deleted 1 nonces"
    assert [row.nonce for row in AcmeUsedNonce.objects.all()] == [young]
    with pytest.raises(Refusal):
        nonces.consume(young)


def test_a05_a_number_is_no_nonce():
    with pytest.raises(Malformed):
        nonces.check(7)


def test_a07_new_nonce_is_for_head_get_and_post_as_get(client):
    url = "/acme/payments/payments-tls/new-nonce"
    assert client.http.head(url).status_code == 200
    assert client.http.get(url).status_code == 204
    for answer in (client.http.head(url), client.http.get(url)):
        assert answer["Cache-Control"] == "no-store"
        assert 'rel="index"' in answer["Link"]
        assert not answer.content
    assert client.http.put(url).status_code == 405
    assert client.post(client.directory["newNonce"]).status_code == 204
    assert kind(client.post(client.directory["newNonce"], {})) == "malformed"


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch", "options", "head"])
def test_a07_resources_take_post_only(client, method):
    order = client.order("www.example.com").json()
    for url in (
        client.directory["newAccount"],
        client.directory["newOrder"],
        client.directory["revokeCert"],
        client.directory["keyChange"],
        client.kid,
        order["finalize"],
        order["authorizations"][0],
    ):
        answer = getattr(client.http, method)(url.removeprefix("https://localhost:8443"))
        assert answer.status_code == 405
        assert answer["Allow"] == "POST"
        if method != "head":
            assert kind(answer) == "malformed"


def test_a06_a_nonce_serves_any_endpoint_but_once(client, open_endpoint):
    second = Acme(Client(), url_of(open_endpoint))
    nonce = client.nonce()
    answer = second.post(second.directory["newAccount"], {}, by_jwk=True, nonce=nonce)
    assert answer.status_code == 201
    assert kind(client.post(client.kid, nonce=nonce)) == "badNonce"


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a06_of_a_hundred_parallel_uses_one_wins():
    import threading

    nonce = nonces.check(nonces.issue())
    barrier = threading.Barrier(100)
    won = []

    def use() -> None:
        barrier.wait()
        try:
            nonces.consume(nonce)
            won.append(1)
        except Refusal:
            pass
        finally:
            connections.close_all()

    threads = [threading.Thread(target=use) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(won) == 1
    assert AcmeUsedNonce.objects.filter(nonce=uuid.UUID(str(nonce))).count() == 1
