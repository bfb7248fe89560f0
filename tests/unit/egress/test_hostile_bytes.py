"""Tests that hostile answers end in an ``EgressError`` and in nothing else."""

import random
from contextlib import suppress
from dataclasses import replace

import pytest

from apps.egress import EgressError, http_get, query, tls_peer
from tests.factories import servers
from tests.factories.servers import page

SEEDS = range(60)
TEMPLATES = [
    page(b"hello", X="1"),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    servers.moved("http://127.0.0.1/x"),
]


def mutated(dice: random.Random, data: bytes) -> bytes:
    """Flip, drop, double and insert bytes."""
    out = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(out) + 1)
        match dice.randrange(4):
            case 0:
                out[at : at + 1] = bytes([dice.randrange(256)])
            case 1:
                del out[at : at + dice.randint(1, 8)]
            case 2:
                out[at:at] = out[at : at + dice.randint(1, 8)]
            case _:
                out[at:at] = dice.randbytes(dice.randint(1, 8))
    return bytes(out)


@pytest.mark.parametrize("template", TEMPLATES, ids=["plain", "chunked", "redirect"])
def test_mutated_http_answers_raise_nothing_else(web, rules, template):
    quick = replace(rules, read_timeout_s=0.2, total_s=0.5, ports=frozenset({web.port}))
    for seed in SEEDS:
        web.pages["/"] = mutated(random.Random(seed), template)
        with suppress(EgressError):
            http_get(quick, f"http://127.0.0.1:{web.port}/")


@pytest.mark.parametrize("kind", ["A", "TXT", "CAA"])
def test_pv35_mutated_dns_answers_raise_nothing_else(names, rules, kind):
    quick = replace(rules, total_s=0.1)
    names.records["a.test", kind] = {
        "A": ["127.0.0.1", "127.0.0.2"],
        "TXT": ['"abc" "def"', '"ghi"'],
        "CAA": ['0 issue "ca.test"'],
    }[kind]
    for seed in SEEDS[:15]:  # a garbled answer is waited over until the time is up
        dice = random.Random(seed)
        # The identifier stays, or nothing would be read at all.
        names.garble = lambda wire, dice=dice: wire[:2] + mutated(dice, wire[2:])
        with suppress(EgressError):
            query(quick, "a.test", kind)


def test_mutated_tls_answers_raise_nothing_else(rules):
    hello = bytes.fromhex("160303002a020000260303") + bytes(32) + bytes.fromhex("00c02f0000")
    quick = replace(rules, verify_tls=False, connect_timeout_s=0.2, total_s=0.5)
    for seed in SEEDS:
        greeting = mutated(random.Random(seed), hello)
        with servers.greeting_server(greeting) as port, pytest.raises(EgressError):
            tls_peer(quick, "127.0.0.1", port, server_name="a.test", alpn=("acme-tls/1",))
