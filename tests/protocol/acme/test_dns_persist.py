"""Tests of dns-persist-01 over HTTP, by the clauses of draft-ietf-acme-dns-persist-02."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from apps import clock, registry
from apps.applications.roles import Role
from apps.certificates import approvals
from apps.certificates.models import Certificate, CertificateRequest
from apps.enrollment.acme import jws
from apps.enrollment.acme.models import (
    AcmeAccount,
    AcmeAuthorization,
    AcmeChallenge,
    AcmeEndpoint,
    AcmeOrder,
)
from apps.enrollment.acme.services import endpoints as services
from apps.enrollment.acme.services import limits, proof_expiry
from apps.enrollment.acme.validation import attempts, persistent_records
from apps.errors import InvalidInput, PolicyViolation
from apps.jobs import runner
from apps.jobs.models import Job
from tests.factories import servers
from tests.factories.keys import make_csr
from tests.protocol.acme.client import Acme, ip, jwk_of, kind
from tests.protocol.acme.conftest import allow_wildcards, url_of
from tests.protocol.acme.test_key_change import roll
from tests.served import Client

pytestmark = pytest.mark.django_db
TYPE, US = "dns-persist-01", "authority.example"
NAME = "_validation-persist.example.com"


@pytest.fixture(autouse=True)
def validate_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the real validator here."""
    monkeypatch.setattr(attempts, "PAUSES_S", (0,))


@pytest.fixture
def names() -> Iterator[servers.NameServer]:
    with servers.name_server() as server:
        yield server


@pytest.fixture
def endpoint(team, names) -> AcmeEndpoint:
    return services.enable_acme(
        team.principal(Role.ADMIN),
        team.pairing,
        require_eab=False,
        challenge_types=["http-01", TYPE],
        caa_identities=["Authority.Example."],
        resolvers=[names.address],
        allowed_networks=["127.0.0.0/8"],
    )


@pytest.fixture
def owner(endpoint: AcmeEndpoint, settings) -> Acme:
    """A client with an account, validated within its own requests."""
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"ACME_INLINE_VALIDATION_MS": 1500}
    made = Acme(Client(), url_of(endpoint))
    assert made.register().status_code == 201
    return made


def uri_of(client: Acme, domain: str = "example.com", key=None) -> str:
    """Compute the account URI as clients do: from the directory, their key and their URL."""
    digest = persistent_records.account_digest(
        domain, jws.thumbprint(jwk_of(key or client.key)), client.kid
    )
    return f"{client.directory['meta']['accountHashPrefix']}sha-256/{digest}"


@pytest.fixture
def publish(names, owner) -> Callable[..., None]:
    def put(*parameters, uri=None, domain="example.com"):
        value = "; ".join((US, f"accounturi={uri or uri_of(owner, domain)}", *parameters))
        pieces = [f'"{value[n : n + 200]}"' for n in range(0, len(value), 200)]
        names.records[f"_validation-persist.{domain}", "TXT"] = [" ".join(pieces)]

    return put


def challenge_of(client: Acme, order: dict, type_: str = TYPE) -> dict:
    shown = client.post(order["authorizations"][0]).json()
    return next(item for item in shown["challenges"] if item["type"] == type_)


def prove(client: Acme, *ordered: str) -> tuple[dict, dict]:
    """Order, answer the challenge, and return order and challenge as they are then."""
    order = client.order(*ordered)
    challenge = challenge_of(client, order.json())
    answer = client.post(challenge["url"], {}).json()
    job = Job.objects.filter(kind="acme.validate").first()
    if job is not None:
        runner.run_job(job.pk)
        job.delete()
        answer = client.post(challenge["url"]).json()
    return client.post(order["Location"]).json() | {"url": order["Location"]}, answer


def error_of(challenge: dict) -> str:
    assert challenge["status"] == "invalid", challenge
    return challenge["error"]["type"].removeprefix("urn:ietf:params:acme:error:")


def test_3_1_the_challenge_has_issuer_names_and_no_token(owner):
    challenge = challenge_of(owner, owner.order("example.com").json())
    assert challenge == {
        "type": TYPE,
        "url": challenge["url"],
        "status": "pending",
        "issuerDomainNames": [US],
    }


def test_3_2_4_1_the_directory_tells_what_records_are_made_of(owner, endpoint):
    meta = owner.directory["meta"]
    assert meta["issuerDomainNames"] == [US]
    assert meta["accountHashPrefix"] == owner.directory["newOrder"].replace(
        "new-order", "account-hash/"
    )
    assert [persistent_records.normalized(name) for name in meta["caaIdentities"]] == [US]


def test_the_directory_is_silent_where_the_challenge_is_not_offered(team):
    endpoint = services.enable_acme(
        team.principal(Role.ADMIN), team.pairing, caa_identities=["ca.example"]
    )
    meta = Client().get(url_of(endpoint)).json()["meta"]
    assert not {"issuerDomainNames", "accountHashPrefix"} & set(meta)


def test_4_a_record_proves_the_name_and_the_order_issues(owner, publish, names):
    publish()
    order, challenge = prove(owner, "example.com")
    assert challenge["status"] == "valid"
    assert challenge["validated"]
    assert order["status"] == "ready"
    assert (NAME, "TXT", "udp") in names.asked
    assert owner.finalize(order, make_csr("example.com")).json()["status"] == "valid"


def test_4_the_same_record_proves_again_and_again(owner, publish, names, endpoint):
    AcmeEndpoint.objects.update(authz_lifetime_h=0)
    publish()
    for _ in range(3):
        assert prove(owner, "example.com")[1]["status"] == "valid"
    del names.records[NAME, "TXT"]
    assert error_of(prove(owner, "example.com")[1]) == "dns"


def test_4_1_the_form_without_a_domain_proves_every_name(owner, publish):
    for domain in ("example.com", "example.org"):
        publish(uri=uri_of(owner, "*"), domain=domain)
        assert prove(owner, domain)[1]["status"] == "valid"


def test_7_2_3_a_record_is_good_for_no_other_account(owner, publish, endpoint):
    publish()
    other = Acme(Client(), url_of(endpoint))
    other.register()
    order, challenge = prove(other, "example.com")
    assert error_of(challenge) == "unauthorized"
    assert order["status"] == "invalid"


def test_4_1_a_plain_account_url_is_malformed(owner, publish):
    publish(uri=owner.kid)
    assert error_of(prove(owner, "example.com")[1]) == "malformed"


def test_7_2_1_a_record_survives_the_change_of_the_key(owner, publish, endpoint):
    AcmeEndpoint.objects.update(authz_lifetime_h=0)
    first = owner.key
    publish()
    for _ in range(2):
        new_key = ec.generate_private_key(ec.SECP256R1())
        assert roll(owner, new_key).status_code == 200
        owner.key = new_key
    assert prove(owner, "example.com")[1]["status"] == "valid"
    publish(uri=uri_of(owner))
    assert prove(owner, "example.com")[1]["status"] == "valid"
    kept = AcmeAccount.objects.get().former_thumbprints
    assert kept[1] == jws.thumbprint(jwk_of(first))
    assert len(kept) == 2


def test_4_2_a_key_that_comes_back_is_kept_once(owner):
    first, second = owner.key, ec.generate_private_key(ec.SECP256R1())
    for key in (second, first, second):
        assert roll(owner, key).status_code == 200
        owner.key = key
    kept = AcmeAccount.objects.get().former_thumbprints
    assert kept == [jws.thumbprint(jwk_of(key)) for key in (first, second)]


def test_4_2_an_account_that_has_ended_proves_nothing(owner, publish, names, settings):
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"ACME_INLINE_VALIDATION_MS": 0}
    publish()
    order = owner.order("example.com").json()
    challenge = challenge_of(owner, order)
    owner.post(challenge["url"], {})
    # Even if nothing else had been closed with the account.
    AcmeAccount.objects.update(status="deactivated")
    runner.run_job(Job.objects.get(kind="acme.validate").pk)
    assert names.asked == []
    assert AcmeAuthorization.objects.get().status == "pending"
    assert owner.post(challenge["url"], {}).status_code == 401


def test_5_1_a_wildcard_needs_the_policy(owner, publish, team):
    allow_wildcards(team)
    publish()
    assert error_of(prove(owner, "*.example.com")[1]) == "unauthorized"
    publish("policy=wildcard")
    order, challenge = prove(owner, "*.example.com")
    assert challenge["status"] == "valid"
    assert owner.finalize(order, make_csr("*.example.com")).json()["status"] == "valid"


def test_addresses_are_not_offered_it(owner):
    order = owner.order(ip("10.0.0.1")).json()
    shown = owner.post(order["authorizations"][0]).json()
    assert [item["type"] for item in shown["challenges"]] == ["http-01"]


# --- persistUntil -------------------------------------------------------------------------------


def seconds(moment) -> int:
    return int(moment.timestamp())


@pytest.mark.parametrize("lifetime_h", [168, 0])
def test_4_1_an_authorization_expires_no_later_than_persist_until(owner, publish, lifetime_h):
    AcmeEndpoint.objects.update(authz_lifetime_h=lifetime_h)
    until = clock.now_s() + timedelta(hours=1)
    publish(f"persistUntil={seconds(until)}")
    order, challenge = prove(owner, "example.com")
    assert challenge["status"] == "valid"
    shown = owner.post(order["authorizations"][0]).json()
    assert datetime.fromisoformat(shown["expires"]) == until
    assert AcmeChallenge.objects.get(status="valid").good_until == until


def test_4_1_a_later_persist_until_does_not_prolong_the_authorization(owner, publish):
    publish(f"persistUntil={seconds(clock.now() + timedelta(days=365))}")
    prove(owner, "example.com")
    left = AcmeAuthorization.objects.get().expires_at - clock.now()
    assert left <= timedelta(hours=168)


def test_4_1_nothing_is_issued_after_persist_until(owner, publish, frozen_clock):
    publish(f"persistUntil={seconds(clock.now() + timedelta(minutes=30))}")
    order, _ = prove(owner, "example.com")
    frozen_clock.shift(timedelta(minutes=30))
    owner.nonces.clear()
    assert kind(owner.finalize(order, make_csr("example.com"))) == "unauthorized"
    assert not Certificate.objects.exists()
    assert error_of(prove(owner, "example.com")[1]) == "unauthorized"


def test_an_authorization_close_to_persist_until_is_not_handed_out_again(owner, publish):
    publish(f"persistUntil={seconds(clock.now() + timedelta(minutes=5))}")
    prove(owner, "example.com")
    assert owner.order("example.com").json()["status"] == "pending"


@pytest.fixture
def waiting(owner, publish, team, frozen_clock) -> CertificateRequest:
    team.pairing.requires_approval = True
    team.pairing.save()
    publish(f"persistUntil={seconds(clock.now() + timedelta(hours=1))}")
    order, _ = prove(owner, "example.com")
    assert owner.finalize(order, make_csr("example.com")).json()["status"] == "processing"
    return CertificateRequest.objects.select_related("application").get()


def test_4_1_no_approval_issues_after_persist_until(waiting, team, frozen_clock):
    assert proof_expiry.expired_proofs in registry.presign_checks
    frozen_clock.shift(timedelta(hours=1))
    with pytest.raises(PolicyViolation) as caught:
        approvals.approve(team.principal(Role.ADMIN), waiting)
    assert [(v.code, v.value) for v in caught.value.violations] == [
        ("acme.proof_ended", "example.com")
    ]
    assert not Certificate.objects.exists()


def test_an_approval_in_time_issues(owner, waiting, team):
    approvals.approve(team.principal(Role.ADMIN), waiting)
    url = owner.directory["newOrder"].removesuffix("new-order")
    assert owner.post(f"{url}order/{AcmeOrder.objects.get().url_id}").json()["status"] == "valid"
    assert Certificate.objects.count() == 1


def test_another_proof_of_the_name_outlives_persist_until(waiting, frozen_clock):
    frozen_clock.shift(timedelta(hours=1))
    assert len(list(proof_expiry.expired_proofs(waiting))) == 1
    AcmeChallenge.objects.filter(type="http-01").update(status="valid")
    assert list(proof_expiry.expired_proofs(waiting)) == []


def test_requests_of_other_methods_rest_on_no_proof(waiting, frozen_clock):
    frozen_clock.shift(timedelta(hours=1))
    waiting.method = "api"
    assert list(proof_expiry.expired_proofs(waiting)) == []


# --- what is on offer, and how often ------------------------------------------------------------


@pytest.mark.parametrize(
    ("identities", "field"),
    [
        ([], "caa_identities"),
        (["not a name"], "caa_identities[0]"),
        ([f"ca{n}.example" for n in range(11)], "caa_identities"),
    ],
)
def test_3_1_an_endpoint_without_one_to_ten_names_cannot_offer_it(team, identities, field):
    with pytest.raises(InvalidInput) as caught:
        services.enable_acme(
            team.principal(Role.ADMIN),
            team.pairing,
            challenge_types=[TYPE],
            caa_identities=identities,
        )
    assert [violation.field for violation in caught.value.violations] == [field]


def test_3_1_names_taken_away_take_the_challenge_away(owner):
    order = owner.order("example.com").json()
    AcmeEndpoint.objects.update(caa_identities=[])
    shown = owner.post(order["authorizations"][0]).json()
    assert [item["type"] for item in shown["challenges"]] == ["http-01"]
    again = owner.order("example.org").json()
    shown = owner.post(again["authorizations"][0]).json()
    assert [item["type"] for item in shown["challenges"]] == ["http-01"]
    meta = owner.get(owner.directory_url).json()["meta"]
    assert "issuerDomainNames" not in meta


def test_9_3_1_failures_are_limited_by_name_and_account(owner, publish, names, monkeypatch):
    monkeypatch.setattr(limits, "FAILURES_PER_NAME", 2)
    AcmeEndpoint.objects.update(limits={"failures_per_account": 0})
    publish("persistUntil=1")
    for _ in range(2):
        assert error_of(prove(owner, "example.com")[1]) == "unauthorized"
    names.asked.clear()
    challenge = challenge_of(owner, owner.order("example.com").json())
    answer = owner.post(challenge["url"], {})
    assert kind(answer) == "rateLimited"
    assert int(answer["Retry-After"]) > 0
    assert names.asked == []
    publish(domain="example.org")
    assert prove(owner, "example.org")[1]["status"] == "valid"


def test_4_5_a_record_made_before_the_public_url_changed_stays_good(owner, publish, settings):
    settings.SEALWRIGHT = settings.SEALWRIGHT | {
        "FORMER_PUBLIC_URLS": ("https://old.example:8443",)
    }
    account = f"acct/{owner.kid.rpartition('/')[2]}"
    thumbprint = jws.thumbprint(jwk_of(owner.key))
    base = owner.directory["newOrder"].replace(
        settings.SEALWRIGHT["PUBLIC_URL"], "https://old.example:8443"
    )
    former = persistent_records.hashed_uri(
        base.removesuffix("/new-order"), "example.com", thumbprint, account
    )
    publish(uri=former)
    assert prove(owner, "example.com")[1]["status"] == "valid"


def test_attempts_tell_what_the_record_said(owner, publish):
    publish("persistUntil=1")
    prove(owner, "example.com")
    attempt = AcmeChallenge.objects.get(type=TYPE).attempts[0]
    assert attempt["hops"][0]["url"] == f"dns:{NAME}?type=TXT"
    assert attempt["seen"][0].endswith("persistUntil=1")
    assert "persistUntil has passed" in attempt["detail"]
    assert AcmeOrder.objects.get().status == "invalid"
