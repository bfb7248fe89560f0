import hashlib
import ssl
import warnings
from datetime import timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509

from apps.enrollment.acme.problems import Type
from apps.enrollment.acme.validation import tls_alpn_01
from tests.factories import servers

from .conftest import THUMBPRINT, TOKEN

DIGEST = hashlib.sha256(f"{TOKEN}.{THUMBPRINT}".encode()).digest()
ACME = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")
LEGACY = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.30.1")
PROTOCOL = "acme-tls/1"


def san(*names):
    return x509.SubjectAlternativeName(names), False


def proof(value=b"\x04\x20" + DIGEST, *, oid=ACME, critical=True):
    return x509.UnrecognizedExtension(oid, value), critical


A_TEST = x509.DNSName("a.test")


@pytest.fixture
def run(target, deadline, tmp_path):
    def validate(*extensions, alpn=(PROTOCOL,), setup=None, made=None, **changes):
        pems = servers.certificate(*extensions, **(made or {}))
        context = servers.tls_context(tmp_path, pems, *alpn)
        if setup:
            setup(context)
        with servers.tls_server(context) as server:
            wanted = target("tls-alpn-01", tls_port=server.port, **changes)
            return tls_alpn_01.validate(wanted, deadline), server.names

    return validate


@pytest.mark.parametrize("name", ["a.test", "A.Test"])
def test_a31_the_challenge_certificate_proves(run, name):
    outcome, asked = run(san(x509.DNSName(name)), proof())
    assert outcome.proven, outcome
    assert asked == ["a.test"]
    assert outcome.hops[0].address == "127.0.0.1"
    assert "TLSv1.3" in outcome.seen[0]


def test_a31_tls_1_2_is_enough(run):
    def old(context):
        context.maximum_version = ssl.TLSVersion.TLSv1_2

    assert run(san(A_TEST), proof(), setup=old)[0].proven


def test_a31_tls_1_1_is_refused(run):
    def older(context):
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings(action="ignore"):
            context.minimum_version = ssl.TLSVersion.TLSv1_1
            context.maximum_version = ssl.TLSVersion.TLSv1_1

    outcome, _ = run(san(A_TEST), proof(), setup=older)
    assert outcome.kind == Type.TLS


def test_a31_expired_certificates_prove_all_the_same(run):
    assert run(san(A_TEST), proof(), made={"not_after": timedelta(days=-1)})[0].proven


@pytest.mark.parametrize(
    ("extensions", "reason"),
    [
        ([proof()], "exactly one name"),
        ([san(x509.DNSName("b.test")), proof()], "exactly one name"),
        ([san(A_TEST, x509.DNSName("b.test")), proof()], "exactly one name"),
        ([san(A_TEST, A_TEST), proof()], "exactly one name"),
        ([san(x509.DNSName("*.test")), proof()], "exactly one name"),
        ([san(x509.RFC822Name("a.test")), proof()], "exactly one name"),
        ([san(x509.UniformResourceIdentifier("a.test")), proof()], "exactly one name"),
        ([san(A_TEST, x509.IPAddress(ip_address("127.0.0.1"))), proof()], "exactly one name"),
        ([san(A_TEST)], "no acmeIdentifier"),
        ([san(A_TEST), proof(oid=LEGACY)], "outdated"),
        ([san(A_TEST), proof(critical=False)], "not critical"),
        ([san(A_TEST), proof(b"\x04\x20" + bytes(32))], "expected value"),
        ([san(A_TEST), proof(DIGEST)], "expected value"),
        ([san(A_TEST), proof(b"\x03\x20" + DIGEST)], "expected value"),
        ([san(A_TEST), proof(b"\x04\x20" + DIGEST + b"\x00")], "expected value"),
        ([san(A_TEST), proof(b"\x04\x81\x20" + DIGEST)], "expected value"),
        ([san(A_TEST), proof(b"")], "expected value"),
    ],
)
def test_a31_every_departure_from_the_rfc_is_refused(run, extensions, reason):
    outcome, _ = run(*extensions)
    assert not outcome.proven
    assert reason in outcome.detail


def test_a31_certificate_of_another_issuer_is_refused(run):
    outcome, _ = run(san(A_TEST), proof(), made={"issuer": "somebody else"})
    assert "self-signed" in outcome.detail


@pytest.mark.parametrize("alpn", [("http/1.1",), ()])
def test_a31_another_protocol_is_refused(run, alpn):
    outcome, _ = run(san(A_TEST), proof(), alpn=alpn)
    assert not outcome.proven
    assert outcome.kind in {Type.TLS, Type.INCORRECT_RESPONSE}


def test_a31_server_that_offers_more_must_choose_ours(run):
    assert run(san(A_TEST), proof(), alpn=("h2", PROTOCOL, "http/1.1"))[0].proven


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("127.0.0.1", "1.0.0.127.in-addr.arpa"),
        ("2001:db8::1", "1" + ".0" * 23 + ".8.b.d.0.1.0.0.2.ip6.arpa"),
    ],
)
def test_a30_address_is_asked_for_by_its_reverse_name(target, address, name):
    wanted = target("tls-alpn-01", identifier_type="ip", identifier=address)
    assert tls_alpn_01.server_name(wanted) == name


def test_a30_address_is_proven_by_an_address_and_nothing_else(run):
    ip = {"identifier_type": "ip", "identifier": "127.0.0.1"}
    outcome, asked = run(san(x509.IPAddress(ip_address("127.0.0.1"))), proof(), **ip)
    assert outcome.proven
    assert asked == ["1.0.0.127.in-addr.arpa"]
    for other in (
        x509.IPAddress(ip_address("127.0.0.2")),
        x509.DNSName("127.0.0.1"),
        x509.DNSName("1.0.0.127.in-addr.arpa"),
    ):
        assert not run(san(other), proof(), **ip)[0].proven


def test_plain_server_is_a_matter_of_tls(target, deadline):
    with servers.greeting_server(b"SSH-2.0-OpenSSH_9.9\r\n") as port:
        outcome = tls_alpn_01.validate(target("tls-alpn-01", tls_port=port), deadline)
    assert outcome.kind == Type.TLS


def test_metadata_addresses_are_refused(target, deadline, names):
    names.host("bad.test", "169.254.169.254")
    outcome = tls_alpn_01.validate(target("tls-alpn-01", identifier="bad.test"), deadline)
    assert not outcome.again
    assert "not allowed" in outcome.detail
