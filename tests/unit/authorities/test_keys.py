"""Are private keys used only where and when they may be?"""

import pytest
from django.db import transaction

from apps import sealing
from apps.authorities.keys import software
from apps.authorities.keys.backends import backend_of, register
from apps.authorities.keys.rows import fresh_key
from apps.authorities.keys.software import SoftwareBackend
from apps.authorities.models import Key
from apps.errors import UpstreamRejected, UpstreamUnavailable
from pki import keys
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm, default_signature_algorithm

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("keyring")]
SIGNATURE = SignatureAlgorithm.ECDSA_SHA256


@pytest.fixture
def key():
    row = fresh_key(KeyAlgorithm.EC_P256)
    row.save(force_insert=True)
    return row


@pytest.mark.parametrize("algorithm", [a for a in KeyAlgorithm if a != KeyAlgorithm.RSA_4096])
def test_a_key_of_each_algorithm_signs(algorithm):
    row = fresh_key(algorithm)
    row.save(force_insert=True)
    signature_algorithm = default_signature_algorithm(algorithm)
    signature = SoftwareBackend().sign(row, b"data", signature_algorithm)
    public_key = keys.load_public_key(bytes(row.public_key_der))
    assert keys.verify(public_key, signature, b"data", signature_algorithm)


def test_keys_are_not_used_inside_a_transaction(key):
    with transaction.atomic():
        with pytest.raises(RuntimeError, match="transaction"):
            backend_of("software").sign(key, b"data", SIGNATURE)
        with pytest.raises(RuntimeError, match="transaction"):
            backend_of("software").generate(KeyAlgorithm.EC_P256, key.pk)


def test_the_row_holds_no_private_key_in_the_clear(key):
    pkcs8 = sealing.unseal(
        bytes(key.sealed_private_key), context=sealing.field_context(key, "sealed_private_key")
    )
    private = keys.private_key_from_pkcs8(pkcs8, trusted=True)
    assert private.private_numbers().private_value.to_bytes(32, "big") not in bytes(
        key.sealed_private_key
    )


def test_a_private_key_moved_to_another_row_does_not_sign(key):
    other = fresh_key(KeyAlgorithm.EC_P256)
    other.sealed_private_key = key.sealed_private_key
    other.save(force_insert=True)
    with pytest.raises(UpstreamUnavailable):
        SoftwareBackend().sign(other, b"data", SIGNATURE)


def test_a_destroyed_key_does_not_sign(key):
    backend = SoftwareBackend()
    backend.sign(key, b"data", SIGNATURE)
    backend.destroy(key)
    key.save()
    with pytest.raises(UpstreamRejected):
        backend.sign(key, b"data", SIGNATURE)


def test_a_key_makes_only_signatures_that_fit_it(key):
    with pytest.raises(UpstreamRejected):
        SoftwareBackend().sign(key, b"data", SignatureAlgorithm.RSA_SHA256)


def test_opened_keys_are_forgotten_after_a_while(key, monkeypatch):
    backend = SoftwareBackend()
    backend.sign(key, b"data", SIGNATURE)
    Key.objects.filter(pk=key.pk).update(sealed_private_key=b"gone")
    backend.sign(key, b"data", SIGNATURE)
    monkeypatch.setattr(software, "_CACHE_SECONDS", -1.0)
    with pytest.raises(UpstreamUnavailable):
        backend.sign(key, b"data", SIGNATURE)


def test_at_most_64_keys_stay_open(key):
    backend = SoftwareBackend()
    backend.sign(key, b"data", SIGNATURE)
    for _ in range(64):
        row = fresh_key(KeyAlgorithm.ED25519)
        row.save(force_insert=True)
        backend.sign(row, b"data", SignatureAlgorithm.ED25519)
    assert len(backend._opened._entries) == 64
    assert key.pk not in backend._opened._entries


def test_backends_are_found_by_name():
    assert backend_of("software").name == "software"
    with pytest.raises(LookupError):
        backend_of("paper")
    with pytest.raises(ValueError, match="twice"):
        register(SoftwareBackend())
