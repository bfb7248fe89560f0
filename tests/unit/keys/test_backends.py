"""Conformance tests of the key backend port, run on every registered backend."""

import pytest
from django.db import transaction

from apps.errors import UpstreamRejected
from apps.keys.backends import backend_of, register, registered_backends
from apps.keys.services import generate_key
from apps.keys.software import SoftwareBackend
from pki import keys
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm, default_signature_algorithm

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("keyring")]
# RSA 4096 takes seconds and runs the same code as the smaller sizes.
ALGORITHMS = [a for a in KeyAlgorithm if a != KeyAlgorithm.RSA_4096]
SIGNATURE = SignatureAlgorithm.ECDSA_SHA256


@pytest.fixture(params=registered_backends(), ids=lambda backend: backend.name)
def backend(request):
    return request.param


@pytest.fixture
def key(backend):
    return saved_key(backend, KeyAlgorithm.EC_P256)


def saved_key(backend, algorithm):
    row = generate_key(algorithm, backend_name=backend.name)
    row.save(force_insert=True)
    return row


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_of_each_algorithm_signs(backend, algorithm):
    row = saved_key(backend, algorithm)
    signature_algorithm = default_signature_algorithm(algorithm)
    signature = backend.sign(row, b"data", signature_algorithm)
    public_key = keys.load_public_key(bytes(row.public_key_der))
    assert keys.verify(public_key, signature, b"data", signature_algorithm)


def test_the_row_describes_the_key(backend, key):
    assert (key.backend, key.algorithm) == (backend.name, "ec-p256")
    assert key.spki_sha256 == keys.spki_sha256(bytes(key.public_key_der))


def test_keys_are_not_used_inside_a_transaction(backend, key):
    uses = (
        lambda: backend.generate(KeyAlgorithm.EC_P256, key.pk),
        lambda: backend.sign(key, b"data", SIGNATURE),
        lambda: backend.destroy(key),
    )
    with transaction.atomic():
        for use in uses:
            with pytest.raises(RuntimeError, match="transaction"):
                use()


def test_a_key_makes_only_signatures_that_fit_it(backend, key):
    with pytest.raises(UpstreamRejected):
        backend.sign(key, b"data", SignatureAlgorithm.RSA_SHA256)


def test_a_destroyed_key_does_not_sign_and_is_destroyed_again_without_harm(backend, key):
    backend.sign(key, b"data", SIGNATURE)
    for _ in range(2):
        backend.destroy(key)
        key.save()
        with pytest.raises(UpstreamRejected):
            backend.sign(key, b"data", SIGNATURE)


def test_backends_are_found_by_name():
    assert backend_of("software").name == "software"
    with pytest.raises(LookupError):
        backend_of("paper")
    with pytest.raises(ValueError, match="twice"):
        register(SoftwareBackend())
