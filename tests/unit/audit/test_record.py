"""Audit events are written once, in the transaction of the act, without secrets."""

import uuid
from datetime import timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps import principals
from apps.audit import selectors
from apps.audit.events import Event
from apps.audit.models import AuditEvent
from apps.audit.record import record, record_sampled
from apps.principals import Principal
from tests.factories.accounts import make_person

SYSTEM = principals.system("tests")
CANARY = "canary-91c7"
PEM = f"-----BEGIN EC PRIVATE KEY-----\n{CANARY}\n-----END EC PRIVATE KEY-----"

pytestmark = pytest.mark.django_db


def written(**data: object) -> AuditEvent:
    with transaction.atomic():
        row = record(Event.SETTINGS_INITIALISED, principal=SYSTEM, **data)
    row.refresh_from_db()
    return row


def test_outside_a_transaction_is_a_programming_error():
    with pytest.raises(RuntimeError):
        record(Event.SETTINGS_INITIALISED, principal=SYSTEM)
    assert not AuditEvent.objects.exists()


def test_act_and_record_fall_together():
    with transaction.atomic():
        record(Event.SETTINGS_INITIALISED, principal=SYSTEM)
        transaction.set_rollback(True)
    assert not AuditEvent.objects.exists()


def test_an_event_outlives_what_it_speaks_of():
    user = make_person("eve")
    principal = Principal(kind="user", id="7", label="ada", ip="192.0.2.1", trace_id="t-1")
    with transaction.atomic():
        row = record(Event.ACCOUNT_CREATED, principal=principal, subject=user, role="admin")
    assert (row.subject_type, row.subject_id) == ("accounts.user", str(user.pk))
    user.delete()
    row.refresh_from_db()
    assert (row.actor, row.actor_label) == ("user:7", "ada")
    assert (row.subject_type, row.subject_label) == ("accounts.user", "eve")
    assert (row.ip, row.trace_id, row.data) == ("192.0.2.1", "t-1", {"role": "admin"})


def test_events_are_append_only():
    row = written()
    for act in (
        row.save,
        row.delete,
        AuditEvent.objects.all().delete,
        lambda: AuditEvent.objects.update(actor="x"),
        lambda: AuditEvent.objects.bulk_update([row], ["actor"]),
        lambda: AuditEvent.objects.bulk_create(
            [row], update_conflicts=True, unique_fields=["id"], update_fields=["actor"]
        ),
        lambda: AuditEvent._base_manager.update(actor="x"),
        lambda: AuditEvent.objects.filter(pk=row.pk)._raw_delete("default"),
        lambda: AuditEvent.objects.update_or_create(pk=row.pk, defaults={"actor": "x"}),
    ):
        with pytest.raises(TypeError), transaction.atomic():
            act()
    row.refresh_from_db()
    assert row.actor == SYSTEM.actor


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "new_password",
        "secrets",
        "token",
        "accessToken",
        "private_key_pem",
        "pin",
        "hmac_key",
        "apiKey",
        "passphrase",
        "token_id_secret",
    ],
)
def test_pv07_secret_sounding_names_are_blanked(name):
    assert CANARY not in str(written(**{name: CANARY}).data)
    assert CANARY not in str(written(outer=[{"inner": {name: [CANARY]}}]).data)


@pytest.mark.parametrize(
    "name", ["mapping", "shipping", "pinned", "token_id", "secret_name", "public_key", "keys"]
)
def test_innocent_names_are_kept(name):
    assert written(**{name: "kept"}).data == {name: "kept"}


@pytest.mark.parametrize(
    "value",
    [
        f"Authorization: Bearer {CANARY}-abcdefgh",
        f"basic {CANARY}",
        f"password: {CANARY}",
        f"Passphrase:{CANARY}",
        f"my secret: {CANARY}",
        f"http://user:{CANARY}@host.example",
    ],
)
def test_pv07_secrets_in_plain_looking_texts_are_blanked(value):
    assert CANARY not in str(written(note=value).data)


@pytest.mark.parametrize(
    "value", ["request 0190a000-0000", "2026-11-25T18:00:00+00:00", "machine:demo", "*.a-b.example"]
)
def test_plain_texts_are_kept_as_they_are(value):
    assert written(note=value).data == {"note": value}


@pytest.mark.parametrize(
    "value", [PEM, f"x {PEM}", "swt_" + "0" * 64, CANARY.encode(), bytearray(CANARY, "ascii")]
)
def test_pv07_secrets_under_innocent_names_are_blanked(value):
    text = str(written(note=value, notes=[value]).data)
    assert CANARY not in text
    assert "swt_" not in text


def test_what_no_database_can_hold_does_not_stop_the_act():
    row = written(note="a\0b\ud800c", **{"na\0me": 1})
    assert row.data == {"note": "a\ufffdb\ufffdc", "na\ufffdme": 1}
    principal = Principal(kind="user", id="1", label="a\0b" + "x" * 500)
    with transaction.atomic():
        row = record(Event.LOGIN_FAILED, principal=principal)
    assert row.actor_label.startswith("a\ufffdb")
    assert len(row.actor_label) == 200


def test_pv18_long_texts_are_cut():
    assert len(written(note="x" * 100_000).data["note"]) == 2000


_PIECES = st.sampled_from(
    [
        "Bearer ", "basic ", "swt_", "abcdefgh0123456789", "pass", "word", "phrase", "SECRET",
        "private", "_key", " ", ":", "=", "x", "http://", "@", "é", "\n", "-----BEGIN ", " KEY-----",
    ]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=6).map("".join))
def test_pv07_texts_that_are_not_looked_into_hold_nothing_to_blank(text):
    from apps.audit.record import cleansed_text
    from apps.web.logs import redacted

    assert cleansed_text(text, 1000) == redacted(text)


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**31), 2**31)
    | st.text(max_size=20)
    | st.binary()
    | st.uuids()
    | st.datetimes(timezones=st.just(__import__("datetime").UTC)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=10), inner, max_size=3)
        | st.frozensets(st.text(max_size=5), max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_VALUES)
def test_any_details_can_be_written(value):
    assert written(details=value).pk


def test_refusals_are_sampled_by_source(frozen_clock):
    one = Principal(kind="user", id="1", label="a", ip="192.0.2.1")
    other = Principal(kind="user", id="1", label="a", ip="192.0.2.2")
    rows = [record_sampled(Event.ACCESS_DENIED, principal=one) for _ in range(35)]
    assert sum(row is not None for row in rows) == 30
    assert record_sampled(Event.ACCESS_DENIED, principal=other) is not None
    frozen_clock.shift(timedelta(seconds=61))
    assert record_sampled(Event.ACCESS_DENIED, principal=one) is not None


def test_events_of_applications_come_newest_first():
    first, second = uuid.uuid4(), uuid.uuid4()
    for application in (first, second, None, first):
        with transaction.atomic():
            record(Event.MEMBER_ADDED, principal=SYSTEM, application_id=application)
    assert [row.application_id for row in selectors.all_events()] == [first, None, second, first]
    assert {row.application_id for row in selectors.events_of([first])} == {first}
    assert not selectors.events_of([]).exists()


def test_names_of_events_are_subject_and_verb():
    for event in Event:
        subject, _, verb = event.value.partition(".")
        assert subject.isidentifier()
        assert verb.isidentifier()
        assert len(event.value) <= 60
