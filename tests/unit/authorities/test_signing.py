"""Tests of issuer handles and of signatures that do not verify."""

import hashlib
from datetime import timedelta

import pytest
from cryptography import x509
from django.db import transaction

from apps import clock
from apps.authorities import ledger, selectors, services, signing
from apps.authorities.authority_spec import AuthoritySpec
from apps.errors import InvalidTransition, NotFound, UpstreamUnavailable
from apps.keys.software import SoftwareBackend
from pki import build, serials
from pki.algorithms import KeyAlgorithm, default_signature_algorithm
from pki.template import Leaf
from tests.factories.authorities import make_issuing, make_root
from tests.factories.keys import public_key_der

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("keyring")]


@pytest.fixture
def issuing():
    return make_issuing("issuing")


def leaf_of(handle):
    now = clock.now_s()
    return Leaf(
        subject=(("common_name", "www.example.com"),),
        subject_alt_names=(("dns_name", "www.example.com"),),
        public_key_der=public_key_der(),
        key_algorithm=KeyAlgorithm.EC_P256,
        signature_algorithm=default_signature_algorithm(handle.key_algorithm),
        key_usage=frozenset({"digital_signature"}),
        extended_key_usage=("server_auth",),
        not_before=now,
        not_after=now + timedelta(days=1),
    )


def tbs_under(handle):
    serial = serials.new_serial()
    tbs = build.leaf_tbs(leaf_of(handle), serial_number=serial, issuer=handle.issuer)
    digest = hashlib.sha256(tbs).hexdigest()
    expiry = clock.now() + timedelta(days=1)
    ledger.reserve_serial(handle.authority_id, serials.serial_hex(serial), digest, expiry)
    return tbs


@pytest.mark.parametrize("algorithm", list(KeyAlgorithm))
def test_x20_each_algorithm_signs_what_it_was_given(algorithm):
    handle = signing.issuer_of(make_root(algorithm=algorithm).pk)
    tbs = tbs_under(handle)
    der = signing.sign_tbs(handle, tbs, default_signature_algorithm(algorithm))
    certificate = x509.load_der_x509_certificate(der)
    assert certificate.tbs_certificate_bytes == tbs
    certificate.verify_directly_issued_by(handle.issuer.certificate)


def test_x20_a_wrong_signature_does_not_get_out(issuing, monkeypatch):
    handle = signing.issuer_of(issuing.pk)
    real = SoftwareBackend.sign
    monkeypatch.setattr(
        SoftwareBackend, "sign", lambda self, key, data, alg: real(self, key, data + b"!", alg)
    )
    algorithm = default_signature_algorithm(handle.key_algorithm)
    with pytest.raises(UpstreamUnavailable):
        signing.sign_tbs(handle, tbs_under(handle), algorithm)
    with pytest.raises(UpstreamUnavailable):
        signing.sign_bytes(handle, b"crl", algorithm)


def test_certificates_are_not_signed_inside_a_transaction(issuing):
    handle = signing.issuer_of(issuing.pk)
    tbs = tbs_under(handle)
    with transaction.atomic(), pytest.raises(RuntimeError, match="transaction"):
        signing.sign_tbs(handle, tbs, default_signature_algorithm(handle.key_algorithm))


def test_a_known_issuer_costs_one_query(issuing, django_assert_num_queries):
    first = signing.issuer_of(issuing.pk)
    with django_assert_num_queries(1):
        assert signing.issuer_of(issuing.pk) is first


def test_a_disabled_authority_is_refused_at_once(issuing, sealwright):
    signing.issuer_of(issuing.pk)
    services.disable_authority(sealwright, issuing)
    with pytest.raises(InvalidTransition, match="disabled"):
        signing.issuer_of(issuing.pk)
    assert signing.status_issuer_of(issuing.pk).state == "disabled"


def test_an_unknown_authority_and_one_without_certificate_are_told_apart(sealwright):
    with pytest.raises(NotFound):
        signing.issuer_of("01890000-0000-7000-8000-000000000000")
    pending = services.create_authority(
        sealwright,
        AuthoritySpec(
            name="pending",
            kind="intermediate",
            subject=(("common_name", "Pending"),),
            key_algorithm=KeyAlgorithm.EC_P256,
        ),
    )
    with pytest.raises(InvalidTransition, match="no certificate installed"):
        signing.issuer_of(pending.pk)


def test_renewal_and_changed_addresses_show_at_once(issuing, sealwright):
    before = signing.issuer_of(issuing.pk)
    services.update_authority(
        sealwright, issuing, ocsp_enabled=False, crl_mirror_urls=["http://mirror.test/a.crl"]
    )
    changed = signing.issuer_of(issuing.pk)
    assert changed.issuer.publication.ocsp_urls == ()
    assert changed.issuer.publication.crl_urls == (
        *before.issuer.publication.crl_urls,
        "http://mirror.test/a.crl",
    )
    services.update_authority(sealwright, issuing, publish_crl_url=False)
    assert signing.issuer_of(issuing.pk).issuer.publication.crl_urls == (
        "http://mirror.test/a.crl",
    )
    assert changed.issuer.publication_extensions != before.issuer.publication_extensions
    services.renew_authority(sealwright, issuing, 100)
    after = signing.issuer_of(issuing.pk)
    assert after.issuer.certificate.not_valid_after_utc == after.not_after != before.not_after
    assert after.authority_certificate_id != before.authority_certificate_id
    assert after.certificate_der != before.certificate_der


def test_addresses_follow_the_setting(issuing, settings):
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"PKI_URL": "http://pki.test"}
    where = signing.publication_of(issuing)
    assert where.crl_urls == ("http://pki.test/pki/issuing/crl",)
    assert where.ocsp_urls == ("http://pki.test/ocsp/issuing",)
    assert where.ca_issuers_urls == ("http://pki.test/pki/issuing/ca.cer",)


def test_the_chain_runs_from_issuer_to_root(issuing):
    handle = signing.issuer_of(issuing.pk)
    root = bytes(selectors.current_certificate(issuing.parent_id).der)
    assert handle.chain_ders == (root,)
    assert [c.subject for c in handle.ca_certificates] == [
        handle.issuer.certificate.subject,
        x509.load_der_x509_certificate(root).subject,
    ]
    assert handle.subject_text == "O=Sealwright tests,CN=issuing CA"
    assert selectors.chain_without_root(handle.authority_certificate_id) == [handle.certificate_der]
