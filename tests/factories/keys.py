"""Private keys for tests, one for each algorithm and number, made once per process."""

from functools import lru_cache
from typing import Any

from pki import csr, keys
from pki.algorithms import KeyAlgorithm, default_signature_algorithm
from pki.template import TypeValue


@lru_cache(maxsize=64)
def private_key(algorithm: KeyAlgorithm = KeyAlgorithm.EC_P256, number: int = 0) -> Any:
    """Return a private key; the same arguments give the same key."""
    return keys.generate_private_key(algorithm)


def public_key_der(algorithm: KeyAlgorithm = KeyAlgorithm.EC_P256, number: int = 0) -> bytes:
    """Return the SubjectPublicKeyInfo of that key, DER."""
    return keys.public_key_to_der(private_key(algorithm, number).public_key())


def make_csr(
    *names: str,
    subject: tuple[TypeValue, ...] | None = None,
    algorithm: KeyAlgorithm = KeyAlgorithm.EC_P256,
    number: int = 0,
) -> bytes:
    """Return a CSR (DER) for DNS names; the first one is the common name unless told otherwise."""
    if subject is None:
        subject = (("common_name", names[0]),) if names else ()
    return csr.build_csr(
        subject=subject,
        subject_alt_names=tuple(("dns_name", name) for name in names),
        private_key=private_key(algorithm, number),
        algorithm=default_signature_algorithm(algorithm),
    )
