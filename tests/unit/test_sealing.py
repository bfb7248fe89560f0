"""Tests of envelope encryption and of the keyring file."""

import base64
import itertools
import json
import logging
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps import keyring, sealing


@pytest.fixture
def kek_file(settings, tmp_path):
    """A keyring of this test's own; none exists yet."""
    path = tmp_path / "keys" / "kek.json"
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"KEK_FILE": path, "KEK": ""}
    return path


@pytest.fixture
def keyring_file(kek_file):
    keyring.ensure_keyring()
    return kek_file


@pytest.mark.usefixtures("keyring")
@given(st.binary(max_size=200), st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_what_is_sealed_opens_to_the_same_bytes(secret, context):
    sealed = sealing.seal(secret, context=context)
    assert len(sealed) == len(secret) + 97
    assert sealing.unseal(sealed, context=context) == secret


def test_sealing_twice_gives_nothing_in_common(keyring_file):
    one, two = (sealing.seal(b"secret", context="a.B.c:1") for _ in range(2))
    assert one[9:] != two[9:]


def test_k3_no_secret_opens_in_another_place(keyring_file):
    places = [f"authorities.Key.sealed_private_key:{n}" for n in range(20)]
    sealed = {place: sealing.seal(b"x", context=place) for place in places}
    for here, there in itertools.permutations(places, 2):
        with pytest.raises(sealing.CannotUnseal):
            sealing.unseal(sealed[here], context=there)


def test_every_altered_byte_is_noticed(keyring_file):
    sealed = sealing.seal(b"secret", context="a.B.c:1")
    for position in range(len(sealed)):
        altered = bytearray(sealed)
        altered[position] ^= 1
        with pytest.raises(sealing.CannotUnseal):
            sealing.unseal(bytes(altered), context="a.B.c:1")
    for short in (b"", sealed[:96], sealed[:-1]):
        with pytest.raises(sealing.CannotUnseal):
            sealing.unseal(short, context="a.B.c:1")


def test_the_keyring_is_made_once_and_for_its_owner_alone(kek_file):
    assert keyring.ensure_keyring()
    first = kek_file.read_text()
    assert kek_file.stat().st_mode & 0o777 == 0o600
    assert not keyring.ensure_keyring()
    assert kek_file.read_text() == first
    document = json.loads(first)
    assert set(document) == {"current", "keys"}
    key = base64.b64decode(document["keys"][document["current"]])
    assert len(key) == 32
    assert document["current"] == keyring.key_id_for(key)
    assert list(kek_file.parent.iterdir()) == [kek_file]


def test_nothing_is_sealed_without_a_keyring(kek_file):
    with pytest.raises(keyring.KeyringMissing):
        sealing.seal(b"x", context="c")
    assert not kek_file.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o700])
def test_a_keyring_open_to_others_is_refused(keyring_file, mode):
    keyring_file.chmod(mode)
    os.utime(keyring_file, ns=(1, mode))
    with pytest.raises(keyring.KeyringMissing, match="0600"):
        keyring.load_keyring()


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "{",
        "[]",
        '{"keys": {}}',
        '{"current": "x", "keys": {}}',
        '{"current": "x", "keys": {"x": 1}}',
        '{"current": "x", "keys": {"x": "AAAA"}}',
        json.dumps({"current": "0" * 16, "keys": {"0" * 16: base64.b64encode(bytes(32)).decode()}}),
    ],
)
def test_a_damaged_keyring_is_refused_and_never_replaced(keyring_file, damage):
    keyring_file.write_text(damage)
    for act in (keyring.load_keyring, keyring.ensure_keyring):
        with pytest.raises(keyring.KeyringMissing, match="damaged"):
            act()
    assert keyring_file.read_text() == damage


def test_another_keyring_does_not_open_it(keyring_file):
    sealed = sealing.seal(b"x", context="c")
    keyring_file.unlink()
    keyring.ensure_keyring()
    with pytest.raises(sealing.CannotUnseal, match="not in the keyring"):
        sealing.unseal(sealed, context="c")


def test_rotation_seals_under_the_new_key_and_opens_under_both(keyring_file):
    old = sealing.seal(b"secret", context="c")
    key_id = keyring.add_key()
    new = sealing.seal(b"secret", context="c")
    assert sealing.key_id_of(new) == key_id != sealing.key_id_of(old)
    assert sealing.unseal(old, context="c") == b"secret"
    moved = sealing.rewrap(old, "c")
    assert sealing.key_id_of(moved) == key_id
    keyring.drop_key(sealing.key_id_of(old))
    assert sealing.unseal(moved, context="c") == b"secret"
    with pytest.raises(sealing.CannotUnseal):
        sealing.unseal(old, context="c")


def test_rewrapping_refuses_what_does_not_open(keyring_file):
    sealed = sealing.seal(b"secret", context="c")
    with pytest.raises(sealing.CannotUnseal):
        sealing.rewrap(sealed, "d")
    with pytest.raises(sealing.CannotUnseal):
        sealing.rewrap(sealed[:-1] + bytes([sealed[-1] ^ 1]), "c")


def test_the_current_key_is_not_dropped(keyring_file):
    with pytest.raises(ValueError, match="current"):
        keyring.drop_key(keyring.load_keyring().current)


def test_a_key_from_the_environment_works_but_warns(settings, kek_file, caplog):
    old, new = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"KEK": old}
    with caplog.at_level(logging.WARNING):
        sealed = sealing.seal(b"x", context="c")
    assert "trials only" in caplog.text
    assert old not in caplog.text
    assert not kek_file.exists()
    with pytest.raises(keyring.KeyringMissing):
        keyring.add_key()
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"KEK": f"{new}, {old}"}
    assert sealing.unseal(sealed, context="c") == b"x"
    assert sealing.key_id_of(sealing.rewrap(sealed, "c")) == keyring.key_id_for(bytes([2]) * 32)


@pytest.mark.parametrize("text", ["x", "AAAA", "," + "A" * 44])
def test_an_unusable_key_in_the_environment_is_refused_without_showing_it(settings, text):
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"KEK": text}
    with pytest.raises(keyring.KeyringMissing) as caught:
        keyring.load_keyring()
    assert text not in str(caught.value)


def test_keys_do_not_show_in_representations(keyring_file):
    ring = keyring.load_keyring()
    key = ring.keys[ring.current]
    assert repr(key) not in repr(ring)
    assert key.hex() not in repr(ring)


def test_a_file_with_bare_keys_of_earlier_versions_is_read(kek_file):
    old, new = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
    kek_file.parent.mkdir()
    kek_file.write_text(f"{new},{old}\n")
    kek_file.chmod(0o600)
    ring = keyring.load_keyring()
    assert ring.current == keyring.key_id_for(bytes([2]) * 32)
    assert len(ring.keys) == 2
    keyring.add_key()  # and it is written as a keyring
    assert set(ring.keys) < set(keyring.load_keyring().keys)
