"""Requests whose parts are read from bytes, the short way, are those that the library reads."""

from unittest import mock

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from pki import csr, der, encoded_names, keys
from pki.algorithms import KeyAlgorithm, signature_algorithms_of
from pki.csr import build_csr, parse_csr
from pki.findings import UnusableCSR
from tests.unit.pki.samples import (
    extension_request,
    key_of,
    object_id,
    raw_attribute,
    raw_csr,
    raw_extension,
    raw_name,
    san,
)

CN = "2.5.4.3"
SEEDS = [
    raw_csr(
        raw_attribute("1.2.840.113549.1.9.7", b"\x0c\x02pw"),
        extension_request(
            san(x509.DNSName("www.example.com"), x509.RFC822Name("a@example.com")),
            raw_extension("2.5.29.19", x509.BasicConstraints(True, 0).public_bytes()),
        ),
        name=raw_name(("2.5.4.6", 0x13, b"DE"), (CN, 0x0C, b"www.example.com")),
    ),
    raw_csr(
        extension_request(san(x509.DNSName("www.example.com"))),
        name=raw_name((CN, 0x0C, b"www.example.com")),
    ),
]


def outcome(data):
    """Return what is read or refused."""
    try:
        return parse_csr(data)
    except UnusableCSR as error:
        return error.violations


def outcome_by_the_library(data):
    """Return the same with everything asked of the library."""
    with (
        mock.patch.object(csr, "_ECDSA", {}),
        mock.patch.object(csr, "read_usual", return_value=None),
        mock.patch.object(csr.keys, "load_public_key", side_effect=lambda _: loaded(data)),
        mock.patch.object(csr.keys, "own_encoding", side_effect=lambda _: rewritten(data)),
        mock.patch.object(encoded_names, "_PLAIN_STRINGS", {}),
    ):
        return outcome(data)


def loaded(data):
    return x509.load_der_x509_csr(data).public_key()


def rewritten(data):
    return keys.public_key_to_der(loaded(data))


@pytest.mark.parametrize("algorithm", list(KeyAlgorithm))
def test_short_ways_lead_to_the_same_request(algorithm):
    for signature_algorithm in signature_algorithms_of(algorithm):
        data = build_csr(
            subject=[("country", "DE"), ("common_name", "b\u00fccher.example")],
            subject_alt_names=[("dns_name", "www.example.com")],
            private_key=key_of(algorithm),
            algorithm=signature_algorithm,
        )
        assert outcome(data) == outcome_by_the_library(data)
        spoilt = data[:-1] + bytes([data[-1] ^ 1])
        assert outcome(spoilt) == outcome_by_the_library(spoilt)


@pytest.mark.parametrize(
    "algorithm",
    [
        "300c06082a8648ce3d0403020500",  # ECDSA with NULL parameters
        "300a06082a8648ce3d040301",  # with SHA-224
        "300d06092a864886f70d01010b0500",  # RSA with SHA-256
        "300506032b6570",
    ],
)
def test_ac02_short_ways_refuse_the_same_signature_algorithms(algorithm):
    data = raw_csr(algorithm=bytes.fromhex(algorithm))
    assert outcome(data) == outcome_by_the_library(data)


@pytest.mark.parametrize(
    "attributes",
    [
        (),
        (extension_request(),),
        (extension_request(san(x509.DNSName("a.example"))),),
        (extension_request(), extension_request()),
        (raw_attribute("1.2.840.113549.1.9.14"),),
        (raw_attribute("1.2.840.113549.1.9.14", b"\x30\x00", b"\x30\x00"),),
        (raw_attribute("1.2.840.113549.1.9.14", b"\x0c\x01a"),),
        (raw_attribute("1.3.6.1.4.1.311.2.1.14", b"\x30\x00"),),
        (raw_attribute("1.2.840.113549.1.9.7", b"\x0c\x02pw"), extension_request()),
    ],
)
def test_short_ways_read_the_same_attributes(attributes):
    data = raw_csr(*attributes)
    assert outcome(data) == outcome_by_the_library(data)


@pytest.mark.filterwarnings("ignore:Attribute's length must be")
@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([CN, "2.5.4.6", "2.5.4.45", "2.5.4.10", "1.2.840.113549.1.9.1"]),
            st.sampled_from([0x0C, 0x13, 0x14, 0x16, 0x1C, 0x1E, 0x04, 0x03]),
            st.one_of(st.sampled_from([b"DE", b"www.example.com"]), st.binary(max_size=8)),
        ),
        max_size=3,
    )
)
def test_short_ways_read_the_same_subject(attributes):
    data = raw_csr(name=raw_name(*attributes))
    assert outcome(data) == outcome_by_the_library(data)


@pytest.mark.filterwarnings("ignore:Attribute's length must be")
@settings(max_examples=300, deadline=None)
@given(
    seed=st.sampled_from(SEEDS),
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=3
    ),
)
def test_short_ways_refuse_the_same_mutations(seed, changes):
    data = bytearray(seed)
    for position, octet in changes:
        data[int(position * len(data))] = octet
    assert outcome(bytes(data)) == outcome_by_the_library(bytes(data))


OID = object_id("2.5.29.17")
DNS = b"\x30\x0b\x82\x09a.example"


@pytest.mark.parametrize(
    "extension",
    [
        san(*(x509.DNSName(f"h{n}.example") for n in range(250))),
        san(*(x509.DNSName(f"h{n}.example") for n in range(251))),
        san(x509.DNSName("a.example"), x509.DirectoryName(x509.Name([]))),
        raw_extension("2.5.29.17", b"\x30\x00"),
        raw_extension("2.5.29.17", b""),
        raw_extension("2.5.29.17", DNS, critical=True),
        raw_extension("2.5.29.17", DNS + b"\x05\x00"),
        raw_extension("2.5.29.17", b"\x30\x81\x0b" + DNS[2:]),
        raw_extension("2.5.29.17", b"\x31" + DNS[1:]),
        raw_extension("2.5.29.18", DNS),
        der.encode(0x30, OID, b"\x01\x01\x00", der.encode(0x04, DNS)),
        der.encode(0x30, OID, der.encode(0x0C, DNS)),
        der.encode(0x30, OID, der.encode(0x04, DNS), b"\x05\x00"),
        der.encode(0x31, OID, der.encode(0x04, DNS)),
        der.encode(0x30, OID),
        b"\x05\x00",
    ],
)
def test_short_ways_read_the_same_sole_extension(extension):
    for data in (
        raw_csr(extension_request(extension)),
        raw_csr(raw_attribute("1.2.840.113549.1.9.14", der.encode(0x31, extension))),
        raw_csr(raw_attribute("1.2.840.113549.1.9.14", extension)),
    ):
        assert outcome(data) == outcome_by_the_library(data)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0x81, 0x82, 0x86, 0x87, 0x88, 0xA4, 0x80]),
            st.one_of(
                st.sampled_from(
                    [b"a.example", b"*.a.example", b"a@b.example", b"\xc0\x00\x02\x07"]
                ),
                st.binary(max_size=17),
            ),
        ),
        max_size=4,
    )
)
def test_short_ways_read_the_same_alternative_names(parts):
    names = der.encode(0x30, *(der.encode(tag, content) for tag, content in parts))
    data = raw_csr(extension_request(raw_extension("2.5.29.17", names)))
    assert outcome(data) == outcome_by_the_library(data)
