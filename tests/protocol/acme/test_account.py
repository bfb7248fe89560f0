"""Tests of accounts: registration, contacts, deactivation (RFC 8555 section 7.3)."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from apps.applications.roles import Role
from apps.audit.models import AuditEvent
from apps.enrollment.acme.models import AcmeAccount, AcmeAuthorization, AcmeOrder
from apps.enrollment.acme.services import account_revocation, accounts
from apps.enrollment.acme.services import endpoints as services
from tests.protocol.acme.client import Acme, b64, kind
from tests.protocol.acme.conftest import url_of
from tests.served import Client

pytestmark = pytest.mark.django_db


def test_a11_a_new_key_makes_an_account(newcomer):
    answer = newcomer.register(contact=["mailto:ops@example.com"], termsOfServiceAgreed=True)

    assert answer.status_code == 201
    account = AcmeAccount.objects.get()
    assert answer["Location"].endswith(f"/acct/{account.url_id}")
    shown = answer.json()
    assert shown["status"] == "valid"
    assert shown["contact"] == ["mailto:ops@example.com"]
    assert shown["orders"] == f"{answer['Location']}/orders"
    event = AuditEvent.objects.get(event="acme.account_created")
    assert event.actor == f"acme:{account.pk}"
    assert event.application_id == account.endpoint.pairing.application_id


def test_a11_a_known_key_finds_its_account_and_the_body_is_ignored(client):
    again = client.register(contact=["mailto:other@example.com"], status="deactivated")
    assert again.status_code == 200
    assert again["Location"] == client.kid
    assert again.json()["contact"] == []
    assert again.json()["status"] == "valid"
    assert AcmeAccount.objects.count() == 1


def test_a11_only_return_existing(newcomer):
    assert kind(newcomer.register(onlyReturnExisting=True)) == "accountDoesNotExist"
    assert not AcmeAccount.objects.exists()
    newcomer.register()
    found = newcomer.register(onlyReturnExisting=True)
    assert found.status_code == 200
    assert found["Location"] == newcomer.kid


def test_trap4_only_return_existing_needs_no_binding(endpoint):
    """cert-manager asks so; externalAccountRequired would make it give up."""
    answer = Acme(Client(), url_of(endpoint)).register(onlyReturnExisting=True)
    assert kind(answer) == "accountDoesNotExist"


@pytest.mark.parametrize(
    "contact", ["mailto:a@example.com", "MAILTO:a@example.com", "mailto:Ops.Team+acme@host"]
)
def test_a12_mailto_is_supported(newcomer, contact):
    assert newcomer.register(contact=[contact]).status_code == 201


@pytest.mark.parametrize("contact", ["tel:+491234", "https://example.com", "ops@example.com", ""])
def test_a12_other_schemes_are_unsupported(newcomer, contact):
    assert kind(newcomer.register(contact=[contact])) == "unsupportedContact"


@pytest.mark.parametrize(
    "contact",
    [
        "mailto:a@example.com?subject=x",
        "mailto:a@example.com,b@example.com",
        "mailto:",
        "mailto:nobody",
        "mailto:a@b@c",
        "mailto:a b@example.com",
        "mailto:Ann <a@example.com>",
        "mailto:" + "a" * 400 + "@example.com",
    ],
)
def test_a12_fields_lists_and_nonsense_are_invalid(newcomer, contact):
    assert kind(newcomer.register(contact=[contact])) == "invalidContact"
    assert not AcmeAccount.objects.exists()


@pytest.mark.parametrize("contact", ["mailto:a@b.c", {"a": 1}, [1], [["x"]]])
def test_a12_contact_is_a_list_of_texts(newcomer, contact):
    assert kind(newcomer.register(contact=contact)) == "malformed"


def test_a12_terms_must_be_agreed_to_where_there_are_any(team):
    endpoint = services.enable_acme(
        team.principal(Role.ADMIN),
        team.pairing,
        require_eab=False,
        terms_of_service="https://example.com/terms",
    )
    client = Acme(Client(), url_of(endpoint))
    for payload in ({}, {"termsOfServiceAgreed": False}, {"termsOfServiceAgreed": "yes"}):
        answer = client.register(**payload)
        assert kind(answer) == "userActionRequired"
        assert answer.status_code == 403
        assert '<https://example.com/terms>;rel="terms-of-service"' in answer["Link"]
    assert client.register(termsOfServiceAgreed=True).status_code == 201


def test_an_account_shows_and_changes_its_contacts(client):
    assert client.post(client.kid).json()["contact"] == []
    assert client.post(client.kid, {}).status_code == 200
    answer = client.post(client.kid, {"contact": ["mailto:new@example.com"]})
    assert answer.json()["contact"] == ["mailto:new@example.com"]
    assert AcmeAccount.objects.get().contacts == ["mailto:new@example.com"]
    assert AuditEvent.objects.filter(event="acme.account_updated").count() == 1
    assert client.post(client.kid, {"contact": []}).json()["contact"] == []


def test_a13_members_that_are_the_servers_are_ignored(client):
    before = AcmeAccount.objects.values().get()
    answer = client.post(
        client.kid, {"orders": "https://evil.example/", "termsOfServiceAgreed": False, "id": 7}
    )
    assert answer.status_code == 200
    assert "evil" not in answer.content.decode()
    assert AcmeAccount.objects.values().get() == before


@pytest.mark.parametrize("status", ["revoked", "pending", 1, []])
def test_a13_no_other_status_can_be_asked_for(client, status):
    assert kind(client.post(client.kid, {"status": status})) == "malformed"
    assert AcmeAccount.objects.get().status == "valid"


def test_a13_a_deactivated_account_can_do_nothing(client):
    order = client.order("www.example.com").json()
    answer = client.post(client.kid, {"status": "deactivated"})
    assert answer.json()["status"] == "deactivated"
    assert AcmeOrder.objects.get().status == "invalid"
    assert AcmeAuthorization.objects.get().status == "deactivated"

    for url in (
        client.kid,
        client.directory["newOrder"],
        order["finalize"],
        order["authorizations"][0],
    ):
        answer = client.post(url, {})
        assert kind(answer) == "unauthorized"
        assert answer.status_code == 401
    for payload in ({}, {"onlyReturnExisting": True}):
        answer = client.register(**payload)
        assert kind(answer) == "unauthorized"
        assert answer.status_code == 401


def test_a13_a_revoked_account_can_do_nothing(client, team):
    account_revocation.revoke_account(team.principal(Role.ADMIN), AcmeAccount.objects.get())
    answer = client.order("www.example.com")
    assert kind(answer) == "unauthorized"
    assert answer.status_code == 401
    assert AuditEvent.objects.filter(event="acme.account_revoked").count() == 1


def test_a08_another_account_is_nobodys_business(client, open_endpoint):
    other = Acme(Client(), url_of(open_endpoint))
    other.register()
    for payload in ({}, {"status": "deactivated"}, {"contact": ["mailto:x@example.com"]}):
        answer = other.post(client.kid, payload)
        assert kind(answer) == "unauthorized"
    assert kind(other.post(f"{client.kid}/orders")) == "unauthorized"
    assert AcmeAccount.objects.filter(status="valid", contacts=[]).count() == 2


def test_a26_orders_are_listed_by_pages(client, monkeypatch):
    monkeypatch.setattr(accounts, "ORDERS_PER_PAGE", 3)
    made = [client.order(f"h{n}.example.com")["Location"] for n in range(7)]
    url, seen, pages = f"{client.kid}/orders", [], 0
    while url:
        answer = client.post(url)
        assert answer.status_code == 200, answer.content
        seen += answer.json()["orders"]
        pages += 1
        links = answer["Link"].split(", ")
        following = [link for link in links if 'rel="next"' in link]
        url = following[0].partition(">")[0].lstrip("<") if following else ""
    assert seen == list(reversed(made))
    assert pages == 3


def test_a26_invalid_orders_and_those_of_others_are_not_listed(client, open_endpoint):
    other = Acme(Client(), url_of(open_endpoint))
    other.register()
    theirs = other.order("theirs.example.com")["Location"]
    client.order("a.example.com")
    AcmeOrder.objects.filter(account__url_id=client.kid.rpartition("/")[2]).update(status="invalid")
    assert client.post(f"{client.kid}/orders").json() == {"orders": []}
    foreign = theirs.rpartition("/")[2]
    assert kind(client.post(f"{client.kid}/orders?cursor={foreign}")) == "malformed"


def test_a_query_that_a_resource_does_not_know_means_nothing(client):
    order = client.order("www.example.com")
    for url in (client.kid, order["Location"], *order.json()["authorizations"]):
        assert client.post(f"{url}?cursor=x").json() == client.post(url).json()


def test_a08_the_list_is_read_by_post_as_get(client):
    assert kind(client.post(f"{client.kid}/orders", {})) == "malformed"


def test_a29_account_urls_cannot_be_guessed(open_endpoint):
    ids = set()
    for _ in range(3):
        client = Acme(Client(), url_of(open_endpoint))
        ids.add(client.register()["Location"].rpartition("/")[2])
    assert all(len(found) == 22 for found in ids)
    assert len(ids) == 3


def test_a01_a_payload_that_is_no_object_is_malformed(newcomer):
    for payload in (b"", b"[]", b"7", b"null", b'{"a":1,"a":2}'):
        answer = newcomer.post(newcomer.directory["newAccount"], payload, by_jwk=True)
        assert kind(answer) == "malformed", payload


def test_two_accounts_never_share_a_key(newcomer, open_endpoint):
    key = ec.generate_private_key(ec.SECP256R1())
    first = Acme(Client(), url_of(open_endpoint), key=key)
    second = Acme(Client(), url_of(open_endpoint), key=key)
    assert first.register()["Location"] == second.register()["Location"]


def test_a10_a_padded_payload_is_malformed(client):
    from tests.protocol.acme.client import jws

    body = jws(client.key, client.header(client.kid), {"contact": []})
    body["payload"] = b64(b"{}  ") + "="
    assert kind(client.send(client.kid, body)) == "malformed"


def test_a12_every_unusable_contact_is_named(newcomer):
    answer = newcomer.register(
        contact=["mailto:ok@example.com", "tel:1", f"mailto:{'a' * 330}@example.com", "mailto:x"]
    )
    assert kind(answer) == "compound"
    blamed = [(p["type"].rpartition(":")[2], p["detail"]) for p in answer.json()["subproblems"]]
    assert [kind for kind, _ in blamed] == [
        "unsupportedContact",
        "invalidContact",
        "invalidContact",
    ]
    assert blamed[1][1] == "contact[2] has 349 characters; at most 320 are taken."
    assert all(detail in answer.json()["detail"] for _, detail in blamed)
    assert not AcmeAccount.objects.exists()


def test_a12_everything_that_a_registration_lacks_is_named(team):
    terms = "https://example.com/terms"
    endpoint = services.enable_acme(
        team.principal(Role.ADMIN), team.pairing, terms_of_service=terms
    )
    client = Acme(Client(), url_of(endpoint))
    answer = client.register(contact=["tel:1"])
    assert kind(answer) == "compound"
    assert [p["type"].rpartition(":")[2] for p in answer.json()["subproblems"]] == [
        "unsupportedContact",
        "userActionRequired",
        "externalAccountRequired",
    ]
    assert f'<{terms}>;rel="terms-of-service"' in answer.links
    assert kind(client.register(termsOfServiceAgreed=True)) == "externalAccountRequired"
    client.eab = ("unknown", b64(b"x" * 32))
    assert kind(client.register(termsOfServiceAgreed=True)) == "unauthorized"
    assert kind(client.register()) == "compound"
