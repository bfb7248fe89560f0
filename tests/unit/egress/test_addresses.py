"""Tests of the ranges that may be connected to."""

from ipaddress import ip_address, ip_network

import pytest

from apps.egress import EgressRules, check
from apps.egress.addresses import literal

# SECURITY PV-40: addresses that must never be reached, however they are written.
HOSTILE = [
    "0.0.0.0",
    "0.1.2.3",
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:10.0.0.1",
    "::169.254.169.254",
    "::127.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "2002:7f00:1::1",
    "2001:0:a9fe:a9fe::1",
    "2001::5601:5601",  # Teredo client 169.254.169.254, inverted
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "ff02::1",
    "2001:db8::1",
    "2a00:1450::5efe:10.0.0.1",
]
# What no allow list opens (SECURITY EG-3).
NEVER = [
    "0.0.0.0",
    "169.254.169.254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "64:ff9b:1:a9fe:a9:fe00::",
    "2002:a9fe:a9fe::",
    "2001:0:a9fe:a9fe::1",
]
PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "172.15.255.255",
    "172.32.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "169.253.255.255",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001::200e",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
]
PRIVATE = ["10.0.0.1", "172.16.5.4", "192.168.1.1", "100.64.0.1", "fc00::1", "fd12:3456::1"]

STRICT = EgressRules(name="strict")
INTERNAL = EgressRules(name="internal", allow_private=True)
OPENED = EgressRules(
    name="opened",
    allow_private=True,
    allowed_networks=(ip_network("0.0.0.0/0"), ip_network("::/0")),
)


@pytest.mark.parametrize("text", HOSTILE)
def test_pv40_hostile_address_is_refused_by_default(text):
    assert check(ip_address(text), STRICT)


@pytest.mark.parametrize("text", NEVER)
def test_eg3_metadata_and_link_local_stay_closed_whatever_is_opened(text):
    assert check(ip_address(text), OPENED)


@pytest.mark.parametrize("text", PUBLIC)
def test_pv31_public_addresses_are_not_over_blocked(text):
    assert check(ip_address(text), STRICT) == ""


@pytest.mark.parametrize("text", PRIVATE)
def test_pv31_private_addresses_open_for_internal_rules_and_only_there(text):
    assert check(ip_address(text), INTERNAL) == ""
    assert check(ip_address(text), STRICT) == "private range"


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_close_when_rules_are_internal_only(text):
    assert check(ip_address(text), EgressRules(name="inside", allow_public=False)) == "public range"


def test_private_rules_do_not_open_loopback():
    assert check(ip_address("127.0.0.1"), INTERNAL) == "loopback"
    assert check(ip_address("::1"), INTERNAL) == "loopback"


@pytest.mark.parametrize(
    ("network", "address"),
    [
        ("127.0.0.0/8", "127.0.0.1"),
        ("127.0.0.0/8", "::ffff:127.0.0.1"),
        ("::1/128", "::1"),
        ("10.1.0.0/16", "10.1.2.3"),
        ("192.0.2.0/24", "192.0.2.7"),
        ("2001:db8::/32", "2001:db8::1"),
        ("fc00::/7", "fd12::1"),
    ],
)
def test_allowed_network_opens_exactly_itself(network, address):
    rules = EgressRules(name="allow", allowed_networks=(ip_network(network),))
    assert check(ip_address(address), rules) == ""
    assert check(ip_address("10.9.9.9"), rules)


def test_opening_ipv6_does_not_open_the_ipv4_inside():
    rules = EgressRules(name="allow", allowed_networks=(ip_network("2002::/16"),))
    assert check(ip_address("2002:0a00:0001::1"), rules) == "private range"


@pytest.mark.parametrize(
    "text",
    [
        "127.1",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "2130706433",
        "[127.0.0.1]",
        "fe80::1%eth0",
        "1.2.3.4.",
        "",
    ],
)
def test_only_canonical_spellings_are_literals(text):
    assert literal(text) is None
