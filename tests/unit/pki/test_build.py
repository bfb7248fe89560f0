"""To-be-signed bytes: what stands in them, and how it is encoded (X-01 to X-19)."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID, NameOID

from pki import build, chain, keys, lint, serials
from pki.algorithms import (
    KeyAlgorithm,
    SignatureAlgorithm,
    default_signature_algorithm,
    signature_algorithms_of,
)
from pki.findings import UnusableCertificate, UnusableName
from pki.template import NameConstraints, Publication
from tests.unit.pki import der
from tests.unit.pki.samples import (
    NOW,
    Authority,
    authority,
    issue,
    key_of,
    leaf_of,
    signature_identifier,
    signed,
)

EVERY = list(KeyAlgorithm)


def extension(certificate, kind):
    return certificate.extensions.get_extension_for_class(kind)


def oids(certificate):
    return {e.oid for e in certificate.extensions}


@pytest.mark.parametrize("algorithm", EVERY)
def test_every_ca_signs_every_leaf_and_the_result_lints_clean(algorithm):
    above = authority(algorithm)
    for signature_algorithm in signature_algorithms_of(algorithm):
        for leaf_key in (KeyAlgorithm.EC_P256, KeyAlgorithm.ED25519, KeyAlgorithm.ML_DSA_65):
            certificate = issue(
                above,
                public_key_der=keys.public_key_to_der(key_of(leaf_key).public_key()),
                key_algorithm=leaf_key,
                signature_algorithm=signature_algorithm,
            )
            chain.verify_issued(certificate, above.certificate)
            assert lint.lint_certificate(certificate, issuer=above.certificate) == ()
            assert certificate.public_key() == key_of(leaf_key).public_key()


@pytest.mark.parametrize("algorithm", EVERY)
def test_every_algorithm_makes_a_self_signed_leaf(algorithm):
    key = key_of(algorithm)
    leaf = leaf_of(
        public_key_der=keys.public_key_to_der(key.public_key()),
        key_algorithm=algorithm,
        signature_algorithm=default_signature_algorithm(algorithm),
    )
    certificate = signed(build.self_signed_leaf_tbs(leaf, serial_number=1), key)

    chain.verify_issued(certificate, certificate)
    assert lint.lint_certificate(certificate, issuer=None) == ()
    assert ExtensionOID.AUTHORITY_KEY_IDENTIFIER not in oids(certificate)


def test_the_signed_bytes_are_exactly_the_tbs():
    above = authority()
    tbs = build.leaf_tbs(leaf_of(), serial_number=7, issuer=above.issuer)
    assert signed(tbs, above).tbs_certificate_bytes == tbs


def test_x03_the_outer_algorithm_is_copied_and_must_be_the_right_one():
    tbs = build.leaf_tbs(leaf_of(), serial_number=7, issuer=authority().issuer)
    whole = build.assemble(tbs, SignatureAlgorithm.ECDSA_SHA256, b"sig")
    assert whole.count(signature_identifier(tbs)) == 2
    assert whole.endswith(der.encode(der.BIT_STRING, b"\0sig"))
    with pytest.raises(ValueError, match="ecdsa-sha384"):
        build.assemble(tbs, SignatureAlgorithm.ECDSA_SHA384, b"sig")


@pytest.mark.parametrize("algorithm", list(SignatureAlgorithm))
def test_x03_rsa_carries_null_parameters_and_nothing_else_does(algorithm):
    above = next(a for a in EVERY if algorithm in signature_algorithms_of(a))
    tbs = build.leaf_tbs(
        leaf_of(signature_algorithm=algorithm), serial_number=7, issuer=authority(above).issuer
    )
    identifier = signature_identifier(tbs)
    assert identifier.endswith(b"\x05\x00") == algorithm.value.startswith("rsa-")


def imported_ca():
    """Return a CA of foreign make: PrintableString, BMPString and T61String in its subject."""
    key = key_of(number=2)
    kind = x509.name._ASN1Type
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Old  Co", kind.PrintableString),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Ä", kind.BMPString),
            x509.NameAttribute(NameOID.COMMON_NAME, "Old Root", kind.T61String),
        ]
    )
    builder = x509.CertificateBuilder(
        name,
        name,
        key.public_key(),
        5,
        NOW - timedelta(days=400),
        NOW + timedelta(days=4000),
        [x509.Extension(ExtensionOID.BASIC_CONSTRAINTS, True, x509.BasicConstraints(True, None))],
    )
    algorithm = KeyAlgorithm.EC_P256
    certificate = builder.sign(key, default_signature_algorithm(algorithm).hash)
    return Authority(
        key, x509.load_der_x509_certificate(certificate.public_bytes(Encoding.DER)), algorithm
    )


def test_x04_the_issuer_is_byte_for_byte_the_subject_of_an_imported_ca():
    above = imported_ca()
    certificate = issue(above)

    assert chain.issuer_bytes(certificate) == chain.subject_bytes(above.certificate)
    chain.verify_issued(certificate, above.certificate)
    assert lint.lint_certificate(certificate, issuer=above.certificate) == ()


def test_x05_dates_change_their_form_in_2050():
    above = authority(lifetime_days=20000, name="Long")
    for year, tag, text in ((2049, 0x17, b"491231235959Z"), (2050, 0x18, b"20501231235959Z")):
        end = datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)
        tbs = build.leaf_tbs(leaf_of(not_after=end), serial_number=1, issuer=above.issuer)
        assert der.encode(tag, text) in tbs


def test_x07_an_empty_subject_makes_the_san_critical_and_only_then():
    assert extension(issue(authority(), subject=()), x509.SubjectAlternativeName).critical
    assert not extension(issue(authority()), x509.SubjectAlternativeName).critical


def test_x07_a_certificate_without_any_name_is_refused():
    nameless = leaf_of(subject=(), subject_alt_names=())
    with pytest.raises(UnusableCertificate):
        build.leaf_tbs(nameless, serial_number=1, issuer=authority().issuer)
    with pytest.raises(UnusableCertificate):
        build.self_signed_leaf_tbs(leaf_of(subject=()), serial_number=1)


def test_x08_an_unsound_subject_is_refused():
    with pytest.raises(UnusableName):
        build.leaf_tbs(
            leaf_of(subject=(("country", "xx"),)), serial_number=1, issuer=authority().issuer
        )


def test_x10_x11_key_identifiers_are_computed_and_not_critical():
    above = authority()
    certificate = issue(above)
    ski = extension(certificate, x509.SubjectKeyIdentifier)
    aki = extension(certificate, x509.AuthorityKeyIdentifier)

    assert ski.value == x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())
    above_ski = extension(above.certificate, x509.SubjectKeyIdentifier).value.digest
    assert aki.value.key_identifier == above_ski
    assert not ski.critical
    assert not aki.critical


def test_x10_the_identifier_of_an_issuer_without_ski_is_computed():
    above = imported_ca()
    aki = extension(issue(above), x509.AuthorityKeyIdentifier).value
    spki = keys.public_key_to_der(above.key.public_key())
    assert aki.key_identifier == keys.key_identifier(spki)


def test_x12_key_usage_is_critical_and_trailing_zero_bits_are_cut():
    certificate = issue(authority())
    usage = extension(certificate, x509.KeyUsage)
    assert usage.critical
    assert usage.value.public_bytes() == bytes.fromhex("03020780")


def test_x13_leaves_have_no_basic_constraints_and_cas_critical_ones():
    assert ExtensionOID.BASIC_CONSTRAINTS not in oids(issue(authority()))
    constraints = extension(authority(path_length=1).certificate, x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 1)


def test_x15_name_constraints_are_critical_and_absent_when_empty():
    constrained = authority(
        name="Constrained",
        constraints=NameConstraints(
            permitted=(("dns_name", "example.com"), ("ip_address", "10.0.0.0/8")),
            excluded=(("email", "example.net"), ("ip_address", "2001:db8::/32")),
        ),
    )
    found = extension(constrained.certificate, x509.NameConstraints)
    assert found.critical
    assert len(list(found.value.permitted_subtrees)) == 2
    assert ExtensionOID.NAME_CONSTRAINTS not in oids(authority().certificate)


def test_x17_extended_key_usage_is_not_critical_but_for_time_stamping():
    assert not extension(issue(authority()), x509.ExtendedKeyUsage).critical
    stamping = issue(authority(), extended_key_usage=("time_stamping",))
    assert extension(stamping, x509.ExtendedKeyUsage).critical


def test_x18_x19_addresses_are_published_in_order_and_not_critical():
    certificate = issue(authority())
    points = extension(certificate, x509.CRLDistributionPoints)
    (point,) = points.value
    assert [name.value for name in point.full_name] == [
        "http://pki.example/pki/test/crl",
        "http://mirror.example/test.crl",
    ]
    access = extension(certificate, x509.AuthorityInformationAccess)
    assert [d.access_location.value for d in access.value] == [
        "http://pki.example/ocsp/test",
        "http://pki.example/pki/test/ca.cer",
    ]
    assert not points.critical
    assert not access.critical


def test_an_issuer_that_publishes_nothing_leaves_no_addresses():
    above = authority()
    silent = build.Issuer(above.certificate, above.key.public_key(), above.algorithm, Publication())
    certificate = signed(build.leaf_tbs(leaf_of(), serial_number=1, issuer=silent), above)
    absent = {ExtensionOID.CRL_DISTRIBUTION_POINTS, ExtensionOID.AUTHORITY_INFORMATION_ACCESS}
    assert not absent & oids(certificate)


@pytest.mark.parametrize("algorithm", EVERY)
def test_roots_and_intermediates_of_every_algorithm_lint_clean(algorithm):
    root = authority(algorithm)
    below = authority(
        KeyAlgorithm.EC_P256, name="Issuing", above=root, path_length=0, lifetime_days=900
    )

    assert lint.lint_certificate(root.certificate, issuer=None) == ()
    assert lint.lint_certificate(below.certificate, issuer=root.certificate) == ()
    assert chain.verify_path([issue(below), below.certificate, root.certificate], at=NOW) == ()


def test_a_ca_may_be_restricted_in_its_purposes():
    content = build.CaCertificate(
        subject=(("common_name", "TLS CA"),),
        public_key_der=keys.public_key_to_der(key_of().public_key()),
        signature_algorithm=SignatureAlgorithm.ECDSA_SHA256,
        not_before=NOW,
        not_after=NOW + timedelta(days=100),
        extended_key_usage=("server_auth", "client_auth"),
    )
    above = authority()
    certificate = signed(build.ca_tbs(content, serial_number=9, issuer=above.issuer), above)
    assert len(list(extension(certificate, x509.ExtendedKeyUsage).value)) == 2
    assert lint.lint_certificate(certificate, issuer=above.certificate) == ()


def test_x07_a_ca_without_subject_is_refused():
    content = build.CaCertificate((), b"", SignatureAlgorithm.ED25519, NOW, NOW)
    with pytest.raises(UnusableCertificate):
        build.ca_tbs(content, serial_number=1, issuer=None)


def test_a_subordinate_ca_may_be_described_as_a_leaf():
    certificate = issue(
        authority(),
        is_ca=True,
        path_length=0,
        key_usage=frozenset({"key_cert_sign", "crl_sign"}),
        extended_key_usage=(),
        subject_alt_names=(),
    )
    assert extension(certificate, x509.BasicConstraints).value.path_length == 0
    assert lint.lint_certificate(certificate, issuer=authority().certificate) == ()


def test_responders_carry_no_check_and_no_addresses():
    above = authority()
    content = build.ResponderCertificate(
        subject=(("common_name", "Responder"),),
        public_key_der=keys.public_key_to_der(key_of().public_key()),
        signature_algorithm=SignatureAlgorithm.ECDSA_SHA256,
        not_before=NOW,
        not_after=NOW + timedelta(days=30),
    )
    certificate = signed(build.responder_tbs(content, serial_number=3, issuer=above.issuer), above)

    assert lint.lint_certificate(certificate, issuer=above.certificate) == ()
    assert ExtensionOID.OCSP_NO_CHECK in oids(certificate)
    assert ExtensionOID.CRL_DISTRIBUTION_POINTS not in oids(certificate)
    assert list(extension(certificate, x509.ExtendedKeyUsage).value) == [
        x509.ExtendedKeyUsageOID.OCSP_SIGNING
    ]


def test_a_leaf_costs_a_fraction_of_a_millisecond():
    issuer, leaf = authority().issuer, leaf_of()
    begin = time.process_time()
    for _ in range(200):
        build.leaf_tbs(leaf, serial_number=serials.new_serial(), issuer=issuer)
    assert (time.process_time() - begin) / 200 < 0.001  # 0.15 ms on an idle core
