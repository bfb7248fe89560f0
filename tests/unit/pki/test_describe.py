"""Certificates, requests and CRLs are described completely, hostile content included."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from pki.algorithms import KeyAlgorithm
from pki.describe import Description, describe_certificate, describe_crl, describe_csr
from pki.describe_extensions import UNREADABLE
from tests.factories import raw_requests
from tests.factories.keys import make_csr

KEY = ec.generate_private_key(ec.SECP256R1())
NOW = datetime(2026, 11, 23, tzinfo=UTC)
NAME = x509.Name(
    [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
        x509.NameAttribute(NameOID.COMMON_NAME, "<script>alert(1)</script>"),
    ]
)


def certificate(*extensions: tuple[x509.ExtensionType, bool]) -> bytes:
    builder = (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(KEY.public_key())
        .serial_number(0xABC)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


def told(description: Description) -> dict[str, dict[str, tuple[str, ...]]]:
    return {
        block.title: {line.label: line.values for line in block.lines}
        for block in description.blocks
    }


def test_names_validity_key_and_fingerprints_are_shown():
    shown = told(describe_certificate(certificate()))
    assert shown["Certificate"]["Subject"] == ("C=DE", "CN=<script>alert(1)</script>")
    assert shown["Certificate"]["Serial number"] == ("abc",)
    assert shown["Certificate"]["Not after"] == ("2026-11-24 00:00:00 UTC",)
    assert shown["Public key"]["Algorithm"] == ("ECDSA P-256",)
    assert len(shown["Fingerprints"]["SHA-256"][0]) == 95


def test_every_known_extension_is_read():
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=True,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=True,
        decipher_only=False,
    )
    names = x509.SubjectAlternativeName(
        [
            x509.DNSName("a.example"),
            x509.RFC822Name("a@b.example"),
            x509.UniformResourceIdentifier("https://a.example/"),
            x509.DirectoryName(NAME),
            x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
            x509.OtherName(x509.ObjectIdentifier("1.2.4"), b"\x05\x00"),
        ]
    )
    location = x509.UniformResourceIdentifier("http://pki.example/crl")
    point = x509.DistributionPoint([location], None, None, None)
    access = x509.AccessDescription(x509.AuthorityInformationAccessOID.OCSP, location)
    foreign = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x04\x01x")
    policy = x509.PolicyInformation(x509.ObjectIdentifier("2.23.140.1.2.1"), None)
    shown = told(
        describe_certificate(
            certificate(
                (usage, True),
                (names, False),
                (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
                (x509.BasicConstraints(ca=True, path_length=None), True),
                (x509.NameConstraints([x509.DNSName("example")], None), True),
                (x509.SubjectKeyIdentifier(b"\x01\x02"), False),
                (x509.AuthorityKeyIdentifier(b"\x03", None, None), False),
                (x509.CRLDistributionPoints([point]), False),
                (x509.AuthorityInformationAccess([access]), False),
                (x509.CertificatePolicies([policy]), False),
                (x509.OCSPNoCheck(), False),
                (foreign, False),
            )
        )
    )
    assert shown["Key usage"]["Usages"] == ("digital_signature", "key_agreement", "encipher_only")
    assert shown["Subject alternative names"]["Names"] == (
        "DNS: a.example",
        "e-mail: a@b.example",
        "URI: https://a.example/",
        "directory name: C=DE, CN=<script>alert(1)</script>",
        "registered ID: 1.2.3",
        "other name: 1.2.4: 0500",
    )
    assert shown["Extended key usage"]["Usages"] == ("serverAuth (1.3.6.1.5.5.7.3.1)",)
    assert shown["Basic constraints"]["Path length"] == ("unlimited",)
    assert shown["Name constraints"]["Permitted"] == ("DNS: example",)
    assert shown["Subject key identifier"]["Key identifier"] == ("0102",)
    assert shown["Authority key identifier"]["Key identifier"] == ("03",)
    assert shown["CRL distribution points"]["CRL"] == ("URI: http://pki.example/crl",)
    assert shown["Authority information access"]["OCSP"] == ("URI: http://pki.example/crl",)
    assert shown["Certificate policies"]["Policies"] == ("2.23.140.1.2.1",)
    assert "OCSP no-check" in shown
    assert shown["Extension 1.3.6.1.4.1.99999.1"]["DER"] == ("040178",)


@pytest.mark.parametrize("algorithm", list(KeyAlgorithm))
def test_requests_of_every_algorithm_are_read(algorithm):
    shown = told(describe_csr(make_csr("a.example", algorithm=algorithm)))
    assert shown["Request"]["Proof of possession"] == ("verifies",)
    assert shown["Public key"]["Algorithm"] == (algorithm.label,)
    assert shown["Subject alternative names"]["Names"] == ("DNS: a.example",)


def test_a_request_with_a_key_that_cannot_be_read_is_shown_all_the_same():
    spki = b"\x30\x08\x30\x04\x06\x02\x2a\x03\x03\x00"
    shown = told(describe_csr(raw_requests.request(spki=spki)))
    assert shown["Public key"]["Problem"] == (UNREADABLE,)
    assert shown["Request"]["Proof of possession"] == ("does not verify",)
    # The library reads extensions only in a request whose key it can read.
    assert shown["Extension subjectAltName (2.5.29.17)"]["DER"]


def test_a_crl_shows_its_number_and_no_more_than_200_entries():
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(NAME)
        .last_update(NOW)
        .next_update(NOW + timedelta(days=7))
        .add_extension(x509.CRLNumber(7), critical=False)
    )
    for serial in range(1, 203):
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW)
        if serial == 1:
            entry = entry.add_extension(
                x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False
            )
        builder = builder.add_revoked_certificate(entry.build())
    shown = told(describe_crl(builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)))
    assert shown["CRL number"]["Number"] == ("7",)
    assert shown["CRL"]["Revoked certificates"] == ("202",)
    entries = shown["First 200 entries"]["Serial number, since, reason"]
    assert len(entries) == 200
    assert entries[0] == "1  2026-11-23 00:00:00 UTC  keyCompromise"


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 10_000))
def test_hostile_bytes_never_raise(noise, place):
    whole = certificate((x509.BasicConstraints(ca=False, path_length=None), True))
    cut = place % len(whole)
    for der in (noise, whole[:cut] + noise, whole[:cut] + noise + whole[cut + len(noise) :]):
        for describe in (describe_certificate, describe_csr, describe_crl):
            assert describe(der).blocks
