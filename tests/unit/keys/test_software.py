"""Tests of the software key backend: sealed rows, opened keys kept for a while, destruction."""

import pytest

from apps import sealing
from apps.errors import UpstreamUnavailable
from apps.keys import software
from apps.keys.models import Key
from apps.keys.services import generate_key
from apps.keys.software import CACHE_SIZE, SoftwareBackend
from pki import keys
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("keyring")]


def saved_key():
    row = generate_key(KeyAlgorithm.ED25519)
    row.save(force_insert=True)
    return row


def sign(backend, key):
    return backend.sign(key, b"data", SignatureAlgorithm.ED25519)


def lose(key):
    Key.objects.filter(pk=key.pk).update(sealed_private_key=b"gone")


def test_the_row_holds_no_private_key_in_the_clear():
    key = saved_key()
    sealed = bytes(key.sealed_private_key)
    pkcs8 = sealing.unseal(sealed, context=sealing.field_context(key, "sealed_private_key"))
    private = keys.private_key_from_pkcs8(pkcs8, trusted=True)
    assert private.private_bytes_raw() not in sealed


def test_a_private_key_moved_to_another_row_does_not_sign():
    key, other = saved_key(), generate_key(KeyAlgorithm.ED25519)
    other.sealed_private_key = key.sealed_private_key
    other.save(force_insert=True)
    with pytest.raises(UpstreamUnavailable):
        sign(SoftwareBackend(), other)


def test_the_context_of_a_key_is_the_one_of_its_first_app():
    """Changing this text makes every key of every installation unreadable."""
    key = saved_key()
    context = f"authorities.Key.sealed_private_key:{key.pk}"
    assert sealing.field_context(key, "sealed_private_key") == context
    assert sealing.unseal(bytes(key.sealed_private_key), context=context)


def test_opened_keys_are_forgotten_after_a_while(monkeypatch):
    backend, key = SoftwareBackend(), saved_key()
    sign(backend, key)
    lose(key)
    sign(backend, key)
    monkeypatch.setattr(software, "CACHE_SECONDS", -1.0)
    with pytest.raises(UpstreamUnavailable):
        sign(backend, key)


def test_the_oldest_key_is_forgotten_when_too_many_are_open():
    backend, rows = SoftwareBackend(), [saved_key() for _ in range(CACHE_SIZE + 1)]
    for row in rows:
        sign(backend, row)
        lose(row)
    for row in rows[1:]:
        sign(backend, row)
    with pytest.raises(UpstreamUnavailable):
        sign(backend, rows[0])
