"""Tests of the rotation of the key-encryption key and of the checks of the keyring."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from apps import keyring, registry
from apps.audit.models import AuditEvent
from apps.keys import checks, sealed_columns
from apps.keys.models import Key
from apps.keys.services import generate_key
from apps.keys.software import SoftwareBackend
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm

pytestmark = pytest.mark.django_db
FIELD = registry.SealedField("keys.Key", "sealed_private_key")


@pytest.fixture
def kek_file(settings, tmp_path):
    path = tmp_path / "kek.json"
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"KEK_FILE": path, "KEK": ""}
    keyring.ensure_keyring()
    return path


@pytest.fixture
def keys(kek_file):
    rows = [generate_key(KeyAlgorithm.ED25519) for _ in range(5)]
    Key.objects.bulk_create(rows)
    return rows


def rotate(*arguments):
    out = StringIO()
    call_command("rotate_kek", "--grace-s", "0", *arguments, stdout=out)
    return out.getvalue()


def still_sign(keys):
    for key in keys:
        assert SoftwareBackend().sign(key, b"data", SignatureAlgorithm.ED25519)


def test_k4_rotation_moves_every_value_and_drops_the_old_key(keys, kek_file):
    old = keyring.load_keyring().current
    assert "5 values moved" in rotate()
    document = json.loads(kek_file.read_text())
    assert list(document["keys"]) == [document["current"]]
    assert document["current"] != old
    assert sealed_columns.key_ids_in_use() == {document["current"]: 5}
    still_sign(keys)
    event = AuditEvent.objects.get(event="key.encryption_key_rotated")
    assert event.data == {
        "current_key_id": document["current"],
        "moved_count": 5,
        "dropped_ids": [old],
    }


def test_k4_an_interrupted_rotation_is_resumed(keys, kek_file):
    old, new = keyring.load_keyring().current, keyring.add_key()
    assert sealed_columns.rewrap_batch(FIELD, size=2) == 2
    assert sealed_columns.key_ids_in_use() == {old: 3, new: 2}
    assert sealed_columns.problems() == []
    still_sign(keys)
    assert "3 values moved" in rotate("--resume")
    assert sealed_columns.key_ids_in_use() == {new: 5}
    assert set(keyring.load_keyring().keys) == {new}


def test_a_value_that_does_not_open_stops_rotation_and_keeps_the_old_key(keys, kek_file):
    old = keyring.load_keyring().current
    broken = bytearray(keys[2].sealed_private_key)
    broken[-1] ^= 1
    Key.objects.filter(pk=keys[2].pk).update(sealed_private_key=bytes(broken))
    with pytest.raises(CommandError, match=str(keys[2].pk)):
        rotate()
    assert old in keyring.load_keyring().keys
    still_sign([key for key in keys if key != keys[2]])


def test_a_missing_key_is_named_by_check_and_readiness(keys, kek_file):
    old = keyring.load_keyring().current
    kek_file.unlink()
    keyring.ensure_keyring()
    assert f"5 sealed values need the key-encryption key {old}" in sealed_columns.readiness()
    (error,) = checks.sealed_values_can_be_opened(databases=["default"])
    assert error.id == "keys.E002"
    assert checks.sealed_values_can_be_opened() == []
    kek_file.unlink()
    assert "cannot be read" in sealed_columns.readiness()
    assert "5 sealed values cannot be opened" in sealed_columns.problems()[0]


def test_a_value_that_was_tampered_with_is_found_by_sample(keys, kek_file):
    assert sealed_columns.problems() == []
    newest = Key.objects.order_by("-pk").first()
    Key.objects.filter(pk=newest.pk).update(sealed_private_key=bytes(keys[0].sealed_private_key))
    assert str(newest.pk) in sealed_columns.problems()[0]


def test_nothing_sealed_needs_no_keyring(settings, tmp_path):
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"KEK_FILE": tmp_path / "none.json", "KEK": ""}
    assert sealed_columns.problems() == []
    assert checks.keyring_is_usable() == []


def test_a_keyring_open_to_others_is_an_error(kek_file):
    kek_file.chmod(0o644)
    kek_file.touch()
    (error,) = checks.keyring_is_usable()
    assert error.id == "keys.E001"


def test_a_key_from_the_environment_is_a_warning_and_not_rotated_here(settings):
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"KEK": "A" * 43 + "="}
    (warning,) = checks.keyring_is_usable()
    assert warning.id == "keys.W001"
    with pytest.raises(CommandError, match="SEALWRIGHT_KEK"):
        rotate()
