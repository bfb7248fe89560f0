"""How do decided values become the to-be-signed bytes of a certificate, and those a certificate?

No function here has a private key, so the frame of a TBSCertificate is written here. What
certificates of one issuer and purpose share is encoded once, by the library; what each has of
its own is written straight into DER.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from pki import chain, der, der_values, extensions, keys
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm
from pki.extensions import encoded
from pki.findings import UnusableCertificate, Violation
from pki.name_writer import encoded_alt_names, encoded_subject
from pki.template import Leaf, NameConstraints, Publication, TypeValue

UNCONSTRAINED = NameConstraints()
_CA_USAGE = frozenset({"key_cert_sign", "crl_sign"})
_RESPONDER_USAGE = frozenset({"digital_signature"})
_CACHED = 512
_VERSION_3 = der.encode(der.CONTEXT_0, der_values.integer(2))
_EXTENSIONS_TAG = 0xA3


@dataclass(frozen=True)
class Issuer:
    """A CA as certificates name it; what they repeat of it is encoded once.

    Attributes:
        certificate: the CA's own certificate.
        public_key: its key.
        key_algorithm: algorithm of that key.
        publication: addresses that go into the certificates it issues.
    """

    certificate: x509.Certificate
    public_key: PublicKeyTypes
    key_algorithm: KeyAlgorithm
    publication: Publication

    @cached_property
    def subject_der(self) -> bytes:
        """Return its subject, exactly as its certificate has it."""
        return chain.subject_bytes(self.certificate)

    @cached_property
    def authority_extension(self) -> bytes:
        """Return the authority key identifier that points to it, an Extension."""
        return encoded(extensions.authority_key_identifier(self.certificate))

    @cached_property
    def publication_extensions(self) -> bytes:
        """Return the Extensions with its addresses, one after the other."""
        return encoded(*extensions.publication(self.publication))


@dataclass(frozen=True, slots=True)
class CaCertificate:
    """The content of a CA certificate, except its serial number.

    Attributes:
        subject: ordered (attribute, value) pairs, not empty.
        public_key_der: SubjectPublicKeyInfo, DER.
        signature_algorithm: what the issuer (or, for a root, the key itself) signs with.
        not_before: aware UTC, whole seconds.
        not_after: aware UTC, whole seconds, inclusive.
        path_length: pathLenConstraint; ``None`` for no limit.
        name_constraints: subtrees; empty for none.
        extended_key_usage: names from ``EXTENDED_KEY_USAGES``; empty for no restriction.
    """

    subject: tuple[TypeValue, ...]
    public_key_der: bytes
    signature_algorithm: SignatureAlgorithm
    not_before: datetime
    not_after: datetime
    path_length: int | None = None
    name_constraints: NameConstraints = UNCONSTRAINED
    extended_key_usage: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResponderCertificate:
    """The content of an OCSP responder's certificate, except its serial number."""

    subject: tuple[TypeValue, ...]
    public_key_der: bytes
    signature_algorithm: SignatureAlgorithm
    not_before: datetime
    not_after: datetime


def leaf_tbs(leaf: Leaf, *, serial_number: int, issuer: Issuer) -> bytes:
    """Return the TBSCertificate of ``leaf`` under ``issuer``, DER.

    Raises:
        UnusableName: the subject cannot be encoded.
        UnusableCertificate: there is neither a subject nor an alternative name.
        UnusableKey: the public key cannot be read.
    """
    return _tbs(
        leaf,
        serial_number,
        issuer.subject_der,
        encoded_subject(leaf.subject),
        extensions.encoded_key_identifier(keys.key_identifier(leaf.public_key_der)),
        issuer.authority_extension,
        _leaf_extensions(leaf),
        issuer.publication_extensions,
    )


def self_signed_leaf_tbs(leaf: Leaf, *, serial_number: int) -> bytes:
    """Return the TBSCertificate of a leaf that its own key signs, DER.

    Raises:
        UnusableCertificate: the subject is empty; it is the issuer here (RFC 5280 4.1.2.4).
    """
    if not leaf.subject:
        raise UnusableCertificate([_EMPTY_ISSUER])
    subject = encoded_subject(leaf.subject)
    ski = extensions.encoded_key_identifier(keys.key_identifier(leaf.public_key_der))
    return _tbs(leaf, serial_number, subject, subject, ski, _leaf_extensions(leaf))


def ca_tbs(ca: CaCertificate, *, serial_number: int, issuer: Issuer | None) -> bytes:
    """Return the TBSCertificate of a CA, DER; ``issuer`` is ``None`` for a self-signed root.

    Raises:
        UnusableName: the subject cannot be encoded.
        UnusableCertificate: the subject is empty (X-07).
    """
    if not ca.subject:
        raise UnusableCertificate([_EMPTY_ISSUER])
    subject = encoded_subject(ca.subject)
    above = issuer.subject_der if issuer else subject
    found = [extensions.subject_key_identifier(ca.public_key_der)]
    if issuer:
        found.append(extensions.authority_key_identifier(issuer.certificate))
    found.append(extensions.basic_constraints(ca.path_length))
    found.append(extensions.key_usage(_CA_USAGE))
    if ca.extended_key_usage:
        found.append(extensions.extended_key_usage(ca.extended_key_usage))
    constraints = extensions.name_constraints(ca.name_constraints)
    if constraints:
        found.append(constraints)
    if issuer:
        found.extend(extensions.publication(issuer.publication))
    return _tbs(ca, serial_number, above, subject, encoded(*found))


def responder_tbs(responder: ResponderCertificate, *, serial_number: int, issuer: Issuer) -> bytes:
    """Return the TBSCertificate of a delegated OCSP responder, DER (RFC 6960 4.2.2.2).

    It carries id-pkix-ocsp-nocheck, hence no addresses to check its own status.
    """
    return _tbs(
        responder,
        serial_number,
        issuer.subject_der,
        encoded_subject(responder.subject),
        encoded(
            extensions.subject_key_identifier(responder.public_key_der),
            extensions.authority_key_identifier(issuer.certificate),
            extensions.key_usage(_RESPONDER_USAGE),
            extensions.extended_key_usage(("ocsp_signing",)),
            extensions.ocsp_no_check(),
        ),
    )


def assemble(tbs_der: bytes, signature_algorithm: SignatureAlgorithm, signature: bytes) -> bytes:
    """Return the certificate DER of to-be-signed bytes and the signature over them.

    The outer AlgorithmIdentifier is the one in the TBS, byte for byte (RFC 5280 section
    4.1.1.2, X-03).

    Raises:
        ValueError: the TBS names another algorithm than ``signature_algorithm``.
    """
    identifier = der_values.algorithm_identifier(signature_algorithm)
    if not tbs_der.startswith(identifier, chain.signature_offset(tbs_der)):
        raise ValueError(f"the to-be-signed bytes are not for {signature_algorithm.value}")
    return der.encode(
        der.SEQUENCE, tbs_der, identifier, der.encode(der.BIT_STRING, b"\x00", signature)
    )


def known_signature_identifiers() -> frozenset[bytes]:
    """Return the AlgorithmIdentifiers (DER) of every signature that an issuer may make."""
    return _KNOWN_IDENTIFIERS


_KNOWN_IDENTIFIERS = frozenset(map(der_values.algorithm_identifier, SignatureAlgorithm))

_EMPTY_ISSUER = Violation(
    code="certificate.empty_subject",
    field="subject",
    value="",
    reason="The subject is empty, but this certificate's subject is an issuer.",
    hint="At least a common name.",
)
_NAMELESS = Violation(
    code="certificate.no_name",
    field="subject_alt_names",
    value="",
    reason="The certificate has neither a subject nor an alternative name.",
    hint="At least one alternative name.",
)


def _leaf_extensions(leaf: Leaf) -> bytes:
    """Return what says who the leaf is and what it may do, each only when there is something."""
    if not leaf.subject and not leaf.subject_alt_names:
        raise UnusableCertificate([_NAMELESS])
    purposes = _purposes(leaf.is_ca, leaf.path_length, leaf.key_usage, leaf.extended_key_usage)
    if not leaf.subject_alt_names:
        return purposes
    return purposes + encoded_alt_names(leaf.subject_alt_names, critical=not leaf.subject)


@lru_cache(maxsize=_CACHED)
def _purposes(
    is_ca: bool, path_length: int | None, usages: frozenset[str], extended: tuple[str, ...]
) -> bytes:
    found = []
    if is_ca:
        found.append(extensions.basic_constraints(path_length))
    if usages:
        found.append(extensions.key_usage(usages))
    if extended:
        found.append(extensions.extended_key_usage(extended))
    return encoded(*found)


def _tbs(
    content: Leaf | CaCertificate | ResponderCertificate,
    serial_number: int,
    issuer: bytes,
    subject: bytes,
    *found: bytes,
) -> bytes:
    """Return a TBSCertificate (RFC 5280 section 4.1).

    Args:
        content: where the other fields stand.
        serial_number: of the certificate.
        issuer: a Name, DER.
        subject: a Name, DER.
        found: its extensions, DER.
    """
    validity = der_values.time(content.not_before) + der_values.time(content.not_after)
    return der.encode(
        der.SEQUENCE,
        _VERSION_3,
        der_values.integer(serial_number),
        der_values.algorithm_identifier(content.signature_algorithm),
        issuer,
        der.encode(der.SEQUENCE, validity),
        subject,
        keys.own_encoding(content.public_key_der),
        der.encode(_EXTENSIONS_TAG, der.encode(der.SEQUENCE, *found)),
    )
