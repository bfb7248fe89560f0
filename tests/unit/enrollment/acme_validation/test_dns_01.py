import hashlib
from base64 import urlsafe_b64encode

import pytest

from apps.egress import Deadline
from apps.enrollment.acme.problems import Type
from apps.enrollment.acme.validation import dns_01

from .conftest import THUMBPRINT, TOKEN

NAME = "_acme-challenge.a.test"
GOOD = (
    urlsafe_b64encode(hashlib.sha256(f"{TOKEN}.{THUMBPRINT}".encode()).digest())
    .rstrip(b"=")
    .decode()
)


@pytest.fixture
def run(target, deadline):
    def validate(**changes):
        return dns_01.validate(target(**({"challenge_type": "dns-01"} | changes)), deadline)

    return validate


@pytest.mark.parametrize(
    "texts",
    [
        [f'"{GOOD}"'],
        ['"other"', f'"{GOOD}"', '"third"'],
        [f'"{GOOD[:20]}" "{GOOD[20:]}"'],
        [f'"{GOOD}"'] + [f'"{number}{"x" * 200}"' for number in range(20)],
    ],
    ids=["one", "several", "two strings", "over tcp"],
)
def test_a22_any_matching_record_proves(run, names, texts):
    names.records[NAME, "TXT"] = texts
    assert run().proven


@pytest.mark.parametrize(
    "text",
    ["", GOOD.lower(), GOOD + "=", GOOD[:-1], f"{TOKEN}.{THUMBPRINT}", f" {GOOD}", f"{GOOD} "],
)
def test_a22_other_values_prove_nothing(run, names, text):
    names.records[NAME, "TXT"] = [f'"{text}"']
    outcome = run()
    assert not outcome.proven
    assert outcome.kind == Type.INCORRECT_RESPONSE
    assert text not in outcome.detail or not text


def test_a22_aliases_are_followed_also_from_servers_that_do_not(run, names):
    names.records[NAME, "CNAME"] = ["a.proofs.test."]
    names.records["a.proofs.test", "CNAME"] = ["b.proofs.test."]
    names.records["b.proofs.test", "TXT"] = [f'"{GOOD}"']
    outcome = run()
    assert outcome.proven
    assert "b.proofs.test" in outcome.hops[0].outcome


def test_a20_wildcard_is_proven_at_the_name_below_the_star(run, names):
    names.records[NAME, "TXT"] = [f'"{GOOD}"']
    assert run(wildcard=True).proven


def test_absence_and_failure_are_told_apart(run, names):
    assert run().kind == Type.DNS
    assert "does not exist" in run().detail
    names.records[NAME, "A"] = ["127.0.0.1"]
    assert "no TXT record" in run().detail
    names.records[NAME, "TXT"] = "SERVFAIL"
    assert "could not be looked up" in run().detail


def test_silent_name_server_costs_no_more_than_the_budget(target, names):
    names.silent = True
    outcome = dns_01.validate(target("dns-01"), Deadline(0.3))
    assert outcome.kind == Type.DNS
    assert outcome.again


def test_foreign_records_are_escaped_and_bounded(run, names, target):
    names.records[NAME, "TXT"] = ['"<b>\\200\\000"'] + [f'"{n}"' for n in range(30)]
    outcome = run()
    record = outcome.record(target("dns-01"), by="worker")
    assert len(record["seen"]) == 8
    assert any("\\xc8\\x00" in text for text in outcome.seen)
    assert "31 TXT records" in outcome.detail


def test_dns_account_01_looks_below_the_label_of_the_account(run, names):
    url = "https://example.com/acme/acct/ExampleAccount"  # the example of the draft
    assert dns_01.account_label(url) == "_ujmmovf2vn55tgye"
    label = dns_01.account_label("https://ca.test/acme/pay/tls/acct/abc")
    names.records[f"{label}.{NAME}", "TXT"] = [f'"{GOOD}"']
    assert run(challenge_type="dns-account-01").proven
    assert not run(challenge_type="dns-account-01", bases=("https://ca.test/other",)).proven
    assert not run().proven


def test_dns_account_01_knows_accounts_by_their_url_at_a_former_origin(run, names):
    base, former = "https://ca.test/acme/pay/tls", "https://old.test/acme/pay/tls"
    label = dns_01.account_label(f"{former}/acct/abc")
    names.records[f"{label}.{NAME}", "TXT"] = [f'"{GOOD}"']
    assert run(challenge_type="dns-account-01", bases=(base, former)).proven
    assert not run(challenge_type="dns-account-01", bases=(base,)).proven
