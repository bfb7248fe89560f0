"""Tests of renewal and of each export format."""

import string
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs7, pkcs12

from apps.applications.models import Pairing
from apps.applications.roles import Role
from apps.authorities import services as authority_services
from apps.certificates import export, issuance, renewal, revocation
from apps.certificates.export import ExportFormat
from apps.certificates.models import Certificate
from apps.certificates.renewal import KeySource
from apps.errors import (
    AccessDenied,
    AlreadyExists,
    InvalidTransition,
    Malformed,
    NotFound,
    PolicyViolation,
    UnsupportedFormat,
)
from apps.policies import services as policy_services
from apps.policies.presets import PRESETS
from apps.profiles import services as profile_services
from apps.profiles.requested_content import RequestedContent
from pki.algorithms import KeyAlgorithm
from pki.reasons import RevocationReason
from tests.factories.applications import Team, make_team
from tests.factories.authorities import make_issuing
from tests.factories.keys import make_csr
from tests.unit.certificates.conftest import enrollment_of

pytestmark = pytest.mark.django_db
PASSWORD = "a long password"


@pytest.fixture
def kept(ask) -> Certificate:
    """A certificate whose key is kept here."""
    requested = RequestedContent(
        subject=(("common_name", "www.example.com"),),
        subject_alt_names=(("dns_name", "www.example.com"),),
        key_algorithm=KeyAlgorithm.EC_P256,
    )
    return ask(requested=requested).certificate


@pytest.fixture
def from_csr(ask) -> Certificate:
    """A certificate whose key never came here."""
    return ask("www.example.com").certificate


@pytest.mark.parametrize("source", [KeySource.NEW, KeySource.REUSE])
def test_a_successor_has_the_same_names_and_is_linked(team, kept, source):
    result = renewal.renew(team.principal(), kept, key_source=source)

    new = result.certificate
    assert new.replaces_id == kept.pk
    assert new.lineage_id == kept.lineage_id
    assert (new.subject, new.subject_alt_names) == (kept.subject, kept.subject_alt_names)
    assert (new.spki_sha256 == kept.spki_sha256) == (source == KeySource.REUSE)
    assert (new.not_after - new.not_before) == (kept.not_after - kept.not_before)


def test_a_certificate_is_renewed_once(team, kept):
    renewal.renew(team.principal(), kept, key_source=KeySource.NEW)
    with pytest.raises(AlreadyExists):
        renewal.renew(team.principal(), kept, key_source=KeySource.NEW)


def test_a_csr_brings_its_own_key(team, from_csr):
    csr = make_csr("www.example.com", number=1)
    result = renewal.renew(team.principal(), from_csr, key_source=KeySource.CSR, csr_bytes=csr)
    assert result.certificate.replaces_id == from_csr.pk


def test_a_key_that_is_not_here_cannot_be_reused(team, from_csr):
    with pytest.raises(NotFound):
        renewal.renew(team.principal(), from_csr, key_source=KeySource.REUSE)


def test_key_source_and_csr_must_agree(team, kept):
    with pytest.raises(Malformed):
        renewal.renew(team.principal(), kept, key_source=KeySource.CSR)


def test_a_renewal_csr_must_keep_the_names(team, from_csr):
    with pytest.raises(PolicyViolation, match="another name"):
        renewal.renew(
            team.principal(),
            from_csr,
            key_source=KeySource.CSR,
            csr_bytes=make_csr("other.example.com", number=1),
        )


def test_a_pairing_closed_for_the_api_refuses_renewals_too(team, kept):
    Pairing.objects.filter(pk=team.pairing.pk).update(api_enabled=False)
    with pytest.raises(AccessDenied):
        renewal.renew(team.principal(), kept, key_source=KeySource.NEW)


def test_a_successor_is_signed_as_the_profile_says(team, ask, sealwright):
    first = ask("www.example.com").certificate
    rules = PRESETS["tls-server"].rules | {"signature_algorithms": ["ecdsa-sha384"]}
    policy_services.update_policy(sealwright, team.profile.policy, rules=rules)
    defaults = team.profile.defaults | {"signature_algorithm": "ecdsa-sha384"}
    profile_services.update_profile(sealwright, team.profile, defaults=defaults)

    second = renew_by_csr(team, first, 1)
    assert second.signature_algorithm == "ecdsa-sha384"
    profile_services.update_profile(
        sealwright, team.profile, defaults=PRESETS["tls-server"].defaults
    )
    assert renew_by_csr(team, second, 2).signature_algorithm == "ecdsa-sha384"


@pytest.mark.usefixtures("keyring")
def test_a_lifetime_that_the_issuers_end_had_cut_is_not_handed_down(sealwright, frozen_clock):
    issuing = make_issuing("short", lifetime_days=10)
    team = make_team("short", authority=issuing)
    first = issuance.submit(enrollment_of(team, make_csr("www.example.com"))).certificate
    authority_services.renew_authority(sealwright, issuing, 1000)

    second = renew_by_csr(team, first, 1)
    assert second.not_after - first.not_after > timedelta(days=60)


def test_the_first_csr_fits_though_defaults_completed_its_subject(team, sealwright):
    defaults = team.profile.defaults | {"subject": {"organization": "Example"}}
    profile_services.update_profile(sealwright, team.profile, defaults=defaults)
    first = issuance.submit(enrollment_of(team, make_csr("www.example.com"))).certificate

    assert renew_by_csr(team, first, 0).subject == first.subject == "CN=www.example.com,O=Example"
    foreign = make_csr("www.example.com", subject=(("organization", "Other"),), number=1)
    second = first.replaced_by
    with pytest.raises(PolicyViolation):
        renewal.renew(team.principal(), second, key_source=KeySource.CSR, csr_bytes=foreign)


def renew_by_csr(team: Team, certificate: Certificate, number: int) -> Certificate:
    csr = make_csr("www.example.com", number=number)
    return renewal.renew(
        team.principal(), certificate, key_source=KeySource.CSR, csr_bytes=csr
    ).certificate


def test_a_revoked_certificate_is_not_renewed(team, kept):
    revocation.revoke(team.principal(), kept, RevocationReason.SUPERSEDED)
    kept.refresh_from_db()
    with pytest.raises(InvalidTransition):
        renewal.renew(team.principal(), kept, key_source=KeySource.NEW)


def test_public_formats_carry_the_certificate_and_its_chain(team, kept):
    who = team.principal(Role.AUDITOR)

    def out(form: ExportFormat) -> bytes:
        return export.export_public(who, kept, form).content

    der = bytes(kept.der)
    assert out(ExportFormat.DER) == der
    assert x509.load_pem_x509_certificate(out(ExportFormat.PEM)) == x509.load_der_x509_certificate(
        der
    )
    assert len(x509.load_pem_x509_certificates(out(ExportFormat.FULL_CHAIN))) == 2
    assert len(x509.load_pem_x509_certificates(out(ExportFormat.CHAIN))) == 1
    assert len(pkcs7.load_der_pkcs7_certificates(out(ExportFormat.P7B))) == 2


def test_pkcs12_carries_key_certificate_and_chain(team, kept):
    found = export.export_with_key(team.principal(), kept, ExportFormat.PKCS12, password=PASSWORD)
    key, certificate, chain = pkcs12.load_key_and_certificates(found.content, PASSWORD.encode())
    assert certificate.public_key() == key.public_key()
    assert len(chain) == 1


def test_a_private_key_can_leave_under_a_password(team, kept):
    found = export.export_with_key(
        team.principal(), kept, ExportFormat.PRIVATE_KEY, password=PASSWORD
    )
    assert load_pem_private_key(found.content, PASSWORD.encode())


def test_m07_pkcs12_needs_a_password(team, kept):
    with pytest.raises(Malformed):
        export.export_with_key(team.principal(), kept, ExportFormat.PKCS12, password="")


def test_an_auditor_gets_no_key(team, kept):
    with pytest.raises(AccessDenied):
        export.export_with_key(
            team.principal(Role.AUDITOR), kept, ExportFormat.PRIVATE_KEY, password=""
        )


def test_a_key_that_is_not_here_cannot_leave(team, from_csr):
    with pytest.raises(NotFound):
        export.export_with_key(team.principal(), from_csr, ExportFormat.PKCS12, password=PASSWORD)


def test_ml_dsa_and_jks_say_why_not(team, ask):
    requested = RequestedContent(
        subject_alt_names=(("dns_name", "pq.example.com"),), key_algorithm=KeyAlgorithm.ML_DSA_65
    )
    post_quantum = ask(requested=requested).certificate
    with pytest.raises(UnsupportedFormat, match="ML-DSA"):
        export.export_with_key(
            team.principal(), post_quantum, ExportFormat.PKCS12, password=PASSWORD
        )
    with pytest.raises(UnsupportedFormat, match="PKCS#12"):
        export.export_public(team.principal(), post_quantum, ExportFormat.JKS)


def test_file_names_hold_nothing_but_letters_digits_dots_and_dashes(team, from_csr):
    from_csr.common_name = 'x"; rm -rf /\\..\r\n'
    name = export.export_public(team.principal(), from_csr, ExportFormat.PEM).name
    assert set(name) <= set(string.ascii_letters + string.digits + ".-")
