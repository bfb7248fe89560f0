"""To-be-signed bytes of certificates, and certificates assembled from them and a signature.

No function here has a private key: a certificate is prepared, linted and put on record first,
then the real key signs exactly these bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
    CertificatePublicKeyTypes,
    PublicKeyTypes,
)

from pki import extensions, keys, structures
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm
from pki.extensions import AnyExtension
from pki.findings import UnusableCertificate, Violation
from pki.names import x509_name
from pki.structures import algorithm_identifier
from pki.template import Leaf, NameConstraints, Publication, TypeValue

UNCONSTRAINED = NameConstraints()
_CA_USAGE = frozenset({"key_cert_sign", "crl_sign"})
_RESPONDER_USAGE = frozenset({"digital_signature"})


@dataclass(frozen=True)
class Issuer:
    """A CA, and what the certificates it issues repeat of it.

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
    def name(self) -> x509.Name:
        """Return its subject. The library keeps the string types of an imported CA (X-04)."""
        return self.certificate.subject

    @cached_property
    def authority_key_identifier(self) -> AnyExtension:
        """Return the extension by which its certificates name its key."""
        return extensions.authority_key_identifier(self.certificate)

    @cached_property
    def publication_extensions(self) -> tuple[AnyExtension, ...]:
        """Return the extensions with its addresses."""
        return extensions.publication(self.publication)


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
        UnusableCertificate: there is neither a subject nor an alternative name, or a value that
            X.509 cannot carry.
        UnusableKey: the public key cannot be read, or the issuer's key cannot make signatures
            of the wanted kind.
    """
    return _tbs(
        leaf,
        serial_number,
        issuer.name,
        issuer.public_key,
        [
            extensions.subject_key_identifier(leaf.public_key_der),
            issuer.authority_key_identifier,
            *_leaf_extensions(leaf),
            *issuer.publication_extensions,
        ],
    )


def self_signed_leaf_tbs(leaf: Leaf, *, serial_number: int) -> bytes:
    """Return the TBSCertificate of a leaf that its own key signs, DER.

    Raises:
        UnusableCertificate: the subject is empty; it is the issuer here (RFC 5280 4.1.2.4).
        Otherwise as ``leaf_tbs``.
    """
    if not leaf.subject:
        raise UnusableCertificate([_EMPTY_ISSUER])
    found = [extensions.subject_key_identifier(leaf.public_key_der), *_leaf_extensions(leaf)]
    return _self_signed_tbs(leaf, serial_number, found)


def ca_tbs(ca: CaCertificate, *, serial_number: int, issuer: Issuer | None) -> bytes:
    """Return the TBSCertificate of a CA, DER; ``issuer`` is ``None`` for a self-signed root.

    Raises:
        UnusableCertificate: the subject is empty (X-07).
        Otherwise as ``leaf_tbs``.
    """
    if not ca.subject:
        raise UnusableCertificate([_EMPTY_ISSUER])
    found = [extensions.subject_key_identifier(ca.public_key_der)]
    if issuer:
        found.append(issuer.authority_key_identifier)
    found.append(extensions.basic_constraints(ca.path_length))
    found.append(extensions.key_usage(_CA_USAGE))
    if ca.extended_key_usage:
        found.append(extensions.extended_key_usage(ca.extended_key_usage))
    constraints = extensions.name_constraints(ca.name_constraints)
    if constraints:
        found.append(constraints)
    if issuer is None:
        return _self_signed_tbs(ca, serial_number, found)
    found.extend(issuer.publication_extensions)
    return _tbs(ca, serial_number, issuer.name, issuer.public_key, found)


def responder_tbs(responder: ResponderCertificate, *, serial_number: int, issuer: Issuer) -> bytes:
    """Return the TBSCertificate of a delegated OCSP responder, DER (RFC 6960 4.2.2.2).

    It carries id-pkix-ocsp-nocheck, so it needs no addresses to check its own status.
    """
    return _tbs(
        responder,
        serial_number,
        issuer.name,
        issuer.public_key,
        [
            extensions.subject_key_identifier(responder.public_key_der),
            issuer.authority_key_identifier,
            extensions.key_usage(_RESPONDER_USAGE),
            extensions.extended_key_usage(("ocsp_signing",)),
            extensions.ocsp_no_check(),
        ],
    )


def assemble(tbs_der: bytes, signature_algorithm: SignatureAlgorithm, signature: bytes) -> bytes:
    """Return the certificate DER of to-be-signed bytes and the signature over them.

    The outer AlgorithmIdentifier is the one in the TBS, byte for byte (RFC 5280 section
    4.1.1.2, X-03).

    Raises:
        ValueError: the TBS names another algorithm than ``signature_algorithm``.
    """
    identifier = algorithm_identifier(signature_algorithm)
    fields = structures.decode(structures.TBSCertificate, tbs_der)
    if asn1.encode_der(fields.signature) != identifier:
        raise ValueError(f"the to-be-signed bytes are not for {signature_algorithm.value}")
    return structures.signed(tbs_der, identifier, signature)


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


def _leaf_extensions(leaf: Leaf) -> list[AnyExtension]:
    """Return the extensions with purposes and names, each only when there is something."""
    if not leaf.subject and not leaf.subject_alt_names:
        raise UnusableCertificate([_NAMELESS])
    found = []
    if leaf.is_ca:
        found.append(extensions.basic_constraints(leaf.path_length))
    if leaf.key_usage:
        found.append(extensions.key_usage(leaf.key_usage))
    if leaf.extended_key_usage:
        found.append(extensions.extended_key_usage(leaf.extended_key_usage))
    if leaf.subject_alt_names:
        critical = not leaf.subject
        found.append(extensions.subject_alternative_name(leaf.subject_alt_names, critical=critical))
    if leaf.must_staple:
        found.append(extensions.must_staple())
    return found


def _self_signed_tbs(
    content: Leaf | CaCertificate, serial_number: int, found: Sequence[AnyExtension]
) -> bytes:
    key = keys.load_public_key(content.public_key_der)
    return _tbs(content, serial_number, x509_name(content.subject), key, found)


def _tbs(
    content: Leaf | CaCertificate | ResponderCertificate,
    serial_number: int,
    issuer_name: x509.Name,
    issuer_key: PublicKeyTypes,
    found: Sequence[AnyExtension],
) -> bytes:
    """Return the TBSCertificate that the library makes (RFC 5280 section 4.1).

    The library builds and signs in one step, but the intent has to be stored before the real
    key signs. So it signs with a stand-in for the issuer's key, and only the bytes that it
    would have signed are kept.
    """
    stand_in = keys.delegated_private_key(issuer_key, _no_signature)
    subject, key = x509_name(content.subject), keys.load_public_key(content.public_key_der)
    try:
        builder = (
            x509.CertificateBuilder()
            .issuer_name(issuer_name)
            .subject_name(subject)
            .public_key(cast("CertificatePublicKeyTypes", key))
            .serial_number(serial_number)
            .not_valid_before(content.not_before)
            .not_valid_after(content.not_after)
        )
        for extension in found:
            builder = builder.add_extension(extension.value, extension.critical)
        signer = cast("CertificateIssuerPrivateKeyTypes", stand_in)
        # The builder takes SHA-2 only, by a closed union that our table of hashes is wider than.
        certificate = builder.sign(signer, cast("Any", content.signature_algorithm.hash))
    except (TypeError, ValueError) as error:
        raise UnusableCertificate([_unencodable(error)]) from error
    return certificate.tbs_certificate_bytes


def _no_signature(_: bytes) -> bytes:
    return b""


def _unencodable(error: Exception) -> Violation:
    reason = f"X.509 cannot carry these values: {error}"
    return Violation("certificate.unencodable", "certificate", "", reason)
