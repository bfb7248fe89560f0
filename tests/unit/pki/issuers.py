"""Throw-away issuers for tests of CRLs, OCSP responses and containers."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pki import keys
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm, default_signature_algorithm

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class TestIssuer:
    """A self-signed authority (or a responder below one) and its key."""

    __test__ = False

    key: PrivateKeyTypes
    certificate: x509.Certificate
    signature_algorithm: SignatureAlgorithm

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def sign(self) -> Callable[[bytes], bytes]:
        return lambda data: keys.sign(self.key, data, self.signature_algorithm)


@cache
def issuer(algorithm: KeyAlgorithm, *, crl_sign: bool = True, skid: bool = True) -> TestIssuer:
    """Return a root authority; the same one for the same arguments."""
    key = keys.generate_private_key(algorithm)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "GR"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Root {algorithm.value}"),
        ]
    )
    builder = (
        _builder(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(crl_sign=crl_sign), critical=True)
    )
    if skid:
        # Not the digest of the key: the identifier must be copied, not computed.
        builder = builder.add_extension(x509.SubjectKeyIdentifier(b"\x5a" * 20), critical=False)
    signature = default_signature_algorithm(algorithm)
    return TestIssuer(key, builder.sign(key, signature.hash), signature)


@cache
def responder(algorithm: KeyAlgorithm) -> TestIssuer:
    """Return a delegated OCSP responder below ``issuer(algorithm)``, with the same algorithm."""
    above = issuer(algorithm)
    key = keys.generate_private_key(algorithm)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Responder")])
    certificate = (
        _builder(name, above.certificate.subject, key)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), critical=False)
        .add_extension(x509.OCSPNoCheck(), critical=False)
        .sign(above.key, above.signature_algorithm.hash)
    )
    return TestIssuer(key, certificate, above.signature_algorithm)


def leaf(above: TestIssuer, key: PrivateKeyTypes, common_name: str = "leaf") -> x509.Certificate:
    """Return an end-entity certificate."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = _builder(name, above.certificate.subject, key)
    return builder.sign(above.key, above.signature_algorithm.hash)


def _builder(subject: x509.Name, issuer_name: x509.Name, key) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        subject_name=subject,
        issuer_name=issuer_name,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=BEGIN,
        not_valid_after=END,
    )


def _key_usage(*, crl_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )
