"""Tests of the ledgers of issued and revoked serial numbers."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from apps import clock
from apps.authorities import ledger
from apps.authorities.ledger import Status
from apps.errors import AlreadyRevoked, InvalidTransition, NotFound
from apps.web import problems
from pki.reasons import RevocationReason as Reason
from tests.factories.authorities import make_root, status_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("keyring")]
SERIAL = "1f"


@pytest.fixture
def authority():
    root = make_root()
    ledger.reserve_serial(root.pk, SERIAL, "0" * 64, clock.now() + timedelta(days=9))
    return root


def revoke(authority, reason=Reason.UNSPECIFIED, *, serial=SERIAL, at=None, **extra):
    now = clock.now_s()
    ledger.revoke_serial(
        authority,
        serial,
        reason=reason,
        revoked_at=at or now,
        not_after=now + timedelta(days=9),
        **extra,
    )


def test_o04_a_serial_never_used_is_unknown(authority):
    assert status_of(authority, "2f") == Status("unknown")
    assert status_of(authority, SERIAL) == Status("good")


def test_o03_the_same_serial_under_another_authority_is_another_certificate(authority):
    other = make_root("other")
    assert status_of(other, SERIAL).status == "unknown"
    ledger.reserve_serial(other.pk, SERIAL, "0" * 64, clock.now())
    revoke(other)
    assert status_of(authority, SERIAL).status == "good"


def test_x02_a_serial_is_used_once(authority):
    with pytest.raises(IntegrityError), transaction.atomic():
        ledger.reserve_serial(authority.pk, SERIAL, "1" * 64, clock.now())


def test_revoked_for_good_stays_so(authority):
    revoke(authority, Reason.KEY_COMPROMISE)
    for reason in Reason:
        with pytest.raises(AlreadyRevoked):
            revoke(authority, reason)
    with pytest.raises(InvalidTransition):
        ledger.release_serial(authority, SERIAL)
    assert status_of(authority, SERIAL).reason == Reason.KEY_COMPROMISE


def test_a_hold_can_be_released_and_held_again(authority):
    revoke(authority, Reason.CERTIFICATE_HOLD)
    assert status_of(authority, SERIAL).status == "revoked"
    with pytest.raises(AlreadyRevoked):
        revoke(authority, Reason.CERTIFICATE_HOLD)
    ledger.release_serial(authority, SERIAL)
    assert status_of(authority, SERIAL).status == "good"
    with pytest.raises(InvalidTransition):
        ledger.release_serial(authority, SERIAL)
    revoke(authority, Reason.CERTIFICATE_HOLD)
    assert status_of(authority, SERIAL).status == "revoked"


def test_a_hold_that_becomes_final_keeps_its_date(authority):
    held_at = clock.now_s() - timedelta(days=2)
    revoke(authority, Reason.CERTIFICATE_HOLD, at=held_at)
    revoke(authority, Reason.KEY_COMPROMISE)
    assert status_of(authority, SERIAL) == Status("revoked", held_at, Reason.KEY_COMPROMISE)
    with pytest.raises(InvalidTransition):
        ledger.release_serial(authority, SERIAL)


def test_only_serials_that_were_used_can_be_revoked(authority):
    with pytest.raises(NotFound):
        revoke(authority, serial="2f")


@pytest.mark.django_db(transaction=True)
def test_a_number_of_an_authority_that_was_removed_meanwhile_is_a_conflict():
    with pytest.raises(IntegrityError) as caught:
        ledger.reserve_serial(uuid4(), SERIAL, "0" * 64, clock.now())
    answer = problems.exception_handler(caught.value, {})
    assert answer.status_code == 409
    assert json.loads(answer.content)["code"] == "invalid_transition"
