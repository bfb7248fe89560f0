"""Is a request of the usual kind recognised, and nothing that scan or library would refuse?"""

import itertools

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from pki import der, der_guard, keys
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm
from pki.csr import MAX_BYTES, build_csr, parse_csr
from pki.findings import UnusableCSR, UnusableKey
from pki.names import read_subject, san_pair
from pki.usual_csr import read_usual
from tests.unit.pki.samples import (
    ECDSA_SHA256,
    extension_request,
    key_of,
    raw_attribute,
    raw_csr,
    raw_extension,
    raw_name,
    san,
)

CN, COUNTRY = "2.5.4.3", "2.5.4.6"
NAME = raw_name((COUNTRY, 0x13, b"DE"), (CN, 0x0C, b"www.example.com"))
NAMES = x509.DNSName("www.example.com"), x509.RFC822Name("a@example.com")
USUAL = raw_csr(extension_request(san(*NAMES)), name=NAME)
BARE = raw_csr()
LONG = raw_csr(extension_request(san(*(x509.DNSName(f"h{n}.example") for n in range(40)))))
RSA = build_csr(
    subject=[("common_name", "www.example.com")],
    subject_alt_names=[("ip_address", "192.0.2.7")],
    private_key=key_of(KeyAlgorithm.RSA_2048),
    algorithm=SignatureAlgorithm.RSA_SHA256,
)


def read(data):
    return read_usual(data, max_bytes=MAX_BYTES)


def require_agreement(data):
    """Check that what is recognised passes the scan, and says what the library reads.

    The key alone is left to be parsed.
    """
    found = read(data)
    try:
        if found is None or not keys.load_public_key(found.public_key_der):
            return
    except UnusableKey:
        return
    der_guard.scan(data, max_bytes=MAX_BYTES)
    request = x509.load_der_x509_csr(data)
    assert found.info == request.tbs_certrequest_bytes
    assert found.signature == request.signature
    assert (found.subject, ()) == read_subject(request.subject)
    assert found.public_key_der == der.split(found.info)[2]
    assert found.signature_algorithm.hash.name == request.signature_hash_algorithm.name
    assert all(extension.oid == x509.SubjectAlternativeName.oid for extension in request.extensions)
    names = [san_pair(name) for extension in request.extensions for name in extension.value]
    assert list(found.alt_names) == names
    assert all(attribute.oid.dotted_string.endswith("9.14") for attribute in request.attributes)


@pytest.mark.parametrize("data", [USUAL, BARE, LONG, RSA], ids=["usual", "bare", "long", "rsa"])
def test_the_usual_kind_is_recognised(data):
    assert read(data) is not None
    require_agreement(data)


def test_a_usual_request_is_neither_scanned_nor_parsed(monkeypatch):
    monkeypatch.setattr(x509, "load_der_x509_csr", None)
    monkeypatch.setattr(der_guard, "scan", None)
    parsed = parse_csr(USUAL)
    assert parsed.subject == (("country", "DE"), ("common_name", "www.example.com"))
    assert parsed.subject_alt_names == (("dns_name", "www.example.com"), ("email", "a@example.com"))
    assert parsed.public_key_der == keys.public_key_to_der(key_of().public_key())
    assert parsed.der == USUAL
    assert not parsed.violations


def test_alternative_names_may_be_critical():
    names = x509.SubjectAlternativeName(NAMES).public_bytes()
    data = raw_csr(extension_request(raw_extension("2.5.29.17", names, critical=True)))
    assert read(data).alt_names == (("dns_name", "www.example.com"), ("email", "a@example.com"))
    require_agreement(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        USUAL + b"\x00",
        USUAL[:-1],
        raw_csr(version=1),
        raw_csr(extension_request()),
        raw_csr(extension_request(san())),
        raw_csr(extension_request(raw_extension("2.5.29.15", b"\x03\x02\x07\x80"))),
        raw_csr(raw_attribute("1.2.840.113549.1.9.7", b"\x0c\x02pw")),
        raw_csr(extension_request(san(*NAMES)), extension_request(san(*NAMES))),
        raw_csr(name=raw_name((CN, 0x1E, b"\x00a"))),
        raw_csr(name=raw_name((CN, 0x13, b"*.example.com"))),
        raw_csr(name=raw_name(("2.5.4.4", 0x0C, b"Curie"))),
        raw_csr(name=raw_name((CN, 0x0C, b"\xff"))),
        raw_csr(algorithm=bytes.fromhex("300a06082a8648ce3d040301")),  # SHA-224
        raw_csr(algorithm=ECDSA_SHA256[:1] + b"\x0c" + ECDSA_SHA256[2:] + b"\x05\x00"),
        raw_csr(spki=b"\x30\x02\x24\x00"),
    ],
    ids=itertools.count(),  # the requests differ from run to run
)
def test_everything_else_is_left_to_the_long_way(data):
    assert read(data) is None


def test_ac03_longer_input_is_left_unseen():
    assert read_usual(USUAL, max_bytes=len(USUAL)) is not None
    assert read_usual(USUAL, max_bytes=len(USUAL) - 1) is None


@pytest.mark.parametrize("data", [USUAL, BARE], ids=["usual", "bare"])
def test_ac03_no_change_of_an_octet_gets_past_scan_and_library(data):
    for position in range(len(data)):
        for octet in {0x00, 0x01, 0x1F, 0x7F, 0x80, 0x81, 0x84, 0xFF, data[position] ^ 0x20}:
            require_agreement(data[:position] + bytes([octet]) + data[position + 1 :])


@pytest.mark.filterwarnings("ignore:Attribute's length must be")
@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from([USUAL, BARE, RSA]),
    st.lists(
        st.tuples(
            st.floats(0, 1, exclude_max=True),
            st.integers(0, 3),
            st.binary(max_size=3),
        ),
        max_size=2,
    ),
)
def test_ac03_whatever_is_recognised_passes_scan_and_library(seed, changes):
    data = seed
    for place, removed, added in changes:
        position = int(place * len(data))
        data = data[:position] + added + data[position + removed :]
    require_agreement(data)


def test_ac02_a_usual_request_without_proof_is_refused():
    spoilt = USUAL[:-1] + bytes([USUAL[-1] ^ 1])
    assert read(spoilt) is not None
    with pytest.raises(UnusableCSR) as caught:
        parse_csr(spoilt)
    assert [violation.code for violation in caught.value.violations] == ["csr.proof_of_possession"]


def test_requests_of_the_library_are_of_the_usual_kind():
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a.example")]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("a.example")]), critical=False)
        .sign(key_of(KeyAlgorithm.EC_P384), SignatureAlgorithm.ECDSA_SHA384.hash)
    )
    data = request.public_bytes(Encoding.DER)
    assert read(data) is not None
    require_agreement(data)
