"""Tests of CRL publication: schedule, numbers, entries, gate."""

from datetime import timedelta

import pytest
from cryptography import x509
from django.db import IntegrityError, transaction

from apps import clock
from apps.audit.models import AuditEvent
from apps.authorities import crl_contents, ledger, publication, selectors, services
from apps.authorities.authority_spec import AuthoritySpec
from apps.authorities.models import CRL, CRLPart, IssuedSerial, RevokedSerial
from apps.errors import InvalidTransition, NotFound
from apps.jobs.models import Job
from pki.algorithms import KeyAlgorithm
from pki.reasons import RevocationReason as Reason
from tests.factories.authorities import make_root

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("keyring")]


@pytest.fixture
def root(frozen_clock):
    return make_root()


def issue(authority, serial, *, days=30):
    ledger.reserve_serial(authority.pk, serial, "0" * 64, clock.now() + timedelta(days=days))


def revoke(authority, serial, reason=Reason.UNSPECIFIED, *, days=30, **extra):
    issue(authority, serial, days=days)
    now = clock.now_s()
    ledger.revoke_serial(
        authority,
        serial,
        reason=reason,
        revoked_at=now,
        not_after=now + timedelta(days=days),
        **extra,
    )


def listed(crl):
    parsed = x509.load_der_x509_crl(crl_contents.der_of(crl))
    return {format(entry.serial_number, "x") for entry in parsed}


def test_c03_the_first_crl_lists_nothing_and_has_number_times_and_signature(root):
    crl = CRL.objects.get()
    parsed = x509.load_der_x509_crl(crl_contents.der_of(crl))
    number = parsed.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    assert number == crl.number == int(clock.now().timestamp() * 1000)
    assert listed(crl) == set()
    assert crl.entry_count == 0
    assert parsed.next_update_utc - parsed.last_update_utc == timedelta(hours=168)


def test_revoked_serials_are_listed_with_reason_and_invalidity_date(root, frozen_clock):
    doubted = clock.now_s() - timedelta(days=1)
    revoke(root, "a1", Reason.KEY_COMPROMISE, invalidity_date=doubted)
    revoke(root, "a2")
    crl = publication.publish_crl(root.pk)
    parsed = x509.load_der_x509_crl(crl_contents.der_of(crl))
    entry = parsed.get_revoked_certificate_by_serial_number(0xA1)
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value == (
        "keyCompromise"
    )
    invalid = entry.extensions.get_extension_for_class(x509.InvalidityDate).value
    assert invalid.invalidity_date_utc == doubted
    assert crl.entry_count == 2
    assert listed(crl) == {"a1", "a2"}


def test_c01_numbers_rise_though_the_clock_stands_still_or_goes_back(root, frozen_clock):
    numbers = [CRL.objects.get().number]
    first = CRL.objects.get()
    for shift in (0, 0, -86400):
        frozen_clock.shift(shift)
        crl = publication.publish_crl(root.pk)
        numbers.append(crl.number)
        assert crl.this_update >= first.this_update
    assert numbers == sorted(set(numbers))


def test_c01_a_restored_database_jumps_forward(root, frozen_clock):
    before = CRL.objects.get().number
    frozen_clock.shift(3600)
    assert publication.publish_crl(root.pk).number == before + 3_600_000


def test_c07_entries_outlive_the_certificate_by_a_crl_lifetime(root, frozen_clock):
    revoke(root, "a1", days=1)
    for days, expected in ((0, True), (2, True), (6, True), (1, True), (1, False)):
        frozen_clock.shift(timedelta(days=days))
        crl = publication.publish_crl(root.pk)
        assert ("a1" in listed(crl)) is expected, clock.now()


def test_c07_entries_lost_while_the_clock_was_ahead_come_back(root, frozen_clock):
    revoke(root, "a1", days=30)
    frozen_clock.shift(timedelta(days=60))
    publication.publish_crl(root.pk)
    assert listed(publication.publish_crl(root.pk)) == set()
    frozen_clock.shift(timedelta(days=-60))
    assert listed(publication.publish_crl(root.pk)) == {"a1"}


def test_c09_a_ledger_that_lost_a_revocation_publishes_nothing(root, frozen_clock):
    revoke(root, "a1")
    published = publication.publish_crl(root.pk)
    RevokedSerial.objects.all().delete()
    with pytest.raises(publication.CrlRefused) as caught:
        publication.publish_crl(root.pk)
    assert [v.code for v in caught.value.violations] == ["crl.entry_lost"]
    assert selectors.latest_crl(root.pk).pk == published.pk
    assert AuditEvent.objects.get(event="crl.refused").data["violations"]


def test_a_released_hold_leaves_the_crl(root, frozen_clock):
    revoke(root, "a1", Reason.CERTIFICATE_HOLD)
    assert listed(publication.publish_crl(root.pk)) == {"a1"}
    ledger.release_serial(root, "a1")
    assert listed(publication.publish_crl(root.pk)) == set()


def test_c10_a_crl_is_due_at_half_of_its_life(root, frozen_clock):
    assert not publication.crl_due(root, clock.now())
    frozen_clock.shift(timedelta(hours=83, minutes=59))
    assert not publication.crl_due(root, clock.now())
    frozen_clock.shift(timedelta(minutes=1))
    assert publication.crl_due(root, clock.now())


def test_c10_a_revocation_makes_a_crl_due_until_it_is_listed(root, frozen_clock):
    frozen_clock.shift(60)
    revoke(root, "a1", Reason.CERTIFICATE_HOLD)
    assert publication.crl_due(root, clock.now())
    publication.publish_crl(root.pk)
    assert not publication.crl_due(root, clock.now())
    ledger.release_serial(root, "a1")
    assert publication.crl_due(root, clock.now())
    publication.publish_crl(root.pk)
    assert not publication.crl_due(root, clock.now())


def test_a_revocation_that_committed_late_is_noticed(root, frozen_clock):
    before = clock.now_s()
    frozen_clock.shift(30)
    publication.publish_crl(root.pk)
    issue(root, "a1")
    ledger.revoke_serial(
        root,
        "a1",
        reason=Reason.UNSPECIFIED,
        revoked_at=before,
        not_after=before + timedelta(days=3),
    )
    assert publication.crl_due(root, clock.now())


def test_the_sweep_asks_for_what_is_due_and_the_job_publishes_it(root, frozen_clock):
    assert publication.sweep_job() == "0 due"
    revoke(root, "a1")
    assert publication.sweep_job() == "1 due"
    assert publication.sweep_job() == "1 due"
    job = Job.objects.get(kind="crl.publish")
    assert publication.publish_job(**job.arguments).endswith(": 1 entries")
    assert publication.sweep_job() == "0 due"


def test_a_request_that_is_rolled_back_leaves_no_job(root):
    with transaction.atomic():
        publication.request_crl(root)
        transaction.set_rollback(True)
    assert not Job.objects.filter(kind="crl.publish").exists()


def test_a_disabled_authority_still_publishes(root, sealwright):
    services.disable_authority(sealwright, root)
    revoke(root, "a1")
    assert listed(publication.publish_crl(root.pk)) == {"a1"}


def test_an_authority_without_certificate_publishes_nothing(sealwright):
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
        publication.publish_crl(pending.pk)
    assert publication.sweep_job() == "0 due"


def test_a_crl_built_on_old_knowledge_is_not_stored(root, monkeypatch, frozen_clock):
    real, interfered = publication.build_next_crl, []

    def built(handle, previous, spool):
        crl = real(handle, previous, spool)
        if not interfered:
            interfered.append(True)
            revoke(root, "a1")
            publication.publish_crl(root.pk)
        return crl

    monkeypatch.setattr(publication, "build_next_crl", built)
    crl = publication.publish_crl(root.pk)
    assert listed(crl) == {"a1"}
    assert selectors.latest_crl(root.pk).pk == crl.pk
    assert CRL.objects.count() == 3
    assert kept() == set(CRL.objects.values_list("sha256", flat=True))


def kept():
    return set(CRLPart.objects.values_list("sha256", flat=True))


def test_contents_of_the_newest_crls_are_kept_and_rows_of_all(root, frozen_clock):
    for _ in range(4):
        publication.publish_crl(root.pk)
    newest = list(CRL.objects.order_by("-number")[:3].values_list("sha256", flat=True))
    assert kept() == set(newest)
    assert CRL.objects.count() == 5
    with pytest.raises(NotFound, match="not kept"):
        crl_contents.der_of(CRL.objects.order_by("number").first())


def test_what_a_crash_before_publication_left_is_removed_later(root, frozen_clock):
    crl_contents.store("f" * 64, [b"half", b"a CRL"])
    publication.publish_crl(root.pk)
    assert "f" * 64 in kept()
    frozen_clock.shift(timedelta(hours=2))
    publication.publish_crl(root.pk)
    assert kept() == set(CRL.objects.values_list("sha256", flat=True))


def test_c09_a_published_crl_that_cannot_be_read_is_not_replaced(root):
    CRLPart.objects.update(data=b"\x30\x00")
    CRL.objects.update(size=2)
    with pytest.raises(publication.CrlRefused, match="not a readable CRL"):
        publication.publish_crl(root.pk)


def test_parts_of_a_crl_that_cannot_be_stored_as_a_whole_are_removed(root):
    def broken():
        yield from (b"one", b"two")
        raise OSError("the spool is gone")

    before = CRLPart.objects.count()
    with pytest.raises(OSError, match="gone"):
        crl_contents.store("a" * 64, broken())
    assert CRLPart.objects.count() == before


@pytest.mark.django_db(transaction=True)
def test_parts_that_another_publisher_has_written_stay(root):
    crl_contents.store("b" * 64, [b"one", b"two"])
    with pytest.raises(IntegrityError):
        crl_contents.store("b" * 64, [b"one", b"two"])
    assert CRLPart.objects.filter(sha256="b" * 64).count() == 2


def test_a_large_crl_goes_through_parts_and_lists_everything(root, frozen_clock):
    now = clock.now_s()
    serials = [f"{2**150 + number:x}" for number in range(20_000)]
    IssuedSerial.objects.bulk_create(
        IssuedSerial(
            authority=root, serial_number=serial, tbs_sha256="", not_after=now + timedelta(days=9)
        )
        for serial in serials
    )
    RevokedSerial.objects.bulk_create(
        RevokedSerial(
            authority=root,
            serial_number=serial,
            reason=Reason.SUPERSEDED,
            revoked_at=now,
            not_after=now + timedelta(days=9),
        )
        for serial in serials
    )
    for _ in range(2):
        crl = publication.publish_crl(root.pk)
        assert crl.entry_count == len(serials)
        assert CRLPart.objects.filter(sha256=crl.sha256).count() > 2
        assert listed(crl) == set(serials)
