"""Tests of the revocation of authorities' own certificates, and of what it ends below them."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from django.db import IntegrityError

from apps import clock
from apps.audit.models import AuditEvent
from apps.authorities import (
    ca_issuance,
    ca_revocation,
    crl_contents,
    ledger,
    ocsp_responses,
    publication,
    selectors,
    services,
    signing,
)
from apps.authorities.authority_spec import AuthoritySpec
from apps.authorities.models import AuthorityKind, AuthorityState, IssuedSerial, RevokedSerial
from apps.errors import (
    AccessDenied,
    AlreadyRevoked,
    AuthorityRevoked,
    BadRevocationReason,
    InvalidTransition,
    NotFound,
)
from apps.jobs.models import Job
from pki.algorithms import KeyAlgorithm
from pki.reasons import RevocationReason
from tests.factories.authorities import make_issuing, make_root
from tests.unit.authorities.test_offline_ca import SUBJECT, Outside, pem

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("keyring")]

COMPROMISE = RevocationReason.CA_COMPROMISE


def certificate_of(authority):
    return x509.load_der_x509_certificate(bytes(selectors.current_certificate(authority.pk).der))


def ocsp_answer(issuer, certificate):
    """Ask the responder of ``issuer``; return its answer, verified with the issuer's key."""
    above = certificate_of(issuer)
    asked = ocsp.OCSPRequestBuilder().add_certificate(certificate, above, hashes.SHA256()).build()
    answer = ocsp_responses.answer(issuer.name, asked.public_bytes(Encoding.DER))
    response = ocsp.load_der_ocsp_response(answer.der)
    (responder,) = response.certificates
    responder.verify_directly_issued_by(above)
    return response


@pytest.fixture
def tree(sealwright):
    """A root, an authority below it, and one below that."""
    root = make_root("top")
    middle = make_issuing("middle", parent=root, path_length=1)
    bottom = make_issuing("bottom", parent=middle, lifetime_days=900)
    return root, middle, bottom


@pytest.mark.parametrize(
    "reason", [reason for reason in RevocationReason if reason != RevocationReason.CERTIFICATE_HOLD]
)
def test_ocsp_and_crl_of_the_parent_say_so_at_once(sealwright, reason):
    issuing = make_issuing("issuing")
    certificate = certificate_of(issuing)
    assert ocsp_answer(issuing.parent, certificate).certificate_status == ocsp.OCSPCertStatus.GOOD
    Job.objects.all().delete()

    services.revoke_authority(sealwright, issuing, reason)

    answer = ocsp_answer(issuing.parent, certificate)
    assert answer.certificate_status == ocsp.OCSPCertStatus.REVOKED
    told = answer.revocation_reason
    assert (told.value if told else "unspecified") == reason.value
    (job,) = Job.objects.filter(kind="crl.publish")
    publication.publish_job(job.arguments["authority_id"])
    crl = x509.load_der_x509_crl(crl_contents.der_of(selectors.latest_crl(issuing.parent_id)))
    assert crl.is_signature_valid(certificate_of(issuing.parent).public_key())
    assert [entry.serial_number for entry in crl] == [certificate.serial_number]
    assert issuing.state == AuthorityState.REVOKED
    row = issuing.certificates.get()
    assert (row.revocation_reason, row.is_current) == (reason.value, True)


def test_authorities_below_stop_and_all_of_them_go_on_publishing(sealwright, tree):
    root, middle, bottom = tree
    services.revoke_authority(sealwright, middle, COMPROMISE)
    bottom.refresh_from_db()
    assert (middle.state, bottom.state) == (AuthorityState.REVOKED, AuthorityState.DISABLED)
    with pytest.raises(AuthorityRevoked, match="middle has been revoked"):
        signing.issuer_of(middle.pk)
    with pytest.raises(InvalidTransition, match="bottom is disabled"):
        signing.issuer_of(bottom.pk)
    signing.issuer_of(root.pk)
    for authority in tree:
        crl = publication.publish_crl(authority.pk)
        signed = x509.load_der_x509_crl(crl_contents.der_of(crl))
        assert signed.is_signature_valid(certificate_of(authority).public_key())
    # Who asks about the bottom certificate is answered by the revoked authority, its issuer.
    answer = ocsp_answer(middle, certificate_of(bottom))
    assert answer.certificate_status == ocsp.OCSPCertStatus.GOOD


def test_it_is_on_record_with_everything_it_ended(sealwright, tree):
    _, middle, bottom = tree
    services.revoke_authority(sealwright, middle, COMPROMISE)
    event = AuditEvent.objects.get(event="authority.revoked")
    assert event.data["reason"] == "cACompromise"
    assert event.data["serial_numbers"] == [middle.certificates.get().serial_number]
    assert event.data["disabled_below"] == ["bottom"]
    below = AuditEvent.objects.get(event="authority.disabled")
    assert (below.subject_id, below.data["revoked_above"]) == (str(bottom.pk), "middle")


def test_revocation_is_final(sealwright, tree):
    _, middle, bottom = tree
    services.revoke_authority(sealwright, middle, RevocationReason.SUPERSEDED)
    with pytest.raises(AlreadyRevoked):
        services.revoke_authority(sealwright, middle, COMPROMISE)
    for act, told in (
        (lambda: services.enable_authority(sealwright, middle), "revoked, not disabled"),
        (lambda: services.disable_authority(sealwright, middle), "revoked, not active"),
        (lambda: services.renew_authority(sealwright, middle, 10), "same key"),
        (lambda: services.enable_authority(sealwright, bottom), "middle above it"),
        (lambda: services.renew_authority(sealwright, bottom, 10), "disabled"),
    ):
        with pytest.raises(InvalidTransition, match=told):
            act()


def test_a_revoked_certificate_has_a_time_and_a_reason(sealwright):
    row = make_root().certificates.get()
    row.revoked_at = clock.now_s()
    with pytest.raises(IntegrityError, match="authority_cert_revoked_with_reason"):
        row.save()


def test_a_hold_is_refused_and_says_what_to_do(sealwright):
    issuing = make_issuing("issuing")
    with pytest.raises(BadRevocationReason, match="Disable it"):
        services.revoke_authority(sealwright, issuing, RevocationReason.CERTIFICATE_HOLD)
    assert not RevokedSerial.objects.exists()


def test_a_root_cannot_be_revoked_and_says_what_to_do(sealwright):
    root = make_root()
    with pytest.raises(InvalidTransition, match="remove it from its trust store"):
        services.revoke_authority(sealwright, root, COMPROMISE)


def test_only_governors_revoke(outsider, keyring):
    issuing = make_issuing("issuing")
    with pytest.raises(AccessDenied):
        services.revoke_authority(outsider, issuing, COMPROMISE)


def test_the_invalidity_date_lies_in_the_past(sealwright):
    issuing = make_issuing("issuing")
    since = clock.now_s() - timedelta(days=3)
    with pytest.raises(BadRevocationReason):
        services.revoke_authority(
            sealwright, issuing, COMPROMISE, invalidity_date=clock.now_s() + timedelta(hours=1)
        )
    services.revoke_authority(sealwright, issuing, COMPROMISE, invalidity_date=since)
    assert RevokedSerial.objects.get().invalidity_date == since


# --- several certificates over time -----------------------------------------------------------


def test_every_certificate_of_the_key_is_revoked_and_expired_ones_are_left(
    sealwright, frozen_clock
):
    issuing = make_issuing("issuing", lifetime_days=10)
    services.renew_authority(sealwright, issuing, 1000)
    services.renew_authority(sealwright, issuing, 2000)
    frozen_clock.shift(timedelta(days=20))
    services.revoke_authority(sealwright, issuing, COMPROMISE)
    newest, middle, oldest = selectors.certificates_of(issuing)
    assert newest.revoked_at == middle.revoked_at == clock.now_s()
    assert oldest.revoked_at is None
    status = ledger.statuses_of(
        issuing.parent_id, [one.serial_number for one in (newest, middle, oldest)]
    )
    assert [status[one.serial_number].status for one in (newest, middle, oldest)] == [
        "revoked",
        "revoked",
        "good",
    ]


def test_an_earlier_certificate_is_revoked_alone_and_the_authority_goes_on(sealwright):
    issuing = make_issuing("issuing")
    first = issuing.certificates.get().serial_number
    services.renew_authority(sealwright, issuing, 1000)
    current = selectors.current_certificate(issuing.pk).serial_number
    superseded = RevocationReason.SUPERSEDED
    for serial, reason, error, told in (
        (current, superseded, InvalidTransition, "in force"),
        (first, COMPROMISE, BadRevocationReason, "one key"),
        ("1f", superseded, NotFound, "no certificate with this serial"),
    ):
        with pytest.raises(error, match=told):
            services.revoke_authority(sealwright, issuing, reason, serial_number=serial)

    services.revoke_authority(sealwright, issuing, superseded, serial_number=first)

    assert issuing.state == AuthorityState.ACTIVE
    signing.issuer_of(issuing.pk)
    assert RevokedSerial.objects.get().serial_number == first
    with pytest.raises(AlreadyRevoked):
        services.revoke_authority(sealwright, issuing, superseded, serial_number=first)
    services.revoke_authority(sealwright, issuing, COMPROMISE)  # the other one follows
    assert RevokedSerial.objects.count() == 2


def test_an_authority_whose_certificates_have_expired_has_nothing_to_revoke(
    sealwright, frozen_clock
):
    issuing = make_issuing("issuing", lifetime_days=10)
    frozen_clock.shift(timedelta(days=11))
    with pytest.raises(InvalidTransition, match="expired"):
        services.revoke_authority(sealwright, issuing, COMPROMISE)


# --- parents outside this product --------------------------------------------------------------


def test_an_authority_of_an_offline_ca_stops_here_and_the_ca_is_named_a_task(sealwright):
    sub = services.create_authority(
        sealwright,
        AuthoritySpec(
            name="sub",
            kind=AuthorityKind.INTERMEDIATE,
            subject=SUBJECT,
            key_algorithm=KeyAlgorithm.EC_P256,
        ),
    )
    with pytest.raises(InvalidTransition, match="delete it instead"):
        services.revoke_authority(sealwright, sub, COMPROMISE)
    outside = Outside()
    request = x509.load_pem_x509_csr(services.authority_csr(sealwright, sub))
    own = outside.issue(request.subject, request.public_key())
    services.install_certificate(
        sealwright, sub, certificate=pem(own), chain=pem(outside.certificate)
    )

    services.revoke_authority(sealwright, sub, COMPROMISE)

    assert sub.state == AuthorityState.REVOKED
    found = ca_revocation.aftermath(sub)
    assert f"{own.serial_number:x} (cACompromise)" in found.next_steps[0]
    with pytest.raises(AuthorityRevoked):
        signing.issuer_of(sub.pk)
    again = outside.issue(request.subject, request.public_key())
    for act in (
        lambda: services.authority_csr(sealwright, sub),
        lambda: services.install_certificate(
            sealwright, sub, certificate=pem(again), chain=pem(outside.certificate)
        ),
    ):
        with pytest.raises(InvalidTransition, match="must not be certified again"):
            act()


# --- what is left below -------------------------------------------------------------------------


def test_the_aftermath_counts_what_is_in_force_and_names_the_next_steps(sealwright, tree):
    _, middle, bottom = tree
    assert ca_revocation.aftermath(middle) is None
    end = clock.now_s() + timedelta(days=5)
    for serial in ("1f", "2f", "3f"):
        ledger.reserve_serial(middle.pk, serial, "0" * 64, end)
    ledger.revoke_serial(
        middle,
        "2f",
        reason=RevocationReason.UNSPECIFIED,
        revoked_at=clock.now_s(),
        not_after=end,
    )
    services.revoke_authority(sealwright, middle, COMPROMISE)
    found = ca_revocation.aftermath(middle)
    assert (found.certificates_in_force, found.authorities_below) == (2, ("bottom",))
    assert found.reason == COMPROMISE
    told = " ".join(found.next_steps)
    for expected in ("new authority", "/api/v1/certificates/?authority=middle", "bottom", "trust"):
        assert expected in told
    assert IssuedSerial.objects.filter(authority=middle).count() == 4, "nothing below is touched"
    assert bottom.certificates.get().revoked_at is None


def test_a_certificate_signed_while_the_parent_was_revoked_is_disowned(sealwright, tree):
    """A renewal that was prepared before the revocation and signed after it."""
    _, middle, bottom = tree
    planned = ca_issuance.plan(bottom, lifetime_days=10, issuer=signing.issuer_of(middle.pk))
    ca_issuance.reserve(bottom, planned)
    services.revoke_authority(sealwright, middle, COMPROMISE)
    with pytest.raises(InvalidTransition):
        ca_issuance.certify(sealwright, bottom, planned, "authority.renewed")
    serial = f"{planned.serial_number:x}"
    assert ledger.statuses_of(middle.pk, [serial])[serial].status == "revoked"
    assert bottom.certificates.count() == 1


def test_a_revoked_authority_is_deleted_once_nothing_depends_on_it(sealwright):
    issuing = make_issuing("issuing")
    root, serial = issuing.parent, issuing.certificates.get().serial_number
    services.revoke_authority(sealwright, issuing, COMPROMISE)
    services.delete_authority(sealwright, issuing)
    assert ledger.statuses_of(root.pk, [serial])[serial].reason == COMPROMISE
