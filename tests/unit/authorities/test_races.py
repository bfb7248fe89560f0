"""Tests of authorities under concurrent use, on PostgreSQL."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509 import ocsp as x509_ocsp
from django.db import connections, transaction

from apps import clock
from apps.authorities import (
    crl_contents,
    ledger,
    ocsp_answers,
    ocsp_responders,
    ocsp_responses,
    publication,
    selectors,
)
from apps.authorities.models import CRL, OcspAnswer, OcspResponder, RevokedSerial
from apps.errors import AlreadyRevoked, UpstreamUnavailable
from pki import ocsp
from pki.reasons import RevocationReason
from tests.factories.authorities import make_root
from tests.unit.authorities.test_ocsp import question

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("keyring"),
]
_THREADS = 8


def at_once(act: Callable[[int], object]) -> list[object]:
    """Run ``act`` in many threads at the same moment, each with a connection of its own."""
    gate = threading.Barrier(_THREADS)

    def run(number: int) -> object:
        gate.wait()
        try:
            return act(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(run, range(_THREADS)))


def revoke(root, serial):
    now = clock.now_s()
    with transaction.atomic():
        ledger.revoke_serial(
            root,
            serial,
            reason=RevocationReason.UNSPECIFIED,
            revoked_at=now,
            not_after=now + timedelta(days=9),
        )


def test_c01_publishers_that_race_leave_rising_numbers_and_lose_no_revocation():
    root = make_root()
    for number in range(_THREADS):
        ledger.reserve_serial(root.pk, f"1{number}", "0" * 64, clock.now() + timedelta(days=9))

    def revoke_and_publish(number):
        revoke(root, f"1{number}")
        try:
            publication.publish_crl(root.pk)
        except UpstreamUnavailable:
            return "others published"
        return "published"

    assert "published" in at_once(revoke_and_publish)
    rows = list(CRL.objects.order_by("id").values_list("number", "this_update"))
    assert rows == sorted(rows)
    assert len({number for number, _ in rows}) == len(rows)
    if publication.crl_due(root, clock.now()):
        publication.publish_crl(root.pk)
    last = x509.load_der_x509_crl(crl_contents.der_of(selectors.latest_crl(root.pk)))
    assert len(last) == _THREADS


def test_one_serial_is_revoked_once():
    root = make_root()
    ledger.reserve_serial(root.pk, "1f", "0" * 64, clock.now() + timedelta(days=9))

    def attempt(_):
        try:
            revoke(root, "1f")
        except AlreadyRevoked:
            return False
        return True

    assert sorted(at_once(attempt)) == [False] * (_THREADS - 1) + [True]
    assert RevokedSerial.objects.count() == 1


def test_responders_made_at_once_are_one():
    root = make_root()
    made = at_once(lambda _: ocsp_responders.ensure_responder(root.pk).pk)
    assert len(set(made)) == 1
    assert OcspResponder.objects.count() == 1


@pytest.fixture
def asked():
    """A root with one certificate, and the answer about it that one process has just signed."""
    root = make_root()
    ledger.reserve_serial(root.pk, "1f", "0" * 64, clock.now() + timedelta(days=9))
    responder = ocsp_responders.signing_responder(root.pk, None)
    (cert_id,) = ocsp.parse_request(question(root, 0x1F)).cert_ids
    made = ocsp_responses.sign(responder, [ocsp_responses.single_status(cert_id, ledger.GOOD)])
    signed = ocsp_answers.SignedAnswer(
        serial_hex="1f",
        cert_id=cert_id,
        status=ledger.GOOD,
        der=made.der,
        this_update=made.this_update,
        next_update=made.next_update,
        asked_at=clock.now(),
    )
    return root, lambda: ocsp_answers.keep(root.pk, responder.id, [signed]), cert_id


def test_o09_an_answer_signed_before_a_revocation_is_not_kept_after_it(asked):
    root, keep, cert_id = asked
    revoke(root, "1f")
    assert keep() == 0
    assert ocsp_answers.find(root.name, cert_id) is None


def test_o09_an_answer_is_not_kept_while_a_revocation_is_being_committed(asked):
    root, keep, cert_id = asked
    with ThreadPoolExecutor(1) as other, transaction.atomic():
        revoke(root, "1f")
        assert other.submit(_closing, keep).result(timeout=20) == 0
    assert ocsp_answers.find(root.name, cert_id) is None


def test_o09_a_revocation_waits_for_an_answer_that_is_being_kept_and_ends_it(asked):
    root, keep, cert_id = asked
    with ThreadPoolExecutor(1) as other:
        with transaction.atomic():
            assert keep() == 1
            revoking = other.submit(_closing, lambda: revoke(root, "1f"))
            # The other transaction stands at the lock: PostgreSQL lists it.
            while not _waits_for_a_lock():
                assert not revoking.done()
        revoking.result(timeout=20)
    assert ocsp_answers.find(root.name, cert_id) is None
    assert not OcspAnswer.objects.exists()


def test_o09_answers_of_a_replaced_responder_are_not_served_though_kept_later(asked):
    root, keep, cert_id = asked
    assert keep() == 1
    assert ocsp_answers.find(root.name, cert_id) is not None
    OcspResponder.objects.update(not_before=clock.now() - timedelta(days=40))
    ocsp_responders.ensure_responder(root.pk)
    assert ocsp_answers.find(root.name, cert_id) is None
    assert keep() == 1
    assert ocsp_answers.find(root.name, cert_id) is None


def test_o09_nobody_hears_good_after_a_revocation_while_all_ask():
    root = make_root()
    ledger.reserve_serial(root.pk, "1f", "0" * 64, clock.now() + timedelta(days=9))
    request, revoked = question(root, 0x1F), threading.Event()

    def ask_or_revoke(number):
        if number == 0:
            revoke(root, "1f")
            revoked.set()
            return set()
        told = set()
        for _ in range(40):
            late = revoked.is_set()
            answer = x509_ocsp.load_der_ocsp_response(ocsp_responses.answer(root.name, request).der)
            told.add((late, answer.certificate_status.name))
        return told

    told = set().union(*at_once(ask_or_revoke))
    assert (True, "GOOD") not in told
    assert ocsp_responses.answer(root.name, request).is_final


def _closing(act):
    try:
        return act()
    finally:
        connections.close_all()


def _waits_for_a_lock() -> bool:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])
