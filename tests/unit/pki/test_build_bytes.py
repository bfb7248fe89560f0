"""To-be-signed bytes are, byte for byte, those that the library's builder makes."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from pki import build, extensions, keys, names
from pki.algorithms import (
    KeyAlgorithm,
    default_signature_algorithm,
    signature_algorithms_of,
)
from pki.names import x509_name
from pki.template import EXTENDED_KEY_USAGES, KEY_USAGES, NameConstraints, Publication
from tests.unit.pki.samples import NOW, PUBLICATION, authority, key_of, leaf_of
from tests.unit.pki.test_build import EVERY, imported_ca


def by_the_library(content, found, *, serial_number, issuer_name, signer):
    """Return the TBSCertificate that the library makes of the same content."""
    builder = x509.CertificateBuilder(
        issuer_name,
        x509_name(content.subject),
        keys.load_public_key(content.public_key_der),
        serial_number,
        content.not_before,
        content.not_after,
        found,
    )
    return builder.sign(signer, content.signature_algorithm.hash).tbs_certificate_bytes


def leaf_extensions(leaf):
    """Return what stands between the key identifiers and the addresses."""
    found = []
    if leaf.is_ca:
        found.append(extensions.basic_constraints(leaf.path_length))
    if leaf.key_usage:
        found.append(extensions.key_usage(leaf.key_usage))
    if leaf.extended_key_usage:
        found.append(extensions.extended_key_usage(leaf.extended_key_usage))
    if leaf.subject_alt_names:
        critical = not leaf.subject
        found.append(extensions.subject_alternative_name(leaf.subject_alt_names, critical=critical))
    return found


def leaf_by_the_library(leaf, serial_number, above, publication):
    found = [
        extensions.subject_key_identifier(leaf.public_key_der),
        extensions.authority_key_identifier(above.certificate),
        *leaf_extensions(leaf),
        *extensions.publication(publication),
    ]
    return by_the_library(
        leaf,
        found,
        serial_number=serial_number,
        issuer_name=above.certificate.subject,
        signer=above.key,
    )


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
MOMENTS = st.datetimes(datetime(1950, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - the strategy adds the zone


@settings(max_examples=200, deadline=None)
@given(
    leaf=st.builds(
        leaf_of,
        subject=subjects(),
        subject_alt_names=ALT_NAMES.map(tuple),
        key_usage=st.frozensets(st.sampled_from(KEY_USAGES[:7])),
        extended_key_usage=st.lists(st.sampled_from(EXTENDED_KEY_USAGES), unique=True).map(tuple),
        not_before=MOMENTS,
        not_after=MOMENTS,
        is_ca=st.booleans(),
        path_length=st.one_of(st.none(), st.integers(0, 300)),
    ),
    serial_number=st.integers(1, 2**159 - 1),
    publication=st.sampled_from(
        [PUBLICATION, Publication(), Publication(ocsp_urls=("http://x/",) * 20)]
    ),
)
def test_a_leaf_is_encoded_as_by_the_library(leaf, serial_number, publication):
    if not leaf.subject and not leaf.subject_alt_names:
        return
    above = authority()
    issuer = build.Issuer(above.certificate, above.key.public_key(), above.algorithm, publication)
    ours = build.leaf_tbs(leaf, serial_number=serial_number, issuer=issuer)
    assert ours == leaf_by_the_library(leaf, serial_number, above, publication)


@pytest.mark.parametrize("algorithm", EVERY)
def test_every_key_and_signature_algorithm_is_encoded_as_by_the_library(algorithm):
    above = authority(algorithm)
    for signature_algorithm in signature_algorithms_of(algorithm):
        for leaf_key in EVERY:
            leaf = leaf_of(
                public_key_der=keys.public_key_to_der(key_of(leaf_key).public_key()),
                signature_algorithm=signature_algorithm,
            )
            ours = build.leaf_tbs(leaf, serial_number=2**152, issuer=above.issuer)
            assert ours == leaf_by_the_library(leaf, 2**152, above, PUBLICATION)


def test_the_name_of_an_imported_ca_is_encoded_as_by_the_library():
    above = imported_ca()
    ours = build.leaf_tbs(leaf_of(), serial_number=1, issuer=above.issuer)
    assert ours == leaf_by_the_library(leaf_of(), 1, above, PUBLICATION)


@pytest.mark.parametrize("algorithm", EVERY)
def test_a_self_signed_leaf_is_encoded_as_by_the_library(algorithm):
    key = key_of(algorithm)
    leaf = leaf_of(
        public_key_der=keys.public_key_to_der(key.public_key()),
        signature_algorithm=default_signature_algorithm(algorithm),
    )
    found = [extensions.subject_key_identifier(leaf.public_key_der), *leaf_extensions(leaf)]
    name = names.x509_name(leaf.subject)
    assert build.self_signed_leaf_tbs(leaf, serial_number=5) == by_the_library(
        leaf, found, serial_number=5, issuer_name=name, signer=key
    )


@pytest.mark.parametrize("constrained", [False, True])
@pytest.mark.parametrize("below", [False, True])
def test_a_ca_is_encoded_as_by_the_library(constrained, below):
    above = authority() if below else None
    limits = NameConstraints(
        permitted=(("dns_name", "example.com"),), excluded=(("ip_address", "10.0.0.0/8"),)
    )
    content = build.CaCertificate(
        subject=(("common_name", "Some CA"),),
        public_key_der=keys.public_key_to_der(key_of().public_key()),
        signature_algorithm=default_signature_algorithm(KeyAlgorithm.EC_P256),
        not_before=NOW,
        not_after=NOW + timedelta(days=20000),
        path_length=1 if constrained else None,
        name_constraints=limits if constrained else build.UNCONSTRAINED,
        extended_key_usage=("server_auth",) if constrained else (),
    )
    found = [
        extensions.subject_key_identifier(content.public_key_der),
        extensions.authority_key_identifier(above.certificate) if above else None,
        extensions.basic_constraints(content.path_length),
        extensions.key_usage(frozenset({"key_cert_sign", "crl_sign"})),
        extensions.extended_key_usage(("server_auth",)) if constrained else None,
        extensions.name_constraints(content.name_constraints),
        *(extensions.publication(PUBLICATION) if above else ()),
    ]
    ours = build.ca_tbs(content, serial_number=9, issuer=above.issuer if above else None)
    assert ours == by_the_library(
        content,
        [extension for extension in found if extension is not None],
        serial_number=9,
        issuer_name=above.certificate.subject if above else x509_name(content.subject),
        signer=above.key if above else key_of(),
    )


def test_a_responder_is_encoded_as_by_the_library():
    above = authority()
    content = build.ResponderCertificate(
        subject=(("common_name", "Responder"),),
        public_key_der=keys.public_key_to_der(key_of().public_key()),
        signature_algorithm=default_signature_algorithm(KeyAlgorithm.EC_P256),
        not_before=NOW,
        not_after=NOW + timedelta(days=30),
    )
    found = [
        extensions.subject_key_identifier(content.public_key_der),
        extensions.authority_key_identifier(above.certificate),
        extensions.key_usage(frozenset({"digital_signature"})),
        extensions.extended_key_usage(("ocsp_signing",)),
        extensions.ocsp_no_check(),
    ]
    assert build.responder_tbs(content, serial_number=3, issuer=above.issuer) == by_the_library(
        content,
        found,
        serial_number=3,
        issuer_name=above.certificate.subject,
        signer=above.key,
    )


def test_what_one_issuer_or_purpose_shares_does_not_reach_another():
    first, second = authority(), authority(name="Other issuer")
    silent = build.Issuer(
        second.certificate, second.key.public_key(), second.algorithm, Publication()
    )
    leaf, client = leaf_of(), leaf_of(extended_key_usage=("client_auth",), key_usage=frozenset())
    for _ in range(2):
        for content in (leaf, client):
            for above, issuer in ((first, first.issuer), (second, second.issuer), (second, silent)):
                ours = build.leaf_tbs(content, serial_number=1, issuer=issuer)
                assert ours == leaf_by_the_library(content, 1, above, issuer.publication)
