"""Authorities, leaves and hand-made requests, built with the code under test and without."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from pki import build, keys, serials, structures
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm, default_signature_algorithm
from pki.structures import algorithm_identifier
from pki.template import Leaf, NameConstraints, Publication, TypeValue
from tests.unit.pki import der

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
PUBLICATION = Publication(
    crl_urls=("http://pki.example/pki/test/crl", "http://mirror.example/test.crl"),
    ocsp_urls=("http://pki.example/ocsp/test",),
    ca_issuers_urls=("http://pki.example/pki/test/ca.cer",),
)
ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")


@dataclass(frozen=True)
class Authority:
    """A CA certificate with its key."""

    key: PrivateKeyTypes
    certificate: x509.Certificate
    algorithm: KeyAlgorithm

    @property
    def issuer(self) -> build.Issuer:
        return build.Issuer(
            self.certificate, self.certificate.public_key(), self.algorithm, PUBLICATION
        )


@cache
def key_of(algorithm: KeyAlgorithm = KeyAlgorithm.EC_P256, number: int = 0) -> PrivateKeyTypes:
    """Return a key; the same one for the same arguments."""
    return keys.generate_private_key(algorithm)


@cache
def authority(
    algorithm: KeyAlgorithm = KeyAlgorithm.EC_P256,
    *,
    name: str = "Root",
    above: Authority | None = None,
    path_length: int | None = None,
    constraints: NameConstraints = build.UNCONSTRAINED,
    lifetime_days: int = 3650,
) -> Authority:
    """Return a root, or an intermediate under ``above``."""
    key = keys.generate_private_key(algorithm)
    content = build.CaCertificate(
        subject=(("country", "DE"), ("organization", "Example GmbH"), ("common_name", name)),
        public_key_der=keys.public_key_to_der(key.public_key()),
        signature_algorithm=default_signature_algorithm(above.algorithm if above else algorithm),
        not_before=NOW - timedelta(days=1),
        not_after=NOW + timedelta(days=lifetime_days),
        path_length=path_length,
        name_constraints=constraints,
    )
    tbs = build.ca_tbs(
        content, serial_number=serials.new_serial(), issuer=above.issuer if above else None
    )
    return Authority(key, signed(tbs, above or key), algorithm)


def leaf_of(**changes: object) -> Leaf:
    """Return the content of a TLS server's certificate, with ``changes``."""
    sample = Leaf(
        subject=(("common_name", "www.example.com"),),
        subject_alt_names=(("dns_name", "www.example.com"), ("ip_address", "192.0.2.7")),
        public_key_der=keys.public_key_to_der(key_of().public_key()),
        key_algorithm=KeyAlgorithm.EC_P256,
        signature_algorithm=default_signature_algorithm(KeyAlgorithm.EC_P256),
        key_usage=frozenset({"digital_signature"}),
        extended_key_usage=("server_auth",),
        not_before=NOW - timedelta(minutes=5),
        not_after=NOW + timedelta(days=90) - timedelta(minutes=5, seconds=1),
    )
    return replace(sample, **changes)


def signed(tbs: bytes, by: Authority | PrivateKeyTypes) -> x509.Certificate:
    """Return the certificate of ``tbs``, signed by an authority or a bare key."""
    key = by.key if isinstance(by, Authority) else by
    signature = algorithm_in(tbs)
    return x509.load_der_x509_certificate(
        build.assemble(tbs, signature, keys.sign(key, tbs, signature))
    )


def signature_identifier(tbs: bytes) -> bytes:
    """Return the DER of ``TBSCertificate.signature``."""
    return asn1.encode_der(structures.decode(structures.TBSCertificate, tbs).signature)


def algorithm_in(tbs: bytes) -> SignatureAlgorithm:
    """Return the signature algorithm that a TBS names."""
    identifier = signature_identifier(tbs)
    return next(a for a in SignatureAlgorithm if algorithm_identifier(a) == identifier)


def issue(above: Authority, **changes: object) -> x509.Certificate:
    """Return a leaf certificate under ``above``."""
    changes.setdefault("signature_algorithm", default_signature_algorithm(above.algorithm))
    tbs = build.leaf_tbs(
        leaf_of(**changes), serial_number=serials.new_serial(), issuer=above.issuer
    )
    return signed(tbs, above)


# --- requests made by hand --------------------------------------------------------------------


def object_id(dotted: str) -> bytes:
    """Return an OBJECT IDENTIFIER, DER."""
    first, second, *arcs = map(int, dotted.split("."))
    body = bytearray()
    for arc in (40 * first + second, *arcs):
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(arc & 0x7F | 0x80)
        body += bytes(reversed(septets))
    return der.encode(der.OBJECT_IDENTIFIER, bytes(body))


def raw_name(*attributes: tuple[str, int, bytes]) -> bytes:
    """Return a Name of (OID, string tag, octets), one per RDN."""
    return der.encode(
        der.SEQUENCE,
        *(
            der.encode(0x31, der.encode(0x30, object_id(oid), der.encode(tag, text)))
            for oid, tag, text in attributes
        ),
    )


def raw_extension(oid: str, value: bytes, *, critical: bool = False) -> bytes:
    """Return an Extension."""
    flag = b"\x01\x01\xff" if critical else b""
    return der.encode(0x30, object_id(oid), flag, der.encode(0x04, value))


def extension_request(*extensions: bytes) -> bytes:
    """Return an extensionRequest attribute."""
    return raw_attribute("1.2.840.113549.1.9.14", der.encode(0x30, *extensions))


def raw_attribute(oid: str, *values: bytes) -> bytes:
    """Return an Attribute."""
    return der.encode(0x30, object_id(oid), der.encode(0x31, *values))


def raw_csr(
    *attributes: bytes,
    name: bytes = b"\x30\x00",
    spki: bytes | None = None,
    algorithm: bytes = ECDSA_SHA256,
    signature: bytes | None = None,
    version: int = 0,
) -> bytes:
    """Return a P-256 request whose parts are given as DER; really signed unless told otherwise."""
    key = key_of()
    info = der.encode(
        0x30,
        der.encode(0x02, bytes([version])),
        name,
        spki or keys.public_key_to_der(key.public_key()),
        der.encode(0xA0, *sorted(attributes)),
    )
    if signature is None:
        chosen = default_signature_algorithm(KeyAlgorithm.EC_P256)
        signature = keys.sign(key, info, chosen)
    return der.encode(0x30, info, algorithm, der.encode(0x03, b"\x00", signature))


def san(*names: x509.GeneralName) -> bytes:
    """Return a subjectAltName extension."""
    return raw_extension("2.5.29.17", x509.SubjectAlternativeName(names).public_bytes())


def pairs(text: str) -> tuple[TypeValue, ...]:
    """Return (type, value) pairs of ``type=value`` words."""
    return tuple((word.partition("=")[0], word.partition("=")[2]) for word in text.split())
