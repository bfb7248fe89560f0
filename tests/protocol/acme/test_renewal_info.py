"""Tests of renewal information and replacement (RFC 9773)."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from apps import clock, principals
from apps.applications.roles import Role
from apps.authorities import services as authority_services
from apps.certificates import revocation
from apps.certificates.models import Certificate
from apps.enrollment.acme.models import AcmeOrder
from apps.enrollment.acme.services import endpoints as services
from apps.enrollment.acme.services import renewal_info as ari
from apps.errors import Malformed
from apps.policies import services as policy_services
from apps.profiles import services as profile_services
from pki.reasons import RevocationReason
from tests.factories.authorities import make_issuing
from tests.factories.keys import make_csr
from tests.protocol.acme.client import Acme, dns, kind
from tests.protocol.acme.conftest import url_of
from tests.served import Client

pytestmark = pytest.mark.django_db
GOVERNOR = principals.system("tests")


def id_of(certificate):
    parsed = x509.load_der_x509_certificate(bytes(certificate.der))
    aki = parsed.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    return ari.certificate_id(aki.key_identifier, parsed.serial_number)


@pytest.fixture
def certificate(trusted):
    trusted.issue("www.example.com")
    return Certificate.objects.get()


def window(client, certificate):
    answer = client.get(f"{client.directory['renewalInfo']}/{id_of(certificate)}")
    assert answer.status_code == 200, answer.content
    assert int(answer["Retry-After"]) > 0
    shown = answer.json()["suggestedWindow"]
    start, end = (datetime.fromisoformat(shown[name]) for name in ("start", "end"))
    assert end > start
    assert start >= certificate.not_before, "clients ignore a window that begins earlier"
    return start, end


def is_past(client, certificate):
    return window(client, certificate)[1] < clock.now()


def test_a32_the_example_of_rfc_9773():
    found = ari.parse("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE")
    assert found.issuer_key_id.hex() == "69885b6b87464041e1b37b847ba0ae2cde01c8d4"
    assert found.serial_number == "87654321"
    assert (
        ari.certificate_id(found.issuer_key_id, 0x87654321) == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"
    )


@given(st.binary(min_size=1, max_size=20), st.integers(1, 2**159 - 1))
@settings(max_examples=200)
def test_a32_ids_are_read_as_they_are_written(key_id, serial):
    found = ari.parse(ari.certificate_id(key_id, serial))
    assert (found.issuer_key_id, found.serial_number) == (key_id, format(serial, "x"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "AA",
        "AA.",
        ".AA",
        "AA.AA.AA",
        "AA=.AQ",
        "AA.AQ==",
        "AA.gA",
        "AA.AAE",
        "AA." + "A" * 60,
        "a b.AQ",
    ],
)
def test_a32_other_texts_are_malformed(text):
    with pytest.raises(Malformed):
        ari.parse(text)


def test_a32_anybody_may_ask_and_the_window_lies_in_the_last_third(trusted, certificate):
    start, end = window(Acme(Client(), trusted.directory_url), certificate)
    third = (certificate.not_after - certificate.not_before) / 3
    assert certificate.not_after - third - timedelta(seconds=1) <= start
    assert end < certificate.not_after


def test_a32_trap5_the_id_is_appended_to_what_the_directory_says(trusted, certificate):
    assert not trusted.directory["renewalInfo"].endswith("/")
    assert window(trusted, certificate)


def test_a32_an_unknown_certificate_is_not_found(trusted, certificate, other_team):
    base = trusted.directory["renewalInfo"]
    for text in ("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE", id_of(certificate)[:-4] + "AAAA"):
        assert trusted.get(f"{base}/{text}").status_code == 404
    there = services.enable_acme(other_team.principal(Role.ADMIN), other_team.pairing)
    elsewhere = Acme(Client(), url_of(there))
    answer = elsewhere.get(f"{elsewhere.directory['renewalInfo']}/{id_of(certificate)}")
    assert answer.status_code == 404
    assert kind(trusted.get(f"{base}/x")) == "malformed"


@pytest.mark.parametrize(
    "reason", [RevocationReason.KEY_COMPROMISE, RevocationReason.CERTIFICATE_HOLD]
)
def test_a32_revoked_means_now(trusted, certificate, reason):
    assert not is_past(trusted, certificate)
    revocation.revoke(GOVERNOR, certificate, reason)
    assert is_past(trusted, certificate)


def test_a32_a_disabled_authority_sends_nobody_into_refusals(trusted, certificate, team):
    authority_services.disable_authority(GOVERNOR, team.authority)
    assert not is_past(trusted, certificate)
    revocation.revoke(GOVERNOR, certificate, RevocationReason.KEY_COMPROMISE)
    assert not is_past(trusted, certificate)
    profile_services.update_profile(GOVERNOR, team.profile, authority=make_issuing("next"))
    assert is_past(trusted, certificate)


def test_a32_a_profile_that_moved_to_another_authority_means_now(trusted, certificate, team):
    profile_services.update_profile(GOVERNOR, team.profile, authority=make_issuing("next"))
    assert is_past(trusted, certificate)


def test_a32_a_tightened_policy_means_now_and_a_looser_one_nothing(trusted, certificate, team):
    rules = team.profile.policy.current_version.rules
    policy_services.update_policy(
        GOVERNOR, team.profile.policy, rules=rules | {"validity": {"max": "397d"}}
    )
    assert not is_past(trusted, certificate)
    policy_services.update_policy(
        GOVERNOR,
        team.profile.policy,
        rules=rules | {"validity": {"max": "90d"}} | {"key_algorithms": ["rsa-3072"]},
    )
    assert is_past(trusted, certificate)


@pytest.mark.parametrize(
    ("max_lifetime", "pause_s"), [("90d", 6 * 3600), ("24h", 2 * 3600), ("1h", 300), ("5m", 60)]
)
def test_a32_clients_ask_as_often_as_the_lifetime_demands(trusted, team, max_lifetime, pause_s):
    profile = team.profile
    profile_services.update_profile(
        GOVERNOR, profile, defaults=profile.defaults | {"ttl": max_lifetime}
    )
    trusted.issue("www.example.com")
    certificate = Certificate.objects.get()
    answer = trusted.get(f"{trusted.directory['renewalInfo']}/{id_of(certificate)}")
    assert abs(int(answer["Retry-After"]) - pause_s) <= 1
    assert window(trusted, certificate)[1] < certificate.not_after


def test_a32_a_shorter_maximum_means_now_and_the_renewal_is_granted(trusted, certificate, team):
    rules = team.profile.policy.current_version.rules
    policy_services.update_policy(
        GOVERNOR, team.profile.policy, rules=rules | {"validity": {"max": "7d"}}
    )
    assert is_past(trusted, certificate)
    renewed = trusted.issue("www.example.com", replaces=id_of(certificate))
    assert renewed.json()["status"] == "valid"
    successor = Certificate.objects.get(replaces=certificate)
    lifetime = successor.not_after - successor.not_before + timedelta(seconds=1)
    assert lifetime == timedelta(days=7)
    assert "request.lifetime_shortened" in [note["code"] for note in successor.request.notes]
    assert not is_past(trusted, successor)


def test_a32_nobody_is_sent_into_a_renewal_that_is_refused(trusted, certificate, team):
    rules = team.profile.policy.current_version.rules
    elsewhere = [{"type": "dns_name", "allowed": ["*.example.org"]}]
    policy_services.update_policy(
        GOVERNOR, team.profile.policy, rules=rules | {"subject_alt_names": elsewhere}
    )
    assert not is_past(trusted, certificate)


# --- replaces ---------------------------------------------------------------------------------


def test_a32_replaces_is_echoed_and_the_chain_is_kept(trusted, certificate):
    renewed = trusted.issue("www.example.com", replaces=id_of(certificate)).json()
    assert renewed["replaces"] == id_of(certificate)
    successor = Certificate.objects.get(replaces=certificate)
    assert successor.lineage_id == certificate.lineage_id


def test_a32_a_certificate_is_replaced_once(trusted, certificate):
    assert trusted.order("www.example.com", replaces=id_of(certificate)).status_code == 201
    answer = trusted.order("www.example.com", replaces=id_of(certificate))
    assert kind(answer) == "alreadyReplaced"
    assert answer.status_code == 409
    AcmeOrder.objects.exclude(replaces="").update(status="invalid")
    assert trusted.order("www.example.com", replaces=id_of(certificate)).status_code == 201


def test_a32_a_certificate_renewed_through_another_method_is_replaced(trusted, certificate, team):
    from apps.certificates import renewal
    from apps.certificates.renewal import KeySource

    renewal.renew(
        team.principal(),
        certificate,
        key_source=KeySource.CSR,
        csr_bytes=make_csr("www.example.com", subject=()),
    )
    assert kind(trusted.order("www.example.com", replaces=id_of(certificate))) == "alreadyReplaced"


def test_a32_another_method_that_renews_between_order_and_finalize_wins_the_link(
    trusted, certificate, team
):
    from apps.certificates import renewal
    from apps.certificates.renewal import KeySource

    order = trusted.order("www.example.com", replaces=id_of(certificate)).json()
    renewal.renew(
        team.principal(),
        certificate,
        key_source=KeySource.CSR,
        csr_bytes=make_csr("www.example.com", subject=()),
    )
    done = trusted.finalize(order, make_csr("www.example.com"))
    assert done.status_code == 200, done.content
    assert Certificate.objects.filter(replaces=certificate).count() == 1
    assert Certificate.objects.count() == 3


def test_pv24_nobody_replaces_anothers_certificate(certificate, make_trusted):
    other = make_trusted()
    answer = other.order("www.example.com", replaces=id_of(certificate))
    assert kind(answer) == "unauthorized"
    assert not AcmeOrder.objects.exclude(replaces="").exists()


def test_a32_the_orders_share_a_name(trusted, certificate):
    assert kind(trusted.order("other.example.com", replaces=id_of(certificate))) == "malformed"
    assert (
        trusted.order(
            "other.example.com", "www.example.com", replaces=id_of(certificate)
        ).status_code
        == 201
    )


@pytest.mark.parametrize("text", [7, "", "x", "AA.AQ"])
def test_a32_replaces_names_a_certificate(trusted, certificate, text):
    answer = trusted.post(
        trusted.directory["newOrder"], {"identifiers": [dns("www.example.com")], "replaces": text}
    )
    if text != "":
        assert kind(answer) == "malformed"


def test_times_are_whole_seconds_in_utc(trusted, certificate):
    start, _ = window(trusted, certificate)
    assert start.tzinfo == UTC
    assert start.microsecond == 0
