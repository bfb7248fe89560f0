"""Tests of OCSP responses and responders."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp as x509_ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from apps import clock
from apps.audit.models import AuditEvent
from apps.authorities import ledger, ocsp_responders, ocsp_responses, selectors, services
from apps.authorities.models import IssuedSerial, OcspResponder, RevokedSerial
from apps.errors import NotFound
from apps.keys.models import Key
from pki import chain
from pki.algorithms import KeyAlgorithm, default_signature_algorithm, key_algorithm_of
from pki.reasons import RevocationReason as Reason
from tests.factories.authorities import make_issuing, make_root

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("keyring")]
OK = x509_ocsp.OCSPResponseStatus.SUCCESSFUL
STATUS = x509_ocsp.OCSPCertStatus


@pytest.fixture
def issuing():
    return make_issuing("issuing")


def certificate_of(authority):
    return x509.load_der_x509_certificate(bytes(selectors.current_certificate(authority.pk).der))


def question(authority, serial, *, digest=None, nonce=None):
    issuer = certificate_of(authority)
    digest = digest or hashes.SHA1()

    def hashed(data):
        state = hashes.Hash(digest)
        state.update(data)
        return state.finalize()

    key_hash = _key_bits(issuer)
    builder = x509_ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        hashed(chain.subject_bytes(issuer)), hashed(key_hash), serial, digest
    )
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    from cryptography.hazmat.primitives.serialization import Encoding

    return builder.build().public_bytes(Encoding.DER)


def _key_bits(certificate):
    from pki import keys, structures

    return structures.public_key_bits(keys.public_key_to_der(certificate.public_key()))


def ask(authority, serial, **options):
    answer = ocsp_responses.answer(authority.name, question(authority, serial, **options))
    return x509_ocsp.load_der_ocsp_response(answer.der)


def issue(authority, serial="1f"):
    ledger.reserve_serial(authority.pk, serial, "0" * 64, clock.now() + timedelta(days=9))
    return int(serial, 16)


def revoke(authority, serial, reason=Reason.KEY_COMPROMISE):
    now = clock.now_s()
    ledger.revoke_serial(
        authority,
        format(serial, "x"),
        reason=reason,
        revoked_at=now,
        not_after=now + timedelta(days=9),
    )


@pytest.mark.parametrize("algorithm", list(KeyAlgorithm))
def test_o05_each_algorithm_answers_through_a_delegated_responder(algorithm):
    root = make_root(algorithm=algorithm)
    response = ask(root, issue(root))
    assert response.response_status == OK
    assert response.certificate_status == STATUS.GOOD
    (delegate,) = response.certificates
    chain.verify_issued(delegate, certificate_of(root))
    usage = delegate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.OCSP_SIGNING]
    delegate.extensions.get_extension_for_class(x509.OCSPNoCheck)
    key = key_algorithm_of(delegate.public_key())
    classic = algorithm.is_rsa or algorithm.value.startswith("ec-")
    assert key == (KeyAlgorithm.EC_P256 if classic else algorithm)
    from pki import keys

    assert keys.verify(
        delegate.public_key(),
        response.signature,
        response.tbs_response_bytes,
        default_signature_algorithm(key),
    )


@pytest.mark.parametrize("digest", [hashes.SHA1(), hashes.SHA256(), hashes.SHA384()])
def test_o03_each_hash_finds_the_issuer(issuing, digest):
    assert ask(issuing, issue(issuing), digest=digest).certificate_status == STATUS.GOOD


def test_o04_a_serial_never_issued_is_unknown(issuing):
    assert ask(issuing, 0x2F).certificate_status == STATUS.UNKNOWN


def test_o09_a_revocation_shows_with_the_next_question(issuing):
    serial = issue(issuing)
    assert ask(issuing, serial).certificate_status == STATUS.GOOD
    revoke(issuing, serial)
    response = ask(issuing, serial)
    assert response.certificate_status == STATUS.REVOKED
    assert response.revocation_reason == x509.ReasonFlags.key_compromise
    assert response.next_update_utc - response.this_update_utc == timedelta(hours=12)


def test_a_hold_shows_and_ends(issuing):
    serial = issue(issuing)
    revoke(issuing, serial, Reason.CERTIFICATE_HOLD)
    assert ask(issuing, serial).certificate_status == STATUS.REVOKED
    ledger.release_serial(issuing, "1f")
    assert ask(issuing, serial).certificate_status == STATUS.GOOD


def test_pv33_the_same_serial_under_another_authority_is_not_mixed_up(issuing):
    root = issuing.parent
    serial = issue(issuing)
    issue(root)
    revoke(root, serial)
    assert ask(issuing, serial).certificate_status == STATUS.GOOD
    assert ask(root, serial).certificate_status == STATUS.REVOKED
    misdirected = ocsp_responses.answer(root.name, question(issuing, serial))
    assert (
        x509_ocsp.load_der_ocsp_response(misdirected.der).response_status
        == x509_ocsp.OCSPResponseStatus.UNAUTHORIZED
    )


def test_o06_a_nonce_comes_back_and_is_not_cacheable(issuing):
    serial = issue(issuing)
    nonced = ocsp_responses.answer(issuing.name, question(issuing, serial, nonce=b"n" * 32))
    response = x509_ocsp.load_der_ocsp_response(nonced.der)
    assert response.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == b"n" * 32
    assert not nonced.cacheable
    assert ocsp_responses.answer(issuing.name, question(issuing, serial)).cacheable
    assert not ocsp_responses.answer(issuing.name, question(issuing, 0x2F)).cacheable


def test_o02_garbage_is_malformed_and_an_authority_without_ocsp_unauthorized(issuing, sealwright):
    def status(data):
        der = ocsp_responses.answer(issuing.name, data).der
        return x509_ocsp.load_der_ocsp_response(der).response_status

    for garbage in (b"", b"\x30", b"\x30\x00", b"x" * 5000):
        assert status(garbage) == x509_ocsp.OCSPResponseStatus.MALFORMED_REQUEST
    services.update_authority(sealwright, issuing, ocsp_enabled=False)
    good = question(issuing, issue(issuing))
    assert status(good) == x509_ocsp.OCSPResponseStatus.UNAUTHORIZED
    with pytest.raises(NotFound):
        ocsp_responses.answer("nobody", good)


def test_a_disabled_authority_still_answers(issuing, sealwright):
    serial = issue(issuing)
    services.disable_authority(sealwright, issuing)
    assert ask(issuing, serial).certificate_status == STATUS.GOOD


def test_one_responder_serves_until_half_of_its_life(frozen_clock, issuing):
    first = ocsp_responders.ensure_responder(issuing.pk)
    assert ocsp_responders.ensure_responder(issuing.pk) == first
    assert IssuedSerial.objects.filter(serial_number=first.serial_number).exists()
    frozen_clock.shift(timedelta(days=14))
    assert ocsp_responders.ensure_responder(issuing.pk) == first
    frozen_clock.shift(timedelta(days=2))
    second = ocsp_responders.ensure_responder(issuing.pk)
    assert second != first
    assert second.not_after > first.not_after
    assert AuditEvent.objects.filter(event="ocsp.responder_renewed").count() == 2


def test_an_expired_responder_is_replaced_by_the_question_itself(frozen_clock, issuing):
    serial = issue(issuing)
    ask(issuing, serial)
    frozen_clock.shift(timedelta(days=40))
    response = ask(issuing, serial)
    assert response.response_status == OK
    assert response.certificates[0].not_valid_after_utc > clock.now()


def test_a_clock_put_back_does_not_silence_the_responder(frozen_clock, issuing):
    serial = issue(issuing)
    frozen_clock.shift(86400)
    ahead = ocsp_responders.ensure_responder(issuing.pk)
    frozen_clock.shift(-86400)
    assert ask(issuing, serial).response_status == OK
    assert ask(issuing, serial).response_status == OK
    assert OcspResponder.objects.exclude(pk=ahead.pk).count() == 1


def test_an_authority_that_is_not_valid_yet_makes_no_responder(frozen_clock, issuing):
    frozen_clock.shift(-86400)
    assert ask(issuing, 0x1F).response_status == x509_ocsp.OCSPResponseStatus.TRY_LATER
    assert not OcspResponder.objects.exists()


def test_the_job_renews_and_destroys_the_keys_of_expired_responders(frozen_clock, issuing):
    first = ocsp_responders.ensure_responder(issuing.pk)
    assert (
        ocsp_responders.renew_job() == "renewed 1, keys destroyed 0"
    )  # the root has its first one
    frozen_clock.shift(timedelta(days=40))
    assert ocsp_responders.renew_job() == "renewed 2, keys destroyed 2"
    assert not OcspResponder.objects.filter(pk=first.pk).exists()
    key = Key.objects.get(pk=first.key_id)
    assert key.destroyed_at
    assert bytes(key.sealed_private_key) == b""
    assert ocsp_responders.renew_job() == "renewed 0, keys destroyed 0"


def test_an_expired_authority_makes_no_responder(frozen_clock):
    root = make_root(lifetime_days=10)
    request = question(root, issue(root))
    frozen_clock.shift(timedelta(days=11))
    der = ocsp_responses.answer(root.name, request).der
    assert (
        x509_ocsp.load_der_ocsp_response(der).response_status
        == x509_ocsp.OCSPResponseStatus.TRY_LATER
    )


def test_the_second_of_two_responders_made_at_once_is_revoked_and_forgotten(issuing, monkeypatch):
    real, interfered = ocsp_responders.generate_key, []

    def generate_key(algorithm):
        if not interfered:
            interfered.append(True)
            interfered.append(ocsp_responders.ensure_responder(issuing.pk))
        return real(algorithm)

    monkeypatch.setattr(ocsp_responders, "generate_key", generate_key)
    assert ocsp_responders.ensure_responder(issuing.pk) == interfered[1]
    assert OcspResponder.objects.count() == 1
    assert RevokedSerial.objects.get().reason == "superseded"
