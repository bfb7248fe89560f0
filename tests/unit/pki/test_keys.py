"""Keys: making, storing, signing, delegating, judging."""

import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa, x25519

from pki import keys, stand_ins
from pki.algorithms import (
    KeyAlgorithm,
    SignatureAlgorithm,
    key_algorithm_of,
    signature_algorithms_of,
)
from pki.findings import UnusableKey
from tests.unit.pki.samples import key_of

EVERY = list(KeyAlgorithm)


def codes(found):
    return [violation.code for violation in found]


@pytest.mark.parametrize("algorithm", EVERY)
def test_every_algorithm_makes_a_key_that_survives_storage(algorithm):
    key = key_of(algorithm)

    again = keys.private_key_from_pkcs8(keys.private_key_to_pkcs8(key), trusted=True)

    assert again.public_key() == key.public_key()
    assert keys.load_public_key(keys.public_key_to_der(key.public_key())) == key.public_key()


@pytest.mark.parametrize("algorithm", EVERY)
def test_every_signature_of_every_key_verifies_and_fails_over_other_data(algorithm):
    key = key_of(algorithm)
    for signature_algorithm in signature_algorithms_of(algorithm):
        signature = keys.sign(key, b"data", signature_algorithm)

        assert keys.verify(key.public_key(), signature, b"data", signature_algorithm)
        assert not keys.verify(key.public_key(), signature, b"Data", signature_algorithm)


def test_a_key_refuses_an_algorithm_of_another_family():
    with pytest.raises(UnusableKey):
        keys.sign(key_of(KeyAlgorithm.ED25519), b"data", SignatureAlgorithm.RSA_SHA256)
    ed448 = key_of(KeyAlgorithm.ED448)
    assert not keys.verify(ed448.public_key(), b"", b"data", SignatureAlgorithm.ED25519)
    with pytest.raises(UnusableKey):
        keys.sign(ed448, b"data", SignatureAlgorithm.ED25519)


def test_an_rsa_key_and_an_elliptic_one_do_not_stand_in_for_each_other():
    elliptic, rsa_key = key_of(KeyAlgorithm.EC_P256), key_of(KeyAlgorithm.RSA_2048)
    for key, algorithm in (
        (elliptic, SignatureAlgorithm.RSA_SHA256),
        (rsa_key, SignatureAlgorithm.ECDSA_SHA256),
    ):
        with pytest.raises(UnusableKey):
            keys.sign(key, b"data", algorithm)
        assert not keys.verify(key.public_key(), b"", b"data", algorithm)


def test_keys_of_one_class_are_told_apart_and_others_are_none():
    for algorithm in EVERY:
        assert key_algorithm_of(key_of(algorithm).public_key()) == algorithm
    for key in (
        ec.generate_private_key(ec.SECP256K1()),
        rsa.generate_private_key(65537, 1024),
        x25519.X25519PrivateKey.generate(),
    ):
        assert key_algorithm_of(key.public_key()) is None


@pytest.mark.parametrize("cut", [0, 1, 20])
def test_what_only_begins_like_a_key_is_none(cut):
    encoded = keys.public_key_to_der(key_of(KeyAlgorithm.EC_P256).public_key())
    for data in (encoded[: -cut or 0], encoded + bytes(cut + 1), encoded[:-1] + b"\x00\x00"):
        with pytest.raises(UnusableKey):
            keys.load_public_key(data)


def test_a_password_protects_pem_and_der():
    key = key_of(KeyAlgorithm.ML_DSA_44)

    pem = keys.private_key_to_pem(key, b"secret")

    assert b"ENCRYPTED" in pem
    assert serialization.load_pem_private_key(pem, b"secret").public_key() == key.public_key()
    with pytest.raises(UnusableKey):
        keys.private_key_from_pkcs8(keys.private_key_to_pkcs8(key, b"secret"), trusted=False)


@pytest.mark.parametrize("data", [b"", b"\x30\x00", b"no key", b"\x30\x84\xff\xff\xff\xff"])
def test_bytes_that_are_no_key_are_refused(data):
    with pytest.raises(UnusableKey):
        keys.private_key_from_pkcs8(data, trusted=False)
    with pytest.raises(UnusableKey):
        keys.load_public_key(data)


def test_private_keys_of_other_kinds_are_refused():
    der = keys.private_key_to_pkcs8(x25519.X25519PrivateKey.generate())
    with pytest.raises(UnusableKey, match="X25519"):
        keys.private_key_from_pkcs8(der, trusted=False)


def test_x11_key_identifier_is_sha1_of_the_bit_string():
    for algorithm in EVERY:
        public = key_of(algorithm).public_key()
        wanted = x509.SubjectKeyIdentifier.from_public_key(public).digest
        assert keys.key_identifier(keys.public_key_to_der(public)) == wanted


def test_a_key_is_identified_by_the_digest_of_its_spki():
    assert keys.spki_sha256(b"spki") == hashlib.sha256(b"spki").hexdigest()


@pytest.mark.parametrize("algorithm", EVERY)
def test_a_delegated_key_passes_the_data_on_and_keeps_the_secret_away(algorithm):
    key = key_of(algorithm)
    seen = []
    chosen = signature_algorithms_of(algorithm)[0]

    def remote(data):
        seen.append(data)
        return keys.sign(key, data, chosen)

    stand_in = keys.delegated_private_key(key.public_key(), remote)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "delegated")])
    request = x509.CertificateSigningRequestBuilder(name).sign(stand_in, chosen.hash)

    assert request.is_signature_valid
    assert seen == [request.tbs_certrequest_bytes]
    assert stand_in.public_key() == key.public_key()
    with pytest.raises(TypeError, match="not here"):
        keys.private_key_to_pkcs8(stand_in)


def test_keys_that_do_not_sign_cannot_be_delegated():
    with pytest.raises(UnusableKey):
        keys.delegated_private_key(x25519.X25519PrivateKey.generate().public_key(), bytes)


# --- judging (B-03, AC-02) --------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", EVERY)
def test_b03_fresh_keys_are_sound(algorithm):
    assert keys.check_public_key(key_of(algorithm).public_key()) == ()


def rsa_public(modulus, exponent=65537):
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


@pytest.mark.parametrize("bits", [1024, 2056, 5120])
def test_b03_unsupported_rsa_sizes_are_refused(bits):
    key = rsa.generate_private_key(65537, bits).public_key() if bits < 4096 else big_rsa(bits)
    assert "key.size" in codes(keys.check_public_key(key))


def big_rsa(bits):
    """Return a public key whose modulus is a product of two numbers nobody checked."""
    return rsa_public((1 << bits) - 105)


def test_b03_a_huge_modulus_is_refused_without_computing_on_it():
    assert codes(keys.check_public_key(big_rsa(16384))) == ["key.size"]


@pytest.mark.parametrize("exponent", [3, 17, 2**64 + 13])
def test_b03_unsafe_exponents_are_refused(exponent):
    modulus = key_of(KeyAlgorithm.RSA_2048).public_key().public_numbers().n
    assert codes(keys.check_public_key(rsa_public(modulus, exponent))) == ["key.exponent"]


@pytest.mark.parametrize("exponent", [1, 2, 65538])
def test_b03_even_and_tiny_exponents_make_no_key(exponent):
    modulus = key_of(KeyAlgorithm.RSA_2048).public_key().public_numbers().n
    with pytest.raises(ValueError):
        rsa_public(modulus, exponent)


def test_b03_close_primes_are_found_by_fermat():
    import gmpy2

    p = gmpy2.next_prime(gmpy2.mpz(3) << 1022)
    q = gmpy2.next_prime(p + (1 << 300))
    found = keys.check_public_key(rsa_public(int(p * q)))
    assert ("key.weak", "fermat") in [(v.code, v.value) for v in found]


def test_b03_small_factors_are_found():
    import gmpy2

    modulus = 743 * int(gmpy2.next_prime(gmpy2.mpz(1) << 2038))
    found = keys.check_public_key(rsa_public(modulus | 1))
    assert "smallfactors" in [v.value for v in found]


def test_b03_roca_keys_are_found():
    import gmpy2

    # The flawed generator made primes of the form k * M + (65537 ** a mod M).
    primorial = 1
    for prime in map(int, primes_up_to(701)):
        primorial *= prime
    made = []
    for seed in (3, 5):
        candidate = pow(65537, 1000 + seed, primorial) + primorial * (seed << 50)
        while not gmpy2.is_prime(candidate) or candidate.bit_length() > 1024:
            candidate += primorial
        made.append(candidate)
    modulus = made[0] * made[1]
    found = keys.check_public_key(rsa_public(modulus))
    assert "roca" in [v.value for v in found]


def primes_up_to(limit):
    import gmpy2

    prime = gmpy2.mpz(2)
    while prime <= limit:
        yield prime
        prime = gmpy2.next_prime(prime)


def test_ac02_other_curves_and_kinds_are_refused():
    for key, code in (
        (ec.generate_private_key(ec.SECP224R1()), "key.curve"),
        (ec.generate_private_key(ec.SECP256K1()), "key.curve"),
        (x25519.X25519PrivateKey.generate(), "key.type"),
        (dsa.generate_private_key(2048), "key.type"),
    ):
        assert codes(keys.check_public_key(key.public_key())) == [code]


def test_ac02_a_point_off_the_curve_is_no_key():
    der = bytearray(keys.public_key_to_der(key_of().public_key()))
    der[-1] ^= 1
    with pytest.raises(UnusableKey):
        keys.load_public_key(bytes(der))


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
def test_stand_ins_are_acceptable_keys_of_their_algorithm(algorithm):
    public = keys.load_public_key(stand_ins.public_key_der(algorithm))
    assert key_algorithm_of(public) == algorithm
    assert keys.check_public_key(public) == ()
