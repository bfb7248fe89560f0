"""Tests of OCSP answers that are kept: when one is signed, served again, renewed and dropped."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp as x509_ocsp
from django.db import connection

from apps import clock
from apps.authorities import (
    ledger,
    ocsp_answers,
    ocsp_refresh,
    ocsp_responders,
    ocsp_responses,
    services,
)
from apps.authorities.models import OcspAnswer, OcspResponder
from apps.errors import UpstreamUnavailable
from pki import ocsp
from pki.reasons import RevocationReason as Reason
from tests.factories.authorities import make_issuing
from tests.unit.authorities.test_ocsp import issue, question, revoke

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("keyring")]
STATUS = x509_ocsp.OCSPCertStatus


@pytest.fixture
def issuing(frozen_clock):
    return make_issuing("issuing")


def der(authority, serial, **options):
    return ocsp_responses.answer(authority.name, question(authority, serial, **options)).der


def status(answer):
    return x509_ocsp.load_der_ocsp_response(answer).certificate_status


def renew_responder(authority):
    OcspResponder.objects.update(not_before=clock.now() - timedelta(days=40))
    return ocsp_responders.ensure_responder(authority.pk)


@pytest.mark.parametrize("digest", [hashes.SHA1(), hashes.SHA256()])
def test_an_answer_is_signed_once_and_then_read_by_one_query(
    issuing, digest, django_assert_num_queries
):
    asked = question(issuing, issue(issuing), digest=digest)
    first = ocsp_responses.answer("issuing", asked)
    with django_assert_num_queries(1):
        assert ocsp_responses.answer("issuing", asked) == first
    assert status(first.der) == STATUS.GOOD


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (revoke, STATUS.REVOKED),
        (lambda ca, serial: revoke(ca, serial, Reason.CERTIFICATE_HOLD), STATUS.REVOKED),
        (lambda ca, _: renew_responder(ca), STATUS.GOOD),
    ],
    ids=["revocation", "hold", "new responder"],
)
@pytest.mark.parametrize("digest", [hashes.SHA1(), hashes.SHA256()])
def test_o09_a_change_ends_the_kept_answers_at_once(issuing, change, told, digest):
    serial = issue(issuing)
    before = der(issuing, serial, digest=digest)
    assert status(before) == STATUS.GOOD
    change(issuing, serial)
    after = der(issuing, serial, digest=digest)
    assert after != before
    assert status(after) == told
    assert der(issuing, serial, digest=digest) == after


def test_o09_a_hold_that_ends_or_becomes_final_changes_the_answer(issuing):
    serial, other = issue(issuing), issue(issuing, "2f")
    for held in (serial, other):
        revoke(issuing, held, Reason.CERTIFICATE_HOLD)
        assert status(der(issuing, held)) == STATUS.REVOKED
    ledger.release_serial(issuing, "1f")
    assert status(der(issuing, serial)) == STATUS.GOOD
    revoke(issuing, other, Reason.KEY_COMPROMISE)
    response = x509_ocsp.load_der_ocsp_response(der(issuing, other))
    assert response.revocation_reason.value == "keyCompromise"


def test_ocsp_switched_off_is_not_answered_from_what_is_kept(issuing, sealwright):
    serial = issue(issuing)
    der(issuing, serial)
    services.update_authority(sealwright, issuing, ocsp_enabled=False)
    response = x509_ocsp.load_der_ocsp_response(der(issuing, serial))
    assert response.response_status == x509_ocsp.OCSPResponseStatus.UNAUTHORIZED


def test_what_is_kept_is_bounded_by_the_certificates_issued(issuing):
    serial = issue(issuing)
    ledger.reserve_serial(issuing.pk, "3f", "0" * 64, clock.now() - timedelta(days=1))
    issuer = ocsp.parse_request(question(issuing, serial)).cert_ids[0]
    for asked in (
        question(issuing, 0x2F),  # never issued
        question(issuing, 0x3F),  # expired
        question(issuing, serial, nonce=b"n" * 16),
        question(issuing, serial, digest=hashes.SHA384()),
        _without_parameters(issuer),
        _of_two(issuing, serial),
    ):
        answer = ocsp_responses.answer("issuing", asked)
        assert x509_ocsp.load_der_ocsp_response(answer.der).response_status.name == "SUCCESSFUL"
    assert not OcspAnswer.objects.exists()


def _sequence(*parts):
    content = b"".join(parts)
    length = bytes([len(content)]) if len(content) < 0x80 else bytes([0x81, len(content)])
    return b"\x30" + length + content


def _without_parameters(cert_id):
    """Return a request whose hash algorithm has no parameters, as RFC 5754 section 2 prefers."""
    tail = cert_id.encoded[cert_id.encoded.index(b"\x04\x14") :]
    return _request(_sequence(_sequence(bytes.fromhex("06052b0e03021a")), tail))


def _of_two(authority, serial):
    one = ocsp.parse_request(question(authority, serial)).cert_ids[0].encoded
    other = ocsp.parse_request(question(authority, 0x4F)).cert_ids[0].encoded
    return _request(one, other)


def _request(*cert_ids):
    return _sequence(_sequence(_sequence(*(_sequence(one) for one in cert_ids))))


def test_a_request_in_another_form_does_not_get_the_kept_octets(issuing):
    serial = issue(issuing)
    kept = der(issuing, serial)
    cert_id = ocsp.parse_request(question(issuing, serial)).cert_ids[0]
    answer = ocsp_responses.answer("issuing", _without_parameters(cert_id))
    assert answer.der != kept
    assert status(answer.der) == STATUS.GOOD
    assert der(issuing, serial) == kept


def test_the_schedule_renews_at_half_time_what_was_asked_for_within_a_week(issuing, frozen_clock):
    issue(issuing)
    before = der(issuing, 0x1F)
    assert ocsp_refresh.refresh_job() == "0 refreshed, 0 removed"
    for _ in range(4):
        frozen_clock.shift(timedelta(hours=6))
        assert ocsp_refresh.refresh_job() == "1 refreshed, 0 removed"
        after = der(issuing, 0x1F)
        assert after != before
        before = after
    frozen_clock.shift(timedelta(days=7))
    assert ocsp_refresh.refresh_job() == "0 refreshed, 1 removed"
    assert status(der(issuing, 0x1F)) == STATUS.GOOD


def test_the_schedule_signs_nothing_about_expired_certificates(issuing, frozen_clock):
    ledger.reserve_serial(issuing.pk, "5f", "0" * 64, clock.now() + timedelta(hours=7))
    der(issuing, 0x5F)
    frozen_clock.shift(timedelta(hours=8))
    assert ocsp_refresh.refresh_job() == "0 refreshed, 0 removed"
    frozen_clock.shift(timedelta(hours=4))
    assert ocsp_refresh.refresh_job() == "0 refreshed, 1 removed"


def test_a_request_renews_what_the_schedule_has_missed(issuing, frozen_clock):
    serial = issue(issuing)
    before = der(issuing, serial)
    frozen_clock.shift(timedelta(hours=8, minutes=59))
    assert der(issuing, serial) == before
    frozen_clock.shift(timedelta(minutes=1))
    after = x509_ocsp.load_der_ocsp_response(der(issuing, serial))
    assert after.this_update_utc == clock.now_s()


def test_while_no_key_signs_a_kept_answer_serves_until_its_end(issuing, frozen_clock, monkeypatch):
    serial = issue(issuing)
    before = der(issuing, serial)

    def away(*_):
        raise UpstreamUnavailable("The key backend does not answer.")

    monkeypatch.setattr(ocsp_responders, "signing_responder", away)
    frozen_clock.shift(timedelta(hours=11, minutes=59))
    assert ocsp_refresh.refresh_job() == "0 refreshed, 0 removed"
    assert der(issuing, serial) == before
    frozen_clock.shift(timedelta(minutes=2))
    late = x509_ocsp.load_der_ocsp_response(der(issuing, serial))
    assert late.response_status == x509_ocsp.OCSPResponseStatus.TRY_LATER


@pytest.mark.django_db(transaction=True)
def test_a_database_that_only_reads_answers_without_keeping(issuing, monkeypatch):
    monkeypatch.setattr(ocsp_answers, "PAUSE_S", 0.0)
    serial = issue(issuing)
    ocsp_responders.ensure_responder(issuing.pk)
    postgres = connection.vendor == "postgresql"
    switch = "SET default_transaction_read_only = {}" if postgres else "PRAGMA query_only = {}"
    with connection.cursor() as cursor:
        cursor.execute(switch.format("on"))
        try:
            assert status(der(issuing, serial)) == STATUS.GOOD
        finally:
            cursor.execute(switch.format("off"))
    assert not OcspAnswer.objects.exists()
    assert status(der(issuing, serial)) == STATUS.GOOD
    assert OcspAnswer.objects.count() == 1
