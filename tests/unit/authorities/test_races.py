"""Tests of authorities under concurrent use, on PostgreSQL."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from cryptography import x509
from django.db import connections, transaction

from apps import clock
from apps.authorities import ledger, ocsp_responders, publication, selectors
from apps.authorities.models import CRL, OcspResponder, RevokedSerial
from apps.errors import AlreadyRevoked, UpstreamUnavailable
from pki.reasons import RevocationReason
from tests.factories.authorities import make_root

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
    last = x509.load_der_x509_crl(bytes(selectors.latest_crl(root.pk).der))
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
