"""Tests of request authentication by JWS (RFC 8555 section 6)."""

import json
import string
from base64 import urlsafe_b64decode

import josepy
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.enrollment.acme import jws
from apps.enrollment.acme.models import AcmeAccount, AcmeUsedNonce
from apps.errors import BadAlgorithm, BadMessageSignature, BadPublicKey, Malformed
from tests.protocol.acme.client import EMPTY, Acme, b64, jwk_of, kind, sign
from tests.protocol.acme.client import jws as made
from tests.protocol.acme.conftest import url_of
from tests.served import Client

RSA = rsa.generate_private_key(65537, 2048)
KEYS = {
    "RS256": RSA,
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "ES512": ec.generate_private_key(ec.SECP521R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
database = pytest.mark.django_db


def signed(algorithm: str, **header: object) -> dict:
    return made(KEYS[algorithm], {"alg": algorithm} | header, {"a": 1})


# --- against an independent library -----------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "ES384", "ES512"])
def test_josepy_and_we_agree_on_keys_thumbprints_and_signatures(algorithm):
    key = KEYS[algorithm]
    theirs = josepy.JWK.from_json(jwk_of(key))

    ours = jws.load_key(jwk_of(key))

    assert ours.public_numbers() == theirs.key.public_numbers()
    assert jws.thumbprint(jwk_of(key)) == b64(theirs.thumbprint())
    assert jws.thumbprint_of(key.public_key()) == b64(theirs.thumbprint())
    message = jws.parse_members(signed(algorithm))
    jws.verify(message, ours)
    assert josepy.JWASignature.from_json(algorithm).verify(
        theirs.key, message.signing_input, message.signature
    )


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "ES384", "ES512"])
def test_what_josepy_signs_verifies(algorithm):
    private = {
        "RS256": josepy.JWKRSA(key=RSA),
    }.get(algorithm) or josepy.JWKEC(key=KEYS[algorithm])
    theirs = josepy.JWS.sign(
        payload=b'{"a":1}',
        key=private,
        alg=josepy.JWASignature.from_json(algorithm),
        protect={"alg"},
    )
    flat = theirs.to_partial_json()
    if "signatures" in flat:
        one = flat["signatures"][0].to_partial_json()
        flat = {
            "payload": b64(flat["payload"])
            if isinstance(flat["payload"], bytes)
            else flat["payload"]
        } | one
    members = {name: flat[name] for name in ("protected", "payload", "signature")}
    message = jws.parse_members(json.loads(json.dumps(members)))
    jws.verify(message, jws.load_key(jwk_of(KEYS[algorithm])))


def test_eddsa_verifies_and_has_the_thumbprint_of_rfc_8037():
    message = jws.parse_members(signed("EdDSA"))
    jws.verify(message, jws.load_key(jwk_of(KEYS["EdDSA"])))
    rfc = {"crv": "Ed25519", "kty": "OKP", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert jws.thumbprint(rfc) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_the_thumbprint_of_rfc_7638():
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs"
        "tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbO"
        "pbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    jwk = {"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
    assert jws.thumbprint(jwk) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


# --- shape (A-01, A-10) -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"header": {"x": 1}},
        {"signatures": []},
        {"protected": None},
        {"signature": None},
        {"payload": None},
        {"payload": 7},
    ],
)
def test_a01_anything_but_a_flattened_jws_is_malformed(change):
    body = {k: v for k, v in (signed("ES256") | change).items() if v is not None}
    with pytest.raises(Malformed):
        jws.parse(json.dumps(body).encode())


@pytest.mark.parametrize("member", ["protected", "payload", "signature"])
@pytest.mark.parametrize("tail", ["=", "==", "+", "/", " ", "\n", "é"])
def test_a10_padding_and_foreign_characters_are_malformed(member, tail):
    body = signed("ES256")
    body[member] += tail
    with pytest.raises(Malformed):
        jws.parse(json.dumps(body).encode())


@pytest.mark.parametrize(
    "header", [{"b64": False, "crit": ["b64"]}, {"b64": True}, {"crit": ["x"]}]
)
def test_a01_unencoded_payloads_and_critical_headers_are_malformed(header):
    with pytest.raises(Malformed):
        jws.parse_members(signed("ES256", **header))


def test_a01_a_header_that_says_a_thing_twice_is_malformed():
    body = signed("ES256")
    body["protected"] = b64('{"alg":"ES256","alg":"none"}')
    with pytest.raises(Malformed):
        jws.parse_members(body)


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_a01_no_bytes_make_the_parser_fail_otherwise(data):
    with pytest.raises(Malformed):
        jws.parse(data)


@given(
    st.dictionaries(st.sampled_from(["kty", "crv", "n", "e", "x", "y", "d"]), st.text(max_size=90))
)
@settings(max_examples=200)
def test_a03_no_jwk_makes_the_reader_fail_otherwise(jwk):
    with pytest.raises((Malformed, BadPublicKey)):
        jws.load_key(jwk)


# --- algorithms and keys (A-03) ---------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["none", "HS256", "HS512", "RS1", "PS256", "ES256K", ""])
def test_a03_no_other_algorithm_is_taken(algorithm):
    message = jws.parse_members(signed("ES256") | made(KEYS["ES256"], {"alg": algorithm}, {}))
    with pytest.raises((BadAlgorithm, Malformed)):
        jws.verify(message, KEYS["ES256"].public_key())


def test_a03_the_algorithm_must_be_the_keys():
    for algorithm, key in KEYS.items():
        for claimed in jws.ALGORITHMS:
            rsa_family = algorithm == "RS256" and claimed.startswith("RS")
            if claimed == algorithm or rsa_family:
                continue
            message = jws.parse_members(made(key, {"alg": claimed}, {}))
            with pytest.raises(BadAlgorithm):
                jws.verify(message, key.public_key())


def test_a03_a_mac_with_the_public_key_as_secret_is_refused():
    public = jwk_of(RSA)["n"].encode()
    message = jws.parse_members(made(public, {"alg": "HS256"}, {}))
    with pytest.raises(BadAlgorithm):
        jws.verify(message, RSA.public_key())


def test_a03_der_signatures_and_short_ones_do_not_verify():
    key = KEYS["ES256"]
    body = made(key, {"alg": "ES256"}, {})
    from cryptography.hazmat.primitives import hashes

    der = key.sign(f"{body['protected']}.{body['payload']}".encode(), ec.ECDSA(hashes.SHA256()))
    for signature in (der, b"", b"\0" * 64, sign(key, b"other")):
        message = jws.parse_members(body | {"signature": b64(signature)})
        with pytest.raises(BadMessageSignature):
            jws.verify(message, key.public_key())


P256 = jwk_of(KEYS["ES256"])


@pytest.mark.parametrize(
    "jwk",
    [
        jwk_of(rsa.generate_private_key(65537, 1024)),
        {"kty": "RSA", "n": b64(b"\xff" * 2100), "e": "AQAB"},
        {"kty": "RSA", "n": jwk_of(RSA)["n"], "e": "AQ"},
        {"kty": "RSA", "n": jwk_of(RSA)["n"], "e": "Ag"},
        {"kty": "RSA", "n": jwk_of(RSA)["n"], "e": b64(b"\1" + bytes(8) + b"\1")},
        P256 | {"crv": "P-384"},
        P256 | {"crv": "secp256k1"},
        P256 | {"x": P256["y"]},
        P256 | {"x": b64(b"\0" + jws.decode(P256["x"]))},
        {"kty": "OKP", "crv": "X25519", "x": b64(bytes(32))},
        {"kty": "OKP", "crv": "Ed25519", "x": b64(bytes(31))},
        {"kty": "oct", "k": "AAAA"},
        {"kty": "AKP"},
    ],
)
def test_a03_weak_or_impossible_keys_are_refused(jwk):
    with pytest.raises((BadPublicKey, Malformed)):
        jws.load_key(jwk)


def test_a03_a_jwk_with_its_private_half_is_refused():
    with pytest.raises(Malformed, match="compromised"):
        jws.load_key(P256 | {"d": "AAAA"})


# --- over HTTP --------------------------------------------------------------------------------


@database
@pytest.mark.parametrize("algorithm", sorted(KEYS))
def test_a03_every_supported_algorithm_registers(open_endpoint, algorithm):
    client = Acme(Client(), url_of(open_endpoint), key=KEYS[algorithm])
    assert client.register().status_code == 201


@database
def test_a03_an_unsupported_algorithm_is_answered_with_the_supported_ones(newcomer):
    answer = newcomer.post(newcomer.directory["newAccount"], {}, alg="PS256")
    assert kind(answer) == "badSignatureAlgorithm"
    assert answer.status_code == 400
    assert answer.json()["algorithms"] == list(jws.ALGORITHMS)


@database
def test_a03_a_weak_key_is_answered_bad_public_key(newcomer):
    newcomer.key = rsa.generate_private_key(65537, 1024)
    assert kind(newcomer.register()) == "badPublicKey"
    assert not AcmeAccount.objects.exists()


@database
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/jose"])
def test_a01_another_content_type_is_answered_415(newcomer, content_type):
    url = newcomer.directory["newAccount"]
    body = made(newcomer.key, newcomer.header(url, by_jwk=True), {})
    answer = newcomer.send(url, body, content_type)
    assert answer.status_code == 415
    assert kind(answer) == "malformed"


@database
def test_a01_a_signature_by_another_key_is_refused(newcomer):
    answer = newcomer.post(
        newcomer.directory["newAccount"],
        {},
        by_jwk=True,
        key=ec.generate_private_key(ec.SECP256R1()),
    )
    assert kind(answer) == "malformed"
    assert not AcmeAccount.objects.exists()


@database
def test_a02_both_or_neither_of_kid_and_jwk_are_refused(client):
    url = client.directory["newOrder"]
    for changes in ({"jwk": jwk_of(client.key)}, {"kid": None}):
        assert kind(client.post(url, {}, **changes)) == "malformed"


@database
def test_a02_jwk_is_for_new_accounts_and_revocation_only(client):
    for name in ("newOrder", "newAuthz", "keyChange"):
        assert kind(client.post(client.directory[name], {}, by_jwk=True)) == "malformed", name
    assert kind(client.post(client.kid, EMPTY, by_jwk=True)) == "malformed"


@database
def test_a02_new_account_takes_no_kid(client):
    assert kind(client.post(client.directory["newAccount"], {})) == "malformed"


@database
@pytest.mark.parametrize("name", ["alg", "url", "kid"])
def test_a02_the_header_is_complete(client, name):
    answer = client.post(client.directory["newOrder"], {}, **{name: None})
    assert kind(answer) == "malformed"


@database
@pytest.mark.parametrize(
    "url",
    [
        "https://localhost:8443/acme/payments/payments-tls/new-authz",
        "http://localhost:8443/acme/payments/payments-tls/new-order",
        "https://testserver/acme/payments/payments-tls/new-order",
        "https://localhost:8443/acme/payments/payments-tls/new-order?",
        "https://localhost:8443/acme/payments/payments-tls/new-order/",
        "https://localhost:8443/acme/payments/PAYMENTS-tls/new-order",
    ],
)
def test_a04_the_signed_url_must_be_the_one_requested(client, url):
    answer = client.post(client.directory["newOrder"], {}, url=url)
    assert kind(answer) == "unauthorized"
    assert answer.status_code == 403


@database
def test_a04_the_host_header_changes_nothing(client):
    url = client.directory["newOrder"]
    body = made(client.key, client.header(url), {"identifiers": []})
    answer = client.http.post(
        "/acme/payments/payments-tls/new-order",
        json.dumps(body),
        content_type="application/jose+json",
        headers={"Host": "localhost", "X-Forwarded-Host": "evil.example"},
    )
    assert "evil" not in answer["Link"]
    assert kind(answer) == "malformed"  # past the URL check: an order without identifiers


@database
def test_a02_an_account_of_another_endpoint_is_unknown_here(client, other_team, team):
    from apps.applications.roles import Role
    from apps.enrollment.acme.services import endpoints as services

    there = services.enable_acme(
        other_team.principal(Role.ADMIN), other_team.pairing, require_eab=False
    )
    stranger = Acme(Client(), url_of(there), key=client.key)
    for kid in (client.kid, client.kid.replace("/payments/payments-tls/", "/billing/billing-tls/")):
        stranger.kid = kid
        answer = stranger.post(stranger.directory["newOrder"], {})
        assert kind(answer) == "accountDoesNotExist"


@database
def test_a01_an_unsigned_request_writes_nothing(newcomer):
    for _ in range(3):
        newcomer.post(newcomer.directory["newAccount"], {}, by_jwk=True, key=KEYS["ES256"])
    assert not AcmeUsedNonce.objects.exists()


@pytest.mark.parametrize("length", [2, 3, 4])
def test_a10_of_all_texts_for_the_same_octets_one_is_taken(length):
    alphabet = string.ascii_letters + string.digits + "-_"
    for last in alphabet:
        text = "Z9-"[: length - 1] + last
        octets = urlsafe_b64decode(text + "=" * (-length % 4))
        if jws.encode(octets) == text:
            assert jws.decode(text) == octets
        else:
            with pytest.raises(Malformed):
                jws.decode(text)


REFUSED_KEYS = {
    "an unknown type": {"kty": "oct8"},
    "another OKP curve": {"kty": "OKP", "crv": "X25519", "x": "A" * 43},
    "another EC curve": {"kty": "EC", "crv": "secp256k1", "x": "A" * 43, "y": "A" * 43},
    "a short RSA key": {"kty": "RSA", "n": b64(b"\xff" * 128), "e": "AQAB"},
}


@database
@pytest.mark.parametrize("jwk", REFUSED_KEYS.values(), ids=REFUSED_KEYS)
def test_a03_a_refused_key_is_told_which_are_accepted(newcomer, jwk):
    answer = newcomer.post(newcomer.directory["newAccount"], {}, by_jwk=True, jwk=jwk)
    assert kind(answer) == "badPublicKey"
    for accepted in ("RSA", "2048", "P-256", "P-384", "P-521", "Ed25519"):
        assert accepted in answer.json()["detail"]


@database
def test_a02_a_refused_algorithm_is_told_which_are_accepted(newcomer):
    url = newcomer.directory["newAccount"]
    answer = newcomer.post(url, {}, by_jwk=True, alg="HS256")
    assert kind(answer) == "badSignatureAlgorithm"
    assert answer.json()["algorithms"] == list(jws.ALGORITHMS)
    answer = newcomer.post(url, {}, by_jwk=True, alg="RS256")  # the key is on P-256
    assert kind(answer) == "badSignatureAlgorithm"
    assert answer.json()["algorithms"] == ["ES256"]
    assert "ES256" in answer.json()["detail"]


RESOURCES = ("newAccount", "newOrder", "newAuthz", "revokeCert", "keyChange", "finalize")


@database
@pytest.mark.parametrize("name", RESOURCES)
def test_a04_post_as_get_of_what_needs_a_payload_says_so(trusted, name):
    order = trusted.order("www.example.com").json()
    answer = trusted.post((trusted.directory | order)[name], by_jwk=name == "newAccount")
    assert kind(answer) == "malformed"
    assert "POST-as-GET" in answer.json()["detail"]


@database
def test_a04_a_payload_to_what_is_only_read_says_so(trusted):
    done = trusted.issue("www.example.com")
    orders = trusted.post(trusted.kid).json()["orders"]
    for url in (
        done["Location"],
        done.json()["certificate"],
        orders,
        trusted.directory["newNonce"],
        f"https://localhost:8443{trusted.directory_url}",
    ):
        answer = trusted.post(url, {})
        assert kind(answer) == "malformed", url
        assert "POST-as-GET" in answer.json()["detail"]
