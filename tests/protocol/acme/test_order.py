"""Tests of orders (RFC 8555 sections 7.1.3 and 7.4)."""

from datetime import timedelta

import pytest

from apps import clock
from apps.applications.roles import Role
from apps.authorities import services as authority_services
from apps.enrollment.acme import housekeeping
from apps.enrollment.acme.models import AcmeAuthorization, AcmeOrder
from apps.enrollment.acme.services import endpoints as services
from apps.policies import services as policy_services
from tests.protocol.acme.client import Acme, dns, ip, kind
from tests.protocol.acme.conftest import allow_wildcards, url_of
from tests.served import Client

pytestmark = pytest.mark.django_db


def text(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a16_the_reply_echoes_what_was_asked(client):
    answer = client.order("www.example.com", "example.com")

    assert answer.status_code == 201
    order = answer.json()
    assert order["status"] == "pending"
    assert order["identifiers"] == [dns("www.example.com"), dns("example.com")]
    assert len(order["authorizations"]) == 2
    assert order["finalize"] == f"{answer['Location']}/finalize"
    assert "certificate" not in order
    assert "error" not in order
    again = client.post(answer["Location"])
    assert again.json() == order
    assert 'rel="index"' in again["Link"]


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"identifiers": []},
        {"identifiers": "www.example.com"},
        {"identifiers": ["www.example.com"]},
        {"identifiers": [{"type": "dns"}]},
        {"identifiers": [{"value": "www.example.com"}]},
        {"identifiers": [{"type": "dns", "value": 7}]},
        {"identifiers": [dns(f"h{n}.example.com") for n in range(101)]},
    ],
)
def test_a16_identifiers_are_a_list_of_typed_texts(client, payload):
    assert kind(client.post(client.directory["newOrder"], payload)) == "malformed"
    assert not AcmeOrder.objects.exists()


@pytest.mark.parametrize("type_", ["email", "permanent-identifier", "", "DNS"])
def test_a16_foreign_types_are_unsupported(client, type_):
    answer = client.order({"type": type_, "value": "x@example.com"}, "www.example.com")
    assert kind(answer) == "unsupportedIdentifier"
    assert len(answer.json()["subproblems"]) == 1


@pytest.mark.parametrize(
    "name",
    [
        "a_b.example.com",
        "-a.example.com",
        "a..example.com",
        "example.com.",
        "127.1",
        "10.0.0.1",
        "*",
        "*.com",
        "*.*.example.com",
        "a.*.example.com",
        "f*.example.com",
        "a b.example.com",
        "a" * 64 + ".example.com",
        "xn--a.example.com",
        "",
        "www.example.com\u0000",
    ],
)
def test_a16_unusable_names_are_rejected(client, name):
    assert kind(client.order(name)) in {"rejectedIdentifier", "malformed"}
    assert not AcmeOrder.objects.exists()


def test_a16_every_bad_identifier_is_named_at_once(client):
    answer = client.order("a_b.example.com", "ok.example.com", {"type": "tel", "value": "1"})
    assert kind(answer) == "compound"
    blamed = {
        p["identifier"]["value"]: p["type"].rpartition(":")[2] for p in answer.json()["subproblems"]
    }
    assert blamed == {"a_b.example.com": "rejectedIdentifier", "1": "unsupportedIdentifier"}


def test_a16_names_are_canonical_and_each_once(client):
    order = client.order("WWW.Example.COM", "www.example.com").json()
    assert order["identifiers"] == [dns("www.example.com")]
    assert len(order["authorizations"]) == 1


def test_a16_unicode_names_are_sent_as_a_labels(client):
    assert kind(client.order("bücher.example.com")) == "malformed"
    assert client.order("xn--bcher-kva.example.com").status_code == 201


def test_a20_a_wildcard_is_authorized_by_its_base_through_dns_only(team):
    endpoint = services.enable_acme(team.principal(Role.ADMIN), team.pairing, require_eab=False)
    allow_wildcards(team)
    client = Acme(Client(), url_of(endpoint))
    client.register()
    order = client.order("*.example.com", "example.com").json()
    wild, plain = (client.post(url).json() for url in order["authorizations"])
    assert wild["identifier"] == dns("example.com")
    assert wild["wildcard"] is True
    assert [c["type"] for c in wild["challenges"]] == ["dns-01"]
    assert plain["identifier"] == dns("example.com")
    assert "wildcard" not in plain
    assert {c["type"] for c in plain["challenges"]} == {"http-01", "dns-01", "tls-alpn-01"}


def test_a20_a_wildcard_that_no_challenge_can_prove_is_rejected(team):
    endpoint = services.enable_acme(
        team.principal(Role.ADMIN), team.pairing, require_eab=False, challenge_types=["http-01"]
    )
    allow_wildcards(team)
    client = Acme(Client(), url_of(endpoint))
    client.register()
    assert kind(client.order("*.example.com")) == "rejectedIdentifier"
    assert not AcmeAuthorization.objects.exists()


def _governor():
    from apps import principals

    return principals.system("tests")


def test_a16_what_policy_refuses_is_rejected_before_anybody_proves_anything(team, client):
    rules = team.profile.policy.current_version.rules
    rules["subject_alt_names"] = [{"type": "dns_name", "allowed": ["*.example.com"]}]
    policy_services.update_policy(_governor(), team.profile.policy, rules=rules)

    answer = client.order("www.example.com", "www.example.org", ip("10.0.0.1"))

    assert kind(answer) == "rejectedIdentifier"
    blamed = [p["identifier"]["value"] for p in answer.json()["subproblems"]]
    assert blamed == ["www.example.org", "10.0.0.1"]
    assert not AcmeOrder.objects.exists()


def test_a16_a_mixed_order_names_every_fault_of_every_identifier(team):
    from tests.protocol.acme.conftest import make_eab

    rules = team.profile.policy.current_version.rules
    rules["subject_alt_names"] = [
        {"type": "dns_name", "allowed": ["*.example.com", "*.example.net"], "wildcards": "allowed"}
    ]
    policy_services.update_policy(_governor(), team.profile.policy, rules=rules)
    endpoint = services.enable_acme(
        team.principal(Role.ADMIN), team.pairing, challenge_types=["http-01"]
    )
    eab = make_eab(team, endpoint, restrict_to=["**.example.com", "**.example.org"])
    client = Acme(Client(), url_of(endpoint), eab=eab)
    client.register()

    answer = client.order(
        "a_b.example.com",
        {"type": "email", "value": "a@example.com"},
        "ok.example.com",
        "a.example.net",
        "a.example.org",
        "*.example.com",
        notBefore="soon",
        profile="other",
        replaces=7,
    )

    assert kind(answer) == "compound"
    shown = answer.json()
    blamed = [
        (p.get("identifier", {}).get("value"), p["type"].rpartition(":")[2])
        for p in shown["subproblems"]
    ]
    assert blamed == [
        ("a_b.example.com", "rejectedIdentifier"),
        ("a@example.com", "unsupportedIdentifier"),
        (None, "malformed"),
        (None, "invalidProfile"),
        (None, "malformed"),
        ("a.example.net", "rejectedIdentifier"),
        ("a.example.org", "rejectedIdentifier"),
        ("*.example.com", "rejectedIdentifier"),
    ]
    for word in ("a_b.example.com", "notBefore", "replaces", "binding key", "allowed pattern"):
        assert word in shown["detail"], shown["detail"]
    assert not AcmeOrder.objects.exists()


def test_a16_one_fault_breeds_no_others(team, client):
    rules = team.profile.policy.current_version.rules
    rules["subject_alt_names"] = [{"type": "dns_name", "required": ["www.example.com"]}]
    policy_services.update_policy(_governor(), team.profile.policy, rules=rules)
    answer = client.order("www..example.com", "www.example.com")
    (problem,) = answer.json()["subproblems"]
    assert problem["identifier"] == dns("www..example.com")


def test_a16_a_denied_name_is_not_called_accepted(team, client):
    rules = team.profile.policy.current_version.rules
    rules["subject_alt_names"] = [
        {"type": "dns_name", "allowed": ["**.example.com"], "denied": ["admin.example.com"]}
    ]
    policy_services.update_policy(_governor(), team.profile.policy, rules=rules)
    (problem,) = client.order("admin.example.com").json()["subproblems"]
    assert problem["detail"] == (
        "dns_name 'admin.example.com' matches the denied pattern admin.example.com. "
        "Accepted: **.example.com, but not admin.example.com."
    )


@pytest.mark.parametrize("value", ["10.1.2.3", "2001:db8::7"])
def test_a30_addresses_are_ordered_in_canonical_text(client, value):
    order = client.order(ip(value)).json()
    assert order["identifiers"] == [ip(value)]
    types = {c["type"] for c in client.post(order["authorizations"][0]).json()["challenges"]}
    assert types == {"http-01", "tls-alpn-01"}


@pytest.mark.parametrize(
    "value",
    [
        "2001:DB8::7",
        "2001:db8:0::7",
        "::ffff:10.0.0.1",
        "010.0.0.1",
        "10.0.0.1/32",
        "fe80::1%eth0",
        "www.example.com",
    ],
)
def test_a30_other_spellings_of_addresses_are_refused(client, value):
    assert kind(client.order(ip(value))) in {"malformed", "rejectedIdentifier"}
    assert not AcmeOrder.objects.exists()


def test_a34_ancestor_domains_are_not_offered(client):
    asked = dns("www.example.com") | {"ancestorDomain": "example.com"}
    assert kind(client.order(asked)) == "malformed"
    order = client.order("example.com").json()
    assert "subdomainAuthAllowed" not in client.post(order["authorizations"][0]).json()


def test_a16_dates_within_policy_are_kept_and_honoured(trusted):
    from cryptography import x509

    start = clock.now_s() + timedelta(hours=1)
    end = start + timedelta(days=30)
    order = trusted.issue("www.example.com", notBefore=text(start), notAfter=text(end)).json()
    assert order["notBefore"] == text(start)
    assert order["notAfter"] == text(end)
    chain = x509.load_pem_x509_certificates(trusted.post(order["certificate"]).content)
    assert chain[0].not_valid_before_utc == start
    assert chain[0].not_valid_after_utc == end


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (None, timedelta(days=500)),  # beyond the policy
        (None, timedelta(days=-1)),  # over already
        (timedelta(days=60), None),  # too far ahead
        (timedelta(days=-5), None),  # backdated
        (timedelta(days=5), timedelta(days=4)),  # ends before it starts
        (None, timedelta(days=3650)),  # beyond the authority
    ],
)
def test_a16_dates_that_would_not_be_honoured_are_refused(client, start, end):
    now = clock.now_s()
    dates = {"notBefore": start, "notAfter": end}
    members = {name: text(now + delta) for name, delta in dates.items() if delta is not None}
    assert kind(client.order("www.example.com", **members)) == "malformed"
    assert not AcmeOrder.objects.exists()


ZERO_TIMES = ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000+00:00", "0001-01-01t01:00:00+01:00")


@pytest.mark.parametrize("zero", ZERO_TIMES)
def test_a16_a_zero_time_is_a_time_that_was_not_given(trusted, zero):
    order = trusted.issue("www.example.com", notBefore=zero, notAfter=zero).json()
    assert order["status"] == "valid"
    assert "notBefore" not in order
    assert "notAfter" not in order


@pytest.mark.parametrize("start", [{}, {"notBefore": ZERO_TIMES[0]}, {"notBefore": None}])
def test_a16_only_an_end_starts_now(trusted, start):
    from cryptography import x509

    end = clock.now_s() + timedelta(days=20)
    order = trusted.issue("www.example.com", notAfter=text(end), **start).json()
    assert "notBefore" not in order
    assert order["notAfter"] == text(end)
    leaf = x509.load_pem_x509_certificates(trusted.post(order["certificate"]).content)[0]
    assert leaf.not_valid_after_utc == end
    assert leaf.not_valid_before_utc <= clock.now() < end


def test_a16_fractions_and_offsets_are_read(trusted):
    end = clock.now_s() + timedelta(days=20)
    shifted = (end + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S.123456789+02:00")
    assert trusted.order("www.example.com", notAfter=shifted).json()["notAfter"] == text(end)


@pytest.mark.parametrize(
    "moment",
    ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00", "20300101T000000Z", "2030-W01-1"],
)
def test_a16_times_that_cannot_be_are_refused(client, moment):
    answer = client.order("www.example.com", notAfter=moment)
    assert kind(answer) == "malformed"
    assert "notAfter" in answer.json()["detail"]


@pytest.mark.parametrize(
    "moment", ["tomorrow", "2027-01-01", "2027-01-01T00:00:00", 7, "", "9999-99-99T00:00:00Z"]
)
def test_a16_dates_are_rfc_3339(client, moment):
    assert kind(client.order("www.example.com", notAfter=moment)) == "malformed"


def test_a33_the_profile_is_echoed(trusted):
    order = trusted.order("www.example.com", profile="payments-tls").json()
    assert order["profile"] == "payments-tls"
    assert "profile" not in trusted.order("www.example.com").json()


@pytest.mark.parametrize("profile", ["other", "", "PAYMENTS-TLS", 7, []])
def test_a33_another_profile_is_invalid(client, profile):
    assert kind(client.order("www.example.com", profile=profile)) == "invalidProfile"


def test_a33_a_profile_withdrawn_before_finalize_is_invalid(trusted):
    from tests.factories.keys import make_csr

    order = trusted.order("www.example.com", profile="payments-tls").json()
    AcmeOrder.objects.update(profile="payments-old")
    assert kind(trusted.finalize(order, make_csr("www.example.com"))) == "invalidProfile"


def test_a29_a_valid_authorization_is_used_again_by_the_same_account_only(make_trusted):
    first, second = make_trusted(), make_trusted()
    one = first.order("www.example.com").json()
    two = first.order("www.example.com", "example.com").json()
    other = second.order("www.example.com").json()
    assert two["authorizations"][0] == one["authorizations"][0]
    assert other["authorizations"][0] != one["authorizations"][0]
    assert AcmeAuthorization.objects.count() == 3


def test_a29_all_authorizations_of_a_large_order_are_used_again(make_trusted):
    client = make_trusted()
    names = [f"host-{number}.example.com" for number in range(17)]
    one, two = client.order(*names).json(), client.order(*names).json()
    assert two["authorizations"] == one["authorizations"]


def test_a29_a_pending_authorization_is_not_shared_between_orders(client):
    one, two = client.order("www.example.com").json(), client.order("www.example.com").json()
    assert one["authorizations"] != two["authorizations"]


def test_a29_where_authorizations_serve_one_order_nothing_is_reused(team):
    from tests.protocol.acme.conftest import ANYTHING, make_eab

    endpoint = services.enable_acme(
        team.principal(Role.ADMIN), team.pairing, skip_validation=True, authz_lifetime_h=0
    )
    client = Acme(Client(), url_of(endpoint), eab=make_eab(team, endpoint, restrict_to=ANYTHING))
    client.register()
    one, two = client.order("www.example.com").json(), client.order("www.example.com").json()
    assert one["authorizations"] != two["authorizations"]


def test_a08_orders_of_others_look_like_none(client, open_endpoint):
    location = client.order("www.example.com")["Location"]
    other = Acme(Client(), url_of(open_endpoint))
    other.register()
    missing = location.rpartition("/")[0] + "/" + "A" * 22
    for url in (location, missing, f"{location}/finalize"):
        answer = other.post(url) if not url.endswith("finalize") else other.post(url, {"csr": "AA"})
        assert answer.status_code == 404
        assert kind(answer) == "malformed"
        assert answer.json()["detail"] == "No such object."


def test_a08_orders_are_read_by_post_as_get(client):
    location = client.order("www.example.com")["Location"]
    assert kind(client.post(location, {})) == "malformed"
    assert kind(client.post(location, b"{}")) == "malformed"


def test_a17_an_expired_order_is_invalid(client, frozen_clock):
    location = client.order("www.example.com")["Location"]
    frozen_clock.shift(timedelta(hours=24))
    client.nonces.clear()
    order = client.post(location).json()
    assert order["status"] == "invalid"
    assert order["error"]["detail"] == "The order expired."
    assert client.post(order["authorizations"][0]).json()["status"] == "expired"


def test_the_sweep_ends_what_has_expired(client, frozen_clock):
    client.order("old.example.com")
    frozen_clock.shift(timedelta(hours=23))
    client.nonces.clear()
    client.order("young.example.com")
    frozen_clock.shift(timedelta(hours=1))
    assert housekeeping.sweep().endswith("closed 1 orders and 1 authorizations")
    assert list(AcmeOrder.objects.order_by("pk").values_list("status", flat=True)) == [
        "invalid",
        "pending",
    ]


def test_a_disabled_authority_takes_no_orders(client, team):
    authority_services.disable_authority(_governor(), team.authority)
    answer = client.order("www.example.com")
    assert kind(answer) == "serverInternal"
    assert answer.status_code == 503
    assert answer["Retry-After"]
    assert "disabled" in answer.json()["detail"]
