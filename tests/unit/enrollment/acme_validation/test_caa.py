import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.egress import Deadline
from apps.enrollment.acme.problems import Type
from apps.enrollment.acme.validation import caa
from apps.enrollment.acme.validation.caa import Property, Requester, refusal_of

ACCOUNT = "https://ca.test/acme/pay/tls/acct/abc"
US = "ca.test"


def asker(*, wildcard=False, method="dns-01"):
    return Requester(identities=(US,), account_urls=(ACCOUNT,), method=method, wildcard=wildcard)


# Records, whether the name is a wildcard, whether we may issue (RFC 8659 section 4, RFC 8657).
TABLE = [
    ([], False, True),
    ([(0, "issue", US)], False, True),
    ([(0, "issue", US)], True, True),
    ([(0, "issue", "CA.Test")], False, True),
    ([(0, "issue", f"  {US} ")], False, True),
    ([(0, "issue", f"{US};")], False, True),
    ([(0, "issue", f"{US} ; policy=ev")], False, True),
    ([(0, "issue", "other.test")], False, False),
    ([(0, "issue", ";")], False, False),
    ([(0, "issue", ";")], True, False),
    ([(0, "issue", "")], False, False),
    ([(0, "issue", ";"), (0, "issue", US)], False, True),
    ([(0, "issue", "other.test"), (0, "issue", US)], False, True),
    ([(0, "issue", f"sub.{US}")], False, False),
    ([(0, "issue", f"{US}.")], False, False),
    ([(0, "issue", f"{US} other.test")], False, False),
    ([(0, "issue", f"{US}; no-equals-sign")], False, False),
    ([(0, "issue", f"{US}; a=b c")], False, False),
    ([(0, "issuewild", US)], True, True),
    ([(0, "issuewild", ";")], False, True),
    ([(0, "issuewild", ";"), (0, "issue", US)], True, False),
    ([(0, "issuewild", ";"), (0, "issue", US)], False, True),
    ([(0, "issuewild", US), (0, "issue", ";")], True, True),
    ([(0, "issuewild", US), (0, "issue", ";")], False, False),
    ([(0, "issuewild", "other.test"), (0, "issue", US)], True, False),
    ([(0, "iodef", "mailto:a@a.test")], False, True),
    ([(128, "iodef", "mailto:a@a.test")], False, True),
    ([(0, "tbs", "x")], False, True),
    ([(128, "tbs", "x")], False, False),
    ([(128, "tbs", "x"), (0, "issue", US)], False, False),
    ([(1, "tbs", "x"), (0, "issue", US)], False, True),
    ([(128, "issue", US)], False, True),
    ([(0, "issue", f"{US}; accounturi={ACCOUNT}")], False, True),
    ([(0, "issue", f"{US}; accounturi={ACCOUNT}x")], False, False),
    ([(0, "issue", f"{US}; AccountURI={ACCOUNT}")], False, True),
    ([(0, "issue", f"{US}; accounturi={ACCOUNT}; accounturi={ACCOUNT}")], False, False),
    (
        [(0, "issue", f"{US}; accounturi=x"), (0, "issue", f"{US}; accounturi={ACCOUNT}")],
        False,
        True,
    ),
    ([(0, "issue", f"{US}; validationmethods=dns-01")], False, True),
    ([(0, "issue", f"{US}; validationmethods=http-01,dns-01")], False, True),
    ([(0, "issue", f"{US}; validationmethods=http-01")], False, False),
    ([(0, "issue", f"{US}; validationmethods=")], False, False),
    ([(0, "issue", f"{US}; validationmethods=dns-01,")], False, False),
    ([(0, "issue", f"{US}; validationmethods=dns-01; accounturi={ACCOUNT}")], False, True),
    ([(0, "issue", f"{US}; validationmethods=dns-01; accounturi=x")], False, False),
    ([(0, "issue", f"{US}; validationmethods=http-01"), (0, "issue", US)], False, True),
]


@pytest.mark.parametrize(("records", "wildcard", "allowed"), TABLE)
def test_b05_b08_pv10_record_sets_mean_what_the_rfcs_say(records, wildcard, allowed):
    properties = [Property(*record) for record in records]
    assert (refusal_of(properties, asker(wildcard=wildcard)) == "") is allowed


def test_without_identities_of_ours_no_issue_property_allows_us():
    nobody = Requester(identities=(), account_urls=(ACCOUNT,), method="dns-01", wildcard=False)
    assert refusal_of([Property(0, "issue", "")], nobody)
    assert refusal_of([Property(0, "issue", US)], nobody)


@given(st.text(alphabet=" \t;=.-,abc0", max_size=30))
@settings(max_examples=300, deadline=None)
def test_no_value_without_our_name_allows_us(value):
    assert refusal_of([Property(0, "issue", value)], asker())


@given(st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_reading_never_fails(value):
    refusal_of([Property(0, "issue", value), Property(255, value, value)], asker())


@pytest.fixture
def run(target, deadline):
    def check(identifier="x.y.a.test", **changes):
        changes = {"caa_identities": (US,)} | changes
        return caa.check(target("dns-01", identifier=identifier, **changes), deadline)

    return check


def test_b05_the_tree_is_climbed_to_the_closest_record_set(run, names):
    names.records["a.test", "CAA"] = [f'0 issue "{US}"']
    names.records["y.a.test", "CAA"] = ['0 issue ";"']
    outcome = run()
    assert (outcome.proven, outcome.kind) == (False, Type.CAA)
    assert outcome.detail.startswith("y.a.test: ")
    assert [name for name, _, _ in names.asked] == ["x.y.a.test", "y.a.test"]
    assert outcome.seen == ("0 issue ;",)
    names.records["x.y.a.test", "CAA"] = [f'0 issue "{US}"']
    assert run().proven


def test_b05_no_records_up_to_the_top_permit(run, names):
    assert run().proven
    assert [name for name, _, _ in names.asked] == ["x.y.a.test", "y.a.test", "a.test", "test"]


def test_records_at_the_end_of_an_alias_count(run, names):
    names.records["x.y.a.test", "CNAME"] = ["z.other.test."]
    names.records["z.other.test", "CAA"] = ['0 issue ";"']
    assert not run().proven


def test_the_tree_above_an_alias_target_does_not_count(run, names):
    """RFC 8659 section 3 climbs from the name asked for, unlike RFC 6844 did."""
    names.records["x.y.a.test", "CNAME"] = ["z.other.test."]
    names.records["z.other.test", "A"] = ["127.0.0.1"]
    names.records["other.test", "CAA"] = ['0 issue ";"']
    assert run().proven


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED", "NOTIMP"])
def test_b07_failed_look_up_never_permits(run, names, rcode):
    names.records["a.test", "CAA"] = rcode
    outcome = run()
    assert not outcome.proven
    assert outcome.kind == Type.DNS
    assert outcome.again


def test_b07_silence_never_permits(target, names):
    names.silent = True
    wanted = target("dns-01", caa_identities=(US,))
    assert not caa.check(wanted, Deadline(0.3)).proven


def test_caa_is_not_asked_unless_wanted_nor_for_addresses(run, names):
    assert run(caa_identities=None).proven
    assert run(identifier="127.0.0.1", identifier_type="ip").proven
    assert names.asked == []
