"""The signer port: what the pipeline accepts from a signer, whoever it is."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from django.db import IntegrityError, transaction

from apps import clock
from apps.audit.models import AuditEvent
from apps.authorities.models import IssuedSerial
from apps.certificates import issuance, sweeps
from apps.certificates.models import Certificate, CertificateRequest, RequestState
from apps.certificates.outcomes import Issued, Submitted
from apps.certificates.signers import selection
from apps.certificates.signers.base import Accepted, Intent, Signed, Signer, limits_of
from apps.errors import InvalidTransition, UpstreamRejected, UpstreamUnavailable
from apps.profiles.models import EXTERNAL_ISSUER, Profile
from pki import names
from pki.algorithms import KeyAlgorithm
from tests.factories.keys import make_csr
from tests.unit.certificates.conftest import enrollment_of

pytestmark = pytest.mark.django_db

CA_KEY = ec.generate_private_key(ec.SECP256R1())
CA_NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Somebody else's CA")])


def ca_certificate() -> x509.Certificate:
    usage = {
        name: name in {"key_cert_sign", "crl_sign"}
        for name in (
            "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
            "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
        )
    }  # fmt: skip
    now = clock.now_s()
    return (
        x509.CertificateBuilder(CA_NAME, CA_NAME, CA_KEY.public_key(), 1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=900))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .sign(CA_KEY, hashes.SHA256())
    )


class ElsewhereSigner(Signer):
    """Stands for an external authority: it chooses serial number and extensions itself."""

    def __init__(self) -> None:
        self.ca_der = ca_certificate().public_bytes(Encoding.DER)
        self.trust_anchors = (self.ca_der,)
        self.jobs = []
        self.changes = {}
        self.slow = 0
        self.fault = None

    def limits(self, leaf_key):
        return limits_of(KeyAlgorithm.EC_P256)

    def violations(self, leaf, *, has_csr):
        return ()

    def prepare(self, leaf):
        return Intent(leaf)

    def sign(self, job):
        self.jobs.append(job)
        if self.fault is not None:
            raise self.fault
        if self.slow and len(self.jobs) < self.slow:
            return Accepted("order-7", retry_after_s=30)
        leaf = replace(job.intent.leaf, **self.changes)
        key = x509.load_der_x509_csr(job.csr_der).public_key()
        if "public_key_der" in self.changes:
            key = CA_KEY.public_key()
        builder = (
            x509.CertificateBuilder(CA_NAME, names.x509_name(leaf.subject), key, 0xABCDEF)
            .not_valid_before(leaf.not_before)
            .not_valid_after(leaf.not_after)
            .add_extension(x509.BasicConstraints(ca=leaf.is_ca, path_length=None), critical=True)
        )
        if leaf.subject_alt_names:
            sans = x509.SubjectAlternativeName(names.general_names(leaf.subject_alt_names))
            builder = builder.add_extension(sans, critical=not leaf.subject)
        der = builder.sign(CA_KEY, hashes.SHA256()).public_bytes(Encoding.DER)
        return Signed(der, chain_ders=[self.ca_der])


@pytest.fixture
def elsewhere(team, monkeypatch):
    signer = ElsewhereSigner()
    monkeypatch.setitem(selection.signer_factories, EXTERNAL_ISSUER, lambda *_: signer)
    Profile.objects.filter(pk=team.profile.pk).update(issuer_type=EXTERNAL_ISSUER, authority=None)
    return signer


def ask(team, **options):
    return issuance.submit(enrollment_of(team, make_csr("www.example.com"), **options))


def make_old(request: CertificateRequest) -> None:
    long_ago = clock.now() - timedelta(minutes=5)
    CertificateRequest.objects.filter(pk=request.pk).update(
        signing_since=long_ago, updated_at=long_ago
    )


def test_a_certificate_that_was_signed_elsewhere_is_stored_as_it_is(team, elsewhere):
    outcome = ask(team)

    assert isinstance(outcome, Issued)
    row = Certificate.objects.get()
    parsed = x509.load_der_x509_certificate(bytes(row.der))
    assert parsed.issuer == CA_NAME
    assert row.serial_number == "abcdef"
    assert (row.issuer, row.authority, row.issuer_certificate) == (
        names.rfc4514(names.subject_pairs(CA_NAME)),
        None,
        None,
    )
    assert row.not_after == parsed.not_valid_after_utc
    request = CertificateRequest.objects.get()
    assert (request.state, request.issuer_type) == (RequestState.ISSUED, EXTERNAL_ISSUER)
    assert (request.serial_number, request.tbs_sha256, request.authority) == ("", "", None)
    assert not IssuedSerial.objects.filter(request_id=request.pk).exists()
    (job,) = elsewhere.jobs
    assert job.request_id == request.pk
    assert job.csr_der == bytes(request.csr_der)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"public_key_der": b""}, "another key"),
        ({"subject": (("common_name", "other.example.com"),)}, "another subject"),
        ({"subject_alt_names": (("dns_name", "other.example.com"),)}, "other alternative names"),
        ({"is_ca": True}, "one of a CA"),
    ],
    ids=["key", "subject", "names", "ca"],
)
def test_another_certificate_than_was_decided_is_refused(team, elsewhere, changes, told):
    elsewhere.changes = changes
    with pytest.raises(UpstreamRejected, match=told):
        ask(team)
    assert not Certificate.objects.exists()
    assert CertificateRequest.objects.get().state == RequestState.FAILED
    assert AuditEvent.objects.filter(event="certificate.issue_failed").count() == 1


def test_a_longer_validity_than_was_decided_is_refused(team, elsewhere):
    elsewhere.changes = {"not_after": clock.now_s() + timedelta(days=800)}
    with pytest.raises(UpstreamRejected, match="valid for longer"):
        ask(team)
    assert not Certificate.objects.exists()


def test_a_chain_that_ends_elsewhere_is_refused(team, elsewhere):
    elsewhere.trust_anchors = ()
    with pytest.raises(UpstreamRejected, match="trust anchor"):
        ask(team)
    assert not Certificate.objects.exists()


def test_what_was_submitted_is_asked_for_until_it_is_there(team, elsewhere):
    elsewhere.slow = 3
    outcome = ask(team)
    assert isinstance(outcome, Submitted)
    assert outcome.retry_after_s == 30
    request = CertificateRequest.objects.get()
    assert (request.state, request.upstream_reference) == (RequestState.SUBMITTED, "order-7")
    assert AuditEvent.objects.filter(event="request.submitted").count() == 1
    assert sweeps.reconcile() == "finished 0, failed 0"  # submitted a moment ago

    make_old(request)
    assert sweeps.reconcile() == "finished 0, failed 0"  # not ready yet
    assert sweeps.reconcile() == "finished 0, failed 0"  # asked a moment ago
    assert [job.upstream_reference for job in elsewhere.jobs] == ["", "order-7"]
    assert AuditEvent.objects.filter(event="request.submitted").count() == 1

    make_old(request)
    assert sweeps.reconcile() == "finished 1, failed 0"
    assert Certificate.objects.get().request_id == request.pk
    assert {job.request_id for job in elsewhere.jobs} == {request.pk}


def test_a_signer_that_returns_a_certificate_twice_ends_the_second_request(
    team, elsewhere, monkeypatch
):
    first = ask(team)
    again = Signed(bytes(first.certificate.der), chain_ders=[elsewhere.ca_der])
    monkeypatch.setattr(elsewhere, "sign", lambda _job: again)

    with pytest.raises(UpstreamRejected, match="in the inventory already"):
        ask(team)

    states = CertificateRequest.objects.order_by("id").values_list("state", flat=True)
    assert list(states) == [RequestState.ISSUED, RequestState.FAILED]
    assert AuditEvent.objects.filter(event="certificate.issue_failed").count() == 1
    assert Certificate.objects.count() == 1


def test_a_signer_that_does_not_answer_is_asked_again_with_the_same_identifier(team, elsewhere):
    elsewhere.fault = UpstreamUnavailable()
    with pytest.raises(UpstreamUnavailable):
        ask(team)
    request = CertificateRequest.objects.get()
    assert request.state == RequestState.SIGNING
    elsewhere.fault = None
    make_old(request)
    assert sweeps.reconcile() == "finished 1, failed 0"
    assert {job.request_id for job in elsewhere.jobs} == {request.pk}


def test_a_signer_that_refuses_ends_the_request(team, elsewhere):
    elsewhere.fault = UpstreamRejected("The account is closed.")
    with pytest.raises(UpstreamRejected):
        ask(team)
    request = CertificateRequest.objects.get()
    assert (request.state, request.failure) == (RequestState.FAILED, "The account is closed.")


def test_nobody_signs_for_a_type_without_a_signer(team):
    Profile.objects.filter(pk=team.profile.pk).update(issuer_type=EXTERNAL_ISSUER, authority=None)
    with pytest.raises(InvalidTransition):
        ask(team)
    assert not CertificateRequest.objects.exists()


@pytest.mark.parametrize("issuer_type", ["authority", "self-signed"])
@pytest.mark.parametrize("missing", ["serial_number", "tbs_sha256"])
def test_the_database_demands_an_intent_from_everybody_who_signs_here(team, issuer_type, missing):
    ask(team)
    with pytest.raises(IntegrityError), transaction.atomic():
        CertificateRequest.objects.update(issuer_type=issuer_type, **{missing: ""})
