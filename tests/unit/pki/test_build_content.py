"""Certificates say what their content says, whatever it is."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from pki import build, extensions, keys, lint, names, structures
from pki.algorithms import KeyAlgorithm, signature_algorithms_of
from pki.findings import UnusableCertificate, UnusableKey
from pki.structures import algorithm_identifier
from pki.template import EXTENDED_KEY_USAGES, KEY_USAGES, Publication
from tests.unit.pki.samples import NOW, PUBLICATION, authority, key_of, leaf_of


def read_back(tbs, signature_algorithm):
    """Return the certificate of to-be-signed bytes, with a signature that means nothing."""
    data = structures.signed(tbs, algorithm_identifier(signature_algorithm), b"")
    return x509.load_der_x509_certificate(data)


def expected_extensions(leaf, issuer):
    """Return the extensions in the order in which they stand in a certificate."""
    found = [
        extensions.subject_key_identifier(leaf.public_key_der),
        extensions.authority_key_identifier(issuer.certificate),
    ]
    if leaf.is_ca:
        found.append(extensions.basic_constraints(leaf.path_length))
    if leaf.key_usage:
        found.append(extensions.key_usage(leaf.key_usage))
    if leaf.extended_key_usage:
        found.append(extensions.extended_key_usage(leaf.extended_key_usage))
    if leaf.subject_alt_names:
        critical = not leaf.subject
        found.append(extensions.subject_alternative_name(leaf.subject_alt_names, critical=critical))
    return [*found, *extensions.publication(issuer.publication)]


def require_content(leaf, issuer, serial_number=1):
    """Check that the certificate of ``leaf`` says what ``leaf`` says, and nothing more."""
    tbs = build.leaf_tbs(leaf, serial_number=serial_number, issuer=issuer)
    certificate = read_back(tbs, leaf.signature_algorithm)
    assert certificate.tbs_certificate_bytes == tbs
    assert certificate.serial_number == serial_number
    assert names.subject_pairs(certificate.subject) == leaf.subject
    assert certificate.issuer == issuer.certificate.subject
    assert certificate.not_valid_before_utc == leaf.not_before
    assert certificate.not_valid_after_utc == leaf.not_after
    assert keys.public_key_to_der(certificate.public_key()) == leaf.public_key_der
    assert list(certificate.extensions) == expected_extensions(leaf, issuer)


def subjects():
    text = st.text(
        st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=15
    ).filter(lambda value: len(value.encode()) <= 64)
    attribute = st.one_of(
        st.tuples(st.sampled_from(["organization", "organizational_unit", "locality"]), text),
        st.tuples(st.sampled_from(["country"]), st.sampled_from(["DE", "GR"])),
        st.tuples(st.sampled_from(["serial_number"]), st.sampled_from(["A-1", "77"])),
        st.tuples(st.sampled_from(["domain_component"]), st.sampled_from(["example", "com"])),
        st.tuples(st.sampled_from(["email_address"]), st.just("a@example.com")),
    )
    common_name = st.tuples(st.just("common_name"), text)
    return st.builds(
        lambda others, last: (*others, *last),
        st.lists(attribute, max_size=4),
        st.lists(common_name, max_size=1),
    )


ALT_NAMES = st.lists(
    st.sampled_from(
        [
            ("dns_name", "www.example.com"),
            ("dns_name", "*." + "a" * 60 + ".example.com"),
            ("ip_address", "192.0.2.7"),
            ("ip_address", "2001:db8::7"),
            ("email", "a@example.com"),
            ("uri", "spiffe://example.com/x"),
        ]
    ),
    max_size=8,
)
MOMENTS = st.integers(
    int(datetime(1950, 1, 1, tzinfo=UTC).timestamp()),
    int(datetime(9999, 12, 31, tzinfo=UTC).timestamp()),
).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@settings(max_examples=200, deadline=None)
@given(
    leaf=st.builds(
        leaf_of,
        subject=subjects(),
        subject_alt_names=ALT_NAMES.map(tuple),
        key_usage=st.frozensets(st.sampled_from(KEY_USAGES[:7])),
        extended_key_usage=st.lists(st.sampled_from(EXTENDED_KEY_USAGES), unique=True).map(tuple),
        is_ca=st.booleans(),
        path_length=st.one_of(st.none(), st.integers(0, 300)),
    ),
    dates=st.lists(MOMENTS, min_size=2, max_size=2).map(sorted),
    serial_number=st.integers(1, 2**159 - 1),
    publication=st.sampled_from(
        [PUBLICATION, Publication(), Publication(ocsp_urls=("http://x/",) * 20)]
    ),
)
def test_a_certificate_says_what_its_leaf_says(leaf, dates, serial_number, publication):
    if not leaf.subject and not leaf.subject_alt_names:
        return
    above = authority()
    issuer = build.Issuer(above.certificate, above.key.public_key(), above.algorithm, publication)
    require_content(leaf.with_validity(*dates), issuer, serial_number)


@pytest.mark.parametrize("algorithm", list(KeyAlgorithm))
def test_every_key_is_certified_under_every_signature_algorithm(algorithm):
    above = authority(algorithm)
    for signature_algorithm in signature_algorithms_of(algorithm):
        for leaf_key in KeyAlgorithm:
            leaf = leaf_of(
                public_key_der=keys.public_key_to_der(key_of(leaf_key).public_key()),
                signature_algorithm=signature_algorithm,
            )
            require_content(leaf, above.issuer, 2**152)


def test_what_one_issuer_or_purpose_shares_does_not_reach_another():
    first, second = authority(), authority(name="Other issuer")
    silent = build.Issuer(
        second.certificate, second.key.public_key(), second.algorithm, Publication()
    )
    leaf, client = leaf_of(), leaf_of(extended_key_usage=("client_auth",), key_usage=frozenset())
    for _ in range(2):
        for content in (leaf, client):
            for issuer in (first.issuer, second.issuer, silent):
                require_content(content, issuer)


@pytest.mark.parametrize(
    ("changes", "serial_number"),
    [
        ({"not_before": NOW, "not_after": NOW - timedelta(seconds=1)}, 1),
        ({"not_before": datetime(1949, 12, 31, tzinfo=UTC)}, 1),
        ({}, 0),
        ({}, 2**160),
    ],
)
def test_values_that_x509_cannot_carry_are_refused(changes, serial_number):
    with pytest.raises(UnusableCertificate) as caught:
        build.leaf_tbs(leaf_of(**changes), serial_number=serial_number, issuer=authority().issuer)
    assert [v.code for v in caught.value.violations] == ["certificate.unencodable"]


@pytest.mark.parametrize(
    "pair", [("dns_name", "b\u00fccher.example"), ("ip_address", "192.0.2.256")]
)
def test_x16_a_name_that_is_not_canonical_is_refused(pair):
    with pytest.raises(ValueError):
        build.leaf_tbs(
            leaf_of(subject_alt_names=(pair,)), serial_number=1, issuer=authority().issuer
        )


def test_a_signature_algorithm_of_another_family_than_the_issuers_key_is_refused():
    for algorithm in signature_algorithms_of(KeyAlgorithm.ED25519):
        with pytest.raises((UnusableCertificate, UnusableKey)):
            build.leaf_tbs(
                leaf_of(signature_algorithm=algorithm), serial_number=1, issuer=authority().issuer
            )
    rsa = signature_algorithms_of(KeyAlgorithm.RSA_2048)[0]
    tbs = build.leaf_tbs(
        leaf_of(signature_algorithm=rsa), serial_number=1, issuer=authority().issuer
    )
    found = lint.lint_tbs(tbs, rsa, issuer=authority().certificate)
    assert [v.code for v in found] == ["lint.x03"]


def test_a_compressed_point_is_written_uncompressed():
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    point = key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    fields = structures.decode(structures.SubjectPublicKeyInfo, keys.public_key_to_der(key))
    fields.subject_public_key = asn1.BitString(point, 0)
    leaf = leaf_of(public_key_der=asn1.encode_der(fields))
    tbs = build.leaf_tbs(leaf, serial_number=1, issuer=authority().issuer)
    assert keys.public_key_to_der(key) in tbs
    assert lint.lint_tbs(tbs, leaf.signature_algorithm, issuer=authority().certificate) == ()
