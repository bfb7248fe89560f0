"""Tests of dns-persist-01 by the clauses of draft-ietf-acme-dns-persist-02."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.egress import Deadline
from apps.enrollment.acme.problems import Type
from apps.enrollment.acme.validation import attempts, dns_persist_01, persistent_records
from apps.enrollment.acme.validation.dns_persist_01 import Requested, read_record

from .conftest import THUMBPRINT

US = "authority.example"
BASE = "https://ca.test/acme/pay/tls"
PATH = "acct/abc"
NAME = "_validation-persist.a.test"
NOW = 1_800_000_000
OLD_KEY = "A" * 43


def uri(domain="a.test", thumbprint=THUMBPRINT, path=PATH, base=BASE):
    return persistent_records.hashed_uri(base, domain, thumbprint, path)


def record(*parameters, issuer=US):
    return "; ".join((issuer, *(parameters or (f"accounturi={uri()}",))))


def asker(**changes):
    values = {
        "issuers": (US, "ca.example.net"),
        "prefixes": (f"{BASE}/account-hash/",),
        "uris": (uri(), uri("*")),
        "wildcard": False,
        "now": datetime.fromtimestamp(NOW, UTC),
    }
    return Requested(**(values | changes))


def kind_of(text, **changes):
    """Return the error type of a record, ``None`` when it grants, "ignored" when not for us."""
    value = text if isinstance(text, bytes) else text.encode()
    verdict = read_record(value, asker(**changes))
    return "ignored" if verdict is None else verdict.kind


OURS = f"accounturi={uri()}"


# --- the hashed URI -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("domain", "digest"),
    [
        ("example.com", "5SQm7n6tPh2-PlLbCKGnViTXX5z19SCN4cPGQHSk-kw"),
        ("*", "NpDnSwUthQK8zCgFdefYxAdAVPnygMLbs9US6oO-5ug"),
    ],
)
def test_10_2_the_drafts_own_vectors(domain, digest):
    url = "https://ca.example/acct/123"
    assert persistent_records.account_digest(domain, THUMBPRINT, url) == digest
    made = persistent_records.hashed_uri("https://ca.example", domain, THUMBPRINT, "acct/123")
    assert made == f"https://ca.example/account-hash/sha-256/{digest}"


def test_the_command_in_the_document_computes_what_the_draft_says():
    page = (Path(__file__).parents[4] / "docs" / "acme.md").read_text()
    block = next(part for part in page.split("```sh\n") if part.startswith("DOMAIN="))
    command = block.partition("```")[0]
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "5SQm7n6tPh2-PlLbCKGnViTXX5z19SCN4cPGQHSk-kw"


def test_4_2_the_present_key_comes_first_then_former_ones_newest_first():
    made = list(persistent_records.accepted_uris(("b1", "b2"), "d", ("new", "old"), "acct/x"))
    assert made[:2] == [
        persistent_records.hashed_uri("b1", "d", "new", "acct/x"),
        persistent_records.hashed_uri("b1", "*", "new", "acct/x"),
    ]
    assert made[4] == persistent_records.hashed_uri("b1", "d", "old", "acct/x")
    assert len(set(made)) == 8


@pytest.mark.parametrize(
    ("given_name", "found"),
    [
        ("EXAMPLE.com.", "example.com"),
        # The draft's own example (9.2) ends with the A-label of another name.
        ("\u00dcnicode-EXAMPLE.com.", "xn--nicode-example-fsb.com"),
        ("ca.example", "ca.example"),
        ("", ""),
        (".", ""),
        ("a..b", ""),
        ("a b.example", ""),
        ("-a.example", ""),
        ("x" * 64 + ".example", ""),
        (".".join(["x" * 50] * 6), ""),
        ("\u2603.example", ""),
    ],
)
def test_3_1_9_2_issuer_names_are_lower_case_a_labels(given_name, found):
    assert persistent_records.normalized(given_name) == found


def test_3_1_at_most_ten_names_each_once():
    many = tuple(f"ca{n}.example" for n in range(20))
    assert persistent_records.issuer_names(many) == many[:10]
    assert persistent_records.issuer_names(("A.example", "a.example.", "b c")) == ("a.example",)


# --- one record ---------------------------------------------------------------------------------

GRANTS = [
    record(),
    record(issuer="ca.example.net"),
    record(issuer="AUTHORITY.Example"),
    record(OURS).replace("; ", ";"),
    f"  {US} \t; accounturi = {uri()} ",
    record(f"accounturi={uri('*')}"),
    record(OURS, "policy=wildcard"),
    record(OURS, "policy=other"),
    record(OURS, "policy="),
    record(OURS, "future=1", "x-y=2"),
    record(OURS, "future=1", "future=2"),
    record("future=", OURS),
    record(OURS, f"persistUntil={NOW + 1}"),
    record(OURS, "persistUntil=" + "9" * 5000),
    record(OURS, f"persistUntil=000000000{NOW + 1}"),
    record(f"AccountURI={uri()}"),
]


@pytest.mark.parametrize("text", GRANTS)
def test_4_1_records_that_grant_the_name(text):
    assert kind_of(text) is None


IGNORED = [
    b"",
    b";",
    f"; {OURS}".encode(),
    record(issuer="other.example").encode(),
    record(issuer=f"sub.{US}").encode(),
    record(issuer=f"x{US}").encode(),
    f"{US} other.example; {OURS}".encode(),
    "\uff41uthority.example; x=1".encode(),
    b"\xff\xfe\x00" * 20,
    b"v=spf1 -all",
]


@pytest.mark.parametrize("value", IGNORED)
def test_4_3_2_records_about_other_authorities_are_ignored(value):
    assert kind_of(value) == "ignored"


MALFORMED = [
    US,
    f"{US};",
    f"{US}.; {OURS}",
    record("policy=wildcard"),
    record(OURS, OURS),
    record(OURS, f"AccountUri={uri()}"),
    record(OURS, "policy=wildcard", "policy=wildcard"),
    record(OURS, f"persistUntil={NOW + 9}", f"PERSISTUNTIL={NOW + 9}"),
    record(OURS) + ";",
    record(OURS, ""),
    record(OURS, "no-equals-sign"),
    record(OURS, "=value"),
    record(OURS, "-a=b"),
    record(OURS, "a=b c"),
    record(OURS, "a=b\x7f"),
    record(OURS, "a=\u00fc"),
    record("accounturi="),
    record(f"accounturi={BASE}/{PATH}"),
    record(f"accounturi={uri()}="),
    record(f"accounturi={uri()[:-1]}"),
    record(f"accounturi={uri().replace('sha-256', 'sha-1')}"),
    record(f"accounturi={uri().replace('sha-256', 'SHA-256')}"),
    record(f"accounturi={uri().replace('https', 'HTTPS')}"),
    record(f"accounturi={uri(base='https://evil.test')}"),
    record(OURS, "persistUntil="),
    record(OURS, "persistUntil=soon"),
    record(OURS, "persistUntil=-1"),
    record(OURS, f"persistUntil=+{NOW + 9}"),
    record(OURS, f"persistUntil={NOW + 9}.0"),
    record(OURS, "persistUntil=0x7fffffffff"),
    record(OURS, "persistUntil=1_900_000_000"),
]


@pytest.mark.parametrize("text", MALFORMED)
def test_9_3_1_syntax_is_malformed(text):
    assert kind_of(text) == Type.MALFORMED


@pytest.mark.parametrize(
    "text",
    [
        record(f"accounturi={uri(path='acct/abd')}"),
        record(f"accounturi={uri('b.test')}"),
        record(f"accounturi={uri('www.a.test')}"),
        record(f"accounturi={uri(thumbprint=OLD_KEY)}"),
        record(f"accounturi={uri()[:-43]}{uri()[-43:].swapcase()}"),
        record(OURS, "persistUntil=0"),
        record(OURS, "persistUntil=1721952000"),
        record(OURS, f"persistUntil={NOW}"),
    ],
)
def test_9_3_1_what_does_not_authorize_is_unauthorized(text):
    assert kind_of(text) == Type.UNAUTHORIZED


@pytest.mark.parametrize(
    ("parameters", "kind"),
    [
        ((OURS, "policy=wildcard"), None),
        ((OURS, "policy=WildCard"), None),
        ((OURS, "POLICY=wildcard"), None),
        ((OURS,), Type.UNAUTHORIZED),
        ((OURS, "policy="), Type.UNAUTHORIZED),
        ((OURS, "policy=wildcards"), Type.UNAUTHORIZED),
        ((OURS, "policy=wild"), Type.UNAUTHORIZED),
        ((OURS, "x-policy=wildcard"), Type.UNAUTHORIZED),
    ],
)
def test_5_1_wildcards_need_their_policy(parameters, kind):
    assert kind_of(record(*parameters), wildcard=True) == kind


def test_4_1_persist_until_is_when_the_grant_ends():
    verdict = read_record(record(OURS, f"persistUntil={NOW + 5}").encode(), asker())
    assert verdict.until == datetime.fromtimestamp(NOW + 5, UTC)
    assert read_record(record().encode(), asker()).until is None


@given(st.binary(max_size=80))
@settings(max_examples=300, deadline=None)
def test_no_record_without_our_uri_grants(value):
    verdict = read_record(f"{US};".encode() + value, asker())
    assert verdict is not None
    assert verdict.kind is not None


@given(st.text(alphabet=" \t;=.-,abcPpersistUntil019", max_size=40))
@settings(max_examples=300, deadline=None)
def test_whatever_follows_reading_never_fails(text):
    read_record(record(OURS, text).encode(), asker())


# --- the look-up --------------------------------------------------------------------------------


@pytest.fixture
def run(target, deadline):
    def validate(within=deadline, **changes):
        values = {
            "issuers": (US, "ca.example.net"),
            "bases": (BASE,),
            "account_path": PATH,
        }
        return attempts.validate(target("dns-persist-01", **(values | changes)), within)

    return validate


def quoted(text):
    pieces = [text[n : n + 200] for n in range(0, len(text), 200)]
    return " ".join(f'"{piece}"' for piece in pieces)


def test_4_the_record_stands_below_validation_persist(run, names):
    names.records[NAME, "TXT"] = [quoted(record())]
    outcome = run()
    assert outcome.proven
    assert outcome.good_until is None
    assert [(name, kind) for name, kind, _ in names.asked] == [(NAME, "TXT")]
    assert outcome.hops[0].url == f"dns:{NAME}?type=TXT"
    assert outcome.seen[0].startswith(f"{US}; accounturi=")


def test_9_1_strings_of_one_record_are_one_value(run, names):
    long = record(OURS, *(f"x{n}={'y' * 50}" for n in range(10)))
    names.records[NAME, "TXT"] = [quoted(long)]
    assert run().proven


def test_4_3_2_any_one_record_will_do(run, names):
    names.records[NAME, "TXT"] = [
        quoted(record(issuer="ca1.example")),
        quoted(record(OURS, "persistUntil=1")),
        quoted(record(OURS, OURS)),
        quoted(record(issuer="ca.example.net")),
        '"junk"',
    ]
    assert run().proven


def test_of_several_grants_the_longest_counts(run, names):
    far, farther = 4_000_000_000, 4_000_000_009
    names.records[NAME, "TXT"] = [
        quoted(record(OURS, f"persistUntil={far}")),
        quoted(record(OURS, f"persistUntil={farther}")),
    ]
    assert run().good_until == datetime.fromtimestamp(farther, UTC)
    names.records[NAME, "TXT"].append(quoted(record()))
    assert run().good_until is None


def test_7_9_no_ttl_shortens_the_proof(run, names):
    names.records[NAME, "TXT"] = [quoted(record())]  # with a TTL of 0
    assert run().good_until is None


def test_4_1_records_of_a_former_key_stay_good(run, names):
    names.records[NAME, "TXT"] = [quoted(record(f"accounturi={uri(thumbprint=OLD_KEY)}"))]
    assert run().kind == Type.UNAUTHORIZED
    assert run(former_thumbprints=("B" * 43, OLD_KEY)).proven


def test_4_5_records_made_for_a_former_url_stay_good(run, names):
    former = "https://old.test/acme/pay/tls"
    names.records[NAME, "TXT"] = [quoted(record(f"accounturi={uri(base=former)}"))]
    assert run().kind == Type.MALFORMED
    assert run(bases=(BASE, former)).proven


def test_5_a_wildcard_is_proven_at_its_base(run, names):
    names.records[NAME, "TXT"] = [quoted(record())]
    assert run(wildcard=True).kind == Type.UNAUTHORIZED
    names.records[NAME, "TXT"] = [quoted(record(OURS, "policy=wildcard"))]
    assert run(wildcard=True).proven


def test_6_a_record_of_the_parent_grants_no_name_below_it(run, names):
    names.records[NAME, "TXT"] = [quoted(record(OURS, "policy=wildcard"))]
    assert run(identifier="www.a.test").kind == Type.DNS


def test_aliases_are_followed_and_the_uri_is_that_of_the_name(run, names):
    names.records[NAME, "CNAME"] = ["shared.proofs.test."]
    names.records["shared.proofs.test", "TXT"] = [quoted(record())]
    assert run().proven
    names.records["shared.proofs.test", "TXT"] = [
        quoted(record(f"accounturi={uri('proofs.test')}"))
    ]
    assert run().kind == Type.UNAUTHORIZED


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        ([], Type.UNAUTHORIZED),
        (['"x"'], Type.UNAUTHORIZED),
        ([quoted(record(issuer="ca1.example"))], Type.UNAUTHORIZED),
        ([quoted(record(OURS, OURS))], Type.MALFORMED),
        ([quoted(record(OURS, OURS)), quoted(record(OURS, "persistUntil=1"))], Type.UNAUTHORIZED),
    ],
)
def test_9_3_1_error_types(run, names, texts, kind):
    names.records[NAME, "TXT"] = texts
    outcome = run()
    assert not outcome.proven
    assert outcome.kind == kind
    assert "accounturi=" not in outcome.detail


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED", "NXDOMAIN"])
def test_7_8_1_failed_look_up_proves_nothing(run, names, rcode):
    names.records[NAME, "TXT"] = rcode
    assert run().kind == Type.DNS


def test_silence_proves_nothing(run, names):
    names.silent = True
    assert run(within=Deadline(0.3)).kind == Type.DNS


def test_without_names_of_ours_nothing_is_proven(run, names):
    names.records[NAME, "TXT"] = [quoted(record()), '""', '";"']
    assert run(issuers=()).kind == Type.UNAUTHORIZED


def test_addresses_have_no_such_record(run, names):
    assert run(identifier="127.0.0.1", identifier_type="ip").kind == Type.MALFORMED
    assert names.asked == []


def test_7_7_caa_knows_the_method_and_the_accounts_own_url(run, names):
    names.records[NAME, "TXT"] = [quoted(record(OURS, "persistUntil=4000000000"))]
    caa = f'0 issue "{US}; accounturi={BASE}/{PATH}; validationmethods=dns-persist-01"'
    names.records["a.test", "CAA"] = [caa]
    outcome = run(caa_identities=(US,))
    assert outcome.proven
    assert outcome.good_until is not None
    names.records["a.test", "CAA"] = [f'0 issue "{US}; accounturi={uri()}"']
    assert run(caa_identities=(US,)).kind == Type.CAA


def test_hostile_answers_are_bounded(run, names):
    names.records[NAME, "TXT"] = [quoted(record(OURS, f"x={n}", OURS)) for n in range(100)]
    outcome = run()
    assert len(outcome.detail) < 500
    assert all(len(line) < 400 * 4 for line in outcome.seen)


def test_the_label_is_the_registered_one():
    assert dns_persist_01.LABEL == "_validation-persist"
