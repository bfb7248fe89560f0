"""Rules that no policy can lift."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.policies.evaluation import hard_rules, violations_of
from apps.policies.fixed_rules import looks_like_host, usages_of
from pki.algorithms import KeyAlgorithm
from tests.unit.policies.samples import LEAF, codes, dns, leaf

_CA_USAGE = frozenset({"key_cert_sign", "crl_sign"})


def broken(content):
    return codes(violations_of(hard_rules(content)))


def test_sound_content_passes():
    assert broken(LEAF) == []
    assert all(verdict.passed for verdict in hard_rules(LEAF))


@pytest.mark.parametrize("usage", ["ocsp_signing", "time_stamping", "any", "2.5.29.37.0", ""])
def test_o05_x17_reserved_and_unknown_extended_usages_are_never_granted(usage):
    content = leaf(extended_key_usage=("server_auth", usage))
    assert broken(content) == ["rule.extended_key_usage_granted"]


@pytest.mark.parametrize(
    ("common_name", "host"),
    [
        ("www.example.com", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("10.0.0.1", True),
        ("::1", True),
        ("*", True),
        ("*.example.com", True),
        ("bücher.example", True),
        ("www。example。com", True),
        ("payments", False),
        ("Payments API v1.2", False),
        ("ada@example.com", False),
        ("Ada Lovelace", False),
    ],
)
def test_ac04_what_passes_for_a_host_is_recognised(common_name, host):
    assert looks_like_host(common_name) is host


@pytest.mark.parametrize(
    "common_name",
    ["other.example.com", "10.0.0.1", "localhost", "*.example.com", "www.example.com\u3002x"],
)
def test_ac04_a_host_in_the_common_name_must_be_listed(common_name):
    content = leaf(subject=(("common_name", common_name),))
    assert broken(content) == ["rule.common_name_listed"]


@pytest.mark.parametrize("usages", [("server_auth",), ()])
def test_ac04_the_common_name_rule_holds_for_all_that_could_serve(usages):
    content = leaf(subject=(("common_name", "other.example.com"),), extended_key_usage=usages)
    assert broken(content) == ["rule.common_name_listed"]


@pytest.mark.parametrize(
    ("common_name", "names"),
    [
        ("WWW.Example.com", (("dns_name", "www.example.com"),)),
        ("bücher.example", (("dns_name", "xn--bcher-kva.example"),)),
        ("10.0.0.1", (("ip_address", "10.0.0.1"),)),
        ("2001:DB8::1", (("ip_address", "2001:db8::1"),)),
        ("Payments", (("dns_name", "www.example.com"),)),
    ],
)
def test_common_names_that_are_listed_or_no_hosts_pass(common_name, names):
    assert broken(leaf(subject=(("common_name", common_name),), subject_alt_names=names)) == []


def test_clients_may_have_host_like_common_names():
    content = leaf(
        subject=(("common_name", "client.example.com"),),
        subject_alt_names=(),
        extended_key_usage=("client_auth",),
    )
    assert broken(content) == []


def test_a_wildcard_common_name_must_be_listed_even_for_clients():
    content = leaf(subject=(("common_name", "*.example.com"),), extended_key_usage=("client_auth",))
    assert broken(content) == ["rule.common_name_listed"]


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("*.com", True),
        ("*.co.uk", True),
        ("*.internal", True),
        ("*.*.example.com", True),
        ("*.example.com", False),
        ("*.corp.internal", False),
        ("*.github.io", False),
    ],
)
def test_ac04_wildcards_stay_below_public_suffixes(name, refused):
    expected = ["rule.wildcard_below_public_suffix"] if refused else []
    assert broken(dns("www.example.com", name)) == expected


def test_x07_someone_must_be_named():
    content = leaf(subject=(), subject_alt_names=(), extended_key_usage=("client_auth",))
    assert broken(content) == ["rule.names_present"]


def test_x07_an_empty_subject_is_fine_beside_alternative_names():
    assert broken(leaf(subject=())) == []


def test_x07_a_ca_needs_a_subject():
    content = leaf(subject=(), is_ca=True, key_usage=_CA_USAGE, extended_key_usage=())
    assert broken(content) == ["rule.names_present"]


def test_a_server_needs_an_alternative_name():
    content = leaf(subject=(("common_name", "Payments"),), subject_alt_names=())
    assert broken(content) == ["rule.server_without_name"]


def test_ac04_a_mail_address_in_the_subject_must_be_listed():
    mail = (("email_address", "ada@example.com"),)
    assert broken(leaf(subject=mail)) == ["rule.email_listed"]
    assert broken(leaf(subject=mail, subject_alt_names=(("email", "Ada@example.com"),))) == []


@pytest.mark.parametrize(
    ("algorithm", "usage"),
    [
        (KeyAlgorithm.EC_P256, "key_encipherment"),
        (KeyAlgorithm.EC_P384, "data_encipherment"),
        (KeyAlgorithm.ED25519, "key_agreement"),
        (KeyAlgorithm.ED448, "key_encipherment"),
        (KeyAlgorithm.ML_DSA_65, "key_encipherment"),
        (KeyAlgorithm.ML_DSA_65, "key_agreement"),
        (KeyAlgorithm.RSA_2048, "key_agreement"),
        (KeyAlgorithm.RSA_2048, "no_such_usage"),
    ],
)
def test_x12_keys_get_only_usages_they_can_serve(algorithm, usage):
    content = leaf(key_algorithm=algorithm, key_usage=frozenset({"digital_signature", usage}))
    assert broken(content) == ["rule.key_usage_fits"]
    assert usage not in usages_of(algorithm)


@pytest.mark.parametrize("algorithm", list(KeyAlgorithm))
def test_every_key_can_sign(algorithm):
    assert broken(leaf(key_algorithm=algorithm)) == []


@pytest.mark.parametrize("usage", sorted(_CA_USAGE))
def test_x12_ca_usages_need_a_ca(usage):
    assert broken(leaf(key_usage=frozenset({usage}))) == ["rule.key_usage_fits"]


def test_x12_a_ca_needs_key_cert_sign():
    content = leaf(is_ca=True, key_usage=frozenset({"crl_sign"}), extended_key_usage=())
    assert broken(content) == ["rule.key_usage_fits"]


def test_x12_encipher_only_needs_key_agreement():
    only = frozenset({"encipher_only"})
    assert broken(leaf(key_usage=only)) == ["rule.key_usage_fits"]
    assert broken(leaf(key_usage=only | {"key_agreement"})) == []


@pytest.mark.parametrize(("is_ca", "path_length"), [(False, 0), (True, -1)])
def test_x14_path_length_goes_with_cas(is_ca, path_length):
    usage = _CA_USAGE if is_ca else LEAF.key_usage
    content = leaf(is_ca=is_ca, path_length=path_length, key_usage=usage)
    assert broken(content) == ["rule.path_length_fits"]


def test_ac03_names_are_limited_in_number():
    assert broken(dns("www.example.com", *(f"n{i}.example.com" for i in range(99)))) == []
    assert broken(dns("www.example.com", *(f"n{i}.example.com" for i in range(100)))) == [
        "rule.too_many"
    ]


@pytest.mark.parametrize(
    "content",
    [leaf(subject=(("nickname", "x"),)), leaf(subject_alt_names=(("upn", "ada@example.com"),))],
)
def test_types_that_the_encoder_does_not_know_are_refused(content):
    assert "rule.known_types" in broken(content)


def test_validity_is_ordered():
    assert broken(leaf(not_after=LEAF.not_before - timedelta(days=1))) == ["rule.validity_ordered"]


@given(
    st.text(max_size=40),
    st.lists(
        st.tuples(
            st.sampled_from(["dns_name", "ip_address", "email", "uri", "x"]), st.text(max_size=40)
        ),
        max_size=3,
    ),
)
def test_hostile_names_never_raise(common_name, names):
    for violation in violations_of(
        hard_rules(leaf(subject=(("common_name", common_name),), subject_alt_names=tuple(names)))
    ):
        assert violation.reason
