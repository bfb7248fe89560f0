"""Tests of guarded look-ups: hostile names, aliases, rebinding."""

from ipaddress import ip_address

import pytest

from apps.egress import EgressFailed, EgressRefused, EgressRules, connect, query, resolve
from apps.egress import names as egress_names
from apps.egress.names import canonical_host

from .conftest import LOOPBACK_OPEN
from .test_addresses import HOSTILE


def test_both_families_are_resolved(names, rules):
    names.host("a.test", "127.0.0.1", "2606:4700::1")
    assert [str(a) for a in resolve(rules, "A.Test.")] == ["127.0.0.1", "2606:4700::1"]


def test_mapped_address_becomes_the_ipv4_it_is(names, rules):
    names.host("a.test", "::ffff:127.0.0.1")
    assert resolve(rules, "a.test") == [ip_address("127.0.0.1")]


@pytest.mark.parametrize("bad", HOSTILE)
def test_eg7_one_bad_address_among_good_ones_refuses_all(names, witness, bad):
    names.host("a.test", "8.8.8.8", bad, "2606:4700::1")
    with pytest.raises(EgressRefused):
        connect(EgressRules(name="strict", resolvers=(names.address,)), "a.test", 443)
    assert witness == []


@pytest.mark.parametrize("bad", HOSTILE)
def test_hostile_literals_are_refused_without_a_packet(witness, bad):
    with pytest.raises(EgressRefused):
        connect(EgressRules(name="strict"), bad, 443)
    assert witness == []


def test_eg7_rebinding_name_never_gets_a_packet_to_the_bad_address(names, web, witness):
    turns = 0

    def alternating():
        nonlocal turns
        turns += 1
        return ["127.0.0.1"] if turns % 2 else ["127.0.0.2"]

    names.records["a.test", "A"] = alternating
    names.records["a.test", "AAAA"] = []
    good_only = EgressRules(
        name="pinned",
        allowed_networks=(LOOPBACK_OPEN[0].__class__("127.0.0.1/32"),),
        resolvers=(names.address,),
    )
    outcomes = {"connected": 0, "refused": 0}
    for _ in range(1000):
        try:
            connect(good_only, "a.test", web.port).close()
            outcomes["connected"] += 1
        except EgressRefused:
            outcomes["refused"] += 1
    assert outcomes == {"connected": 500, "refused": 500}
    assert set(witness) == {("127.0.0.1", web.port)}
    assert (
        len(names.asked) == 2000
    )  # one question a family a try: what is checked is what is dialed


def test_address_is_looked_up_once_a_connection(names, web, rules):
    names.host("a.test", "127.0.0.1")
    connect(rules, "a.test", web.port).close()
    assert [kind for _, kind, _ in names.asked] == ["A", "AAAA"]


def test_alias_chains_are_followed_and_checked_at_their_end(names, rules):
    names.records["a.test", "CNAME"] = ["b.test."]
    names.records["b.test", "CNAME"] = ["c.test."]
    names.host("c.test", "127.0.0.1")
    assert resolve(rules, "a.test") == [ip_address("127.0.0.1")]
    names.host("c.test", "169.254.169.254")
    with pytest.raises(EgressRefused, match="metadata"):
        resolve(rules, "a.test")


def test_alias_loops_end(names, rules):
    names.records["a.test", "CNAME"] = ["b.test."]
    names.records["b.test", "CNAME"] = ["a.test."]
    with pytest.raises(EgressFailed) as caught:
        query(rules, "a.test", "TXT")
    assert caught.value.kind == "dns"
    assert len(names.asked) <= 10


def test_absent_name_is_told_from_absent_records(names, rules):
    names.host("a.test", "127.0.0.1")
    assert not query(rules, "nowhere.test", "TXT").exists
    records = query(rules, "a.test", "TXT")
    assert records.exists
    assert records.values == ()


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED"])
def test_failing_name_server_is_an_error_and_not_an_absence(names, rules, rcode):
    names.records["a.test", "CAA"] = rcode
    with pytest.raises(EgressFailed) as caught:
        query(rules, "a.test", "CAA")
    assert caught.value.kind in {"dns", "timeout"}


def test_silent_name_server_is_waited_for_no_longer_than_allowed(names):
    names.silent = True
    rules = EgressRules(name="short", resolvers=(names.address,), total_s=0.3)
    with pytest.raises(EgressFailed) as caught:
        resolve(rules, "a.test")
    assert caught.value.kind == "timeout"


def test_long_answers_come_over_tcp(names, rules):
    names.records["a.test", "TXT"] = [f'"{number:03}{"x" * 200}"' for number in range(40)]
    assert len(query(rules, "a.test", "TXT").values) == 40
    assert [transport for _, _, transport in names.asked] == ["udp", "tcp"]


@pytest.mark.parametrize(
    "text", ["", "ns.test", "127.0.0.1:0", "127.0.0.1:99999", "127.0.0.1:x", "fe80::1%eth0"]
)
def test_name_servers_are_addresses(text):
    with pytest.raises(EgressFailed, match="name server"):
        resolve(EgressRules(name="odd", resolvers=(text,)), "a.test")


def test_hosts_file_counts_only_for_the_system_resolver(names, rules, tmp_path, monkeypatch):
    table = tmp_path / "hosts"
    table.write_text("# comment\n127.0.0.7  Inside.test inside # x\nnonsense inside.test\n")
    monkeypatch.setattr(egress_names, "HOSTS_FILE", table)
    system = EgressRules(name="system", allowed_networks=LOOPBACK_OPEN)
    assert resolve(system, "inside.test") == [ip_address("127.0.0.7")]
    with pytest.raises(EgressFailed):
        resolve(rules, "inside.test")
    with pytest.raises(EgressRefused, match="loopback"):
        resolve(EgressRules(name="strict"), "inside.test")


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("WWW.Example.COM.", "www.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("bücher。example", "xn--bcher-kva.example"),
        ("_dmarc.example.com", "_dmarc.example.com"),
        ("host", "host"),
    ],
)
def test_host_names_have_one_form(written, name):
    assert canonical_host(written) == name


@pytest.mark.parametrize(
    "written",
    [
        "a..example",
        ".example",
        "example..",
        "-a.example",
        "a-.example",
        "a b.example",
        "a%00.example",
        "127.1",
        "0x7f.1",
        "1.2.3.0x4",
        "2130706433",
        "１２７.0.0.1",  # noqa: RUF001 - the odd digits are the point
        "①②⑦.0.0.1",
        "metadata.google.internal",
        "METADATA.google.internal.",
        "a" * 64 + ".example",
        ".".join(["abcdefgh"] * 30),
    ],
)
def test_what_is_no_host_name_is_refused(written):
    with pytest.raises(EgressRefused):
        canonical_host(written)
