"""A certificate as the lint reads it: raw fields, key, names and extensions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

from cryptography import x509
from cryptography.hazmat import asn1

from pki import chain, extensions, keys, structures
from pki.algorithms import KeyAlgorithm, key_algorithm_of
from pki.findings import Violation
from pki.names import read_subject
from pki.structures import TBSCertificate
from pki.template import TypeValue

_Value = TypeVar("_Value", bound=x509.ExtensionType)

_CACHED = 512


@dataclass(frozen=True, slots=True)
class IssuerInfo:
    """What the rules need of the issuing CA.

    Attributes:
        certificate: the CA's own certificate.
        subject_der: its subject exactly as encoded.
        key_identifier: what the AKI below it holds.
        not_after: end of its validity, aware UTC.
        has_name_constraints: whether it carries that extension.
    """

    certificate: x509.Certificate
    subject_der: bytes
    key_identifier: bytes | None
    not_after: datetime
    has_name_constraints: bool


@lru_cache(maxsize=_CACHED)
def issuer_info(certificate: x509.Certificate) -> IssuerInfo:
    """Return what the rules need of a CA; it is the same for every certificate it issues."""
    authority = extensions.authority_key_identifier(certificate).value
    assert isinstance(authority, x509.AuthorityKeyIdentifier)
    return IssuerInfo(
        certificate=certificate,
        subject_der=chain.subject_bytes(certificate),
        key_identifier=authority.key_identifier,
        not_after=certificate.not_valid_after_utc,
        has_name_constraints=any(
            extension.oid == x509.NameConstraints.oid for extension in certificate.extensions
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedCertificate:
    """A certificate, read once for all rules.

    Attributes:
        certificate: as the library reads it.
        issuer: the CA above; ``None`` for a self-signed certificate.
        fields: those of the TBSCertificate, as encoded.
        tbs_algorithm_der: the AlgorithmIdentifier inside the TBSCertificate.
        outer_algorithm_der: the AlgorithmIdentifier beside the signature.
        issuer_der: the issuer's Name.
        subject_der: the subject's Name.
        key_algorithm: of the subject's key; ``None`` for an unsupported one.
        key_identifier: computed from that key.
        subject: the pairs that can be read.
        subject_findings: what is wrong with the other parts of the subject.
        extensions: by object identifier; the library refuses repeated ones.
    """

    certificate: x509.Certificate
    issuer: IssuerInfo | None
    fields: TBSCertificate
    tbs_algorithm_der: bytes
    outer_algorithm_der: bytes
    issuer_der: bytes
    subject_der: bytes
    key_algorithm: KeyAlgorithm | None
    key_identifier: bytes
    subject: tuple[TypeValue, ...]
    subject_findings: tuple[Violation, ...]
    extensions: Mapping[x509.ObjectIdentifier, x509.Extension[Any]]

    def extension(self, kind: type[_Value]) -> x509.Extension[_Value] | None:
        """Return the extension that carries a ``kind``."""
        return self.extensions.get(kind.oid)

    @property
    def is_ca(self) -> bool:
        """Tell whether basicConstraints says cA."""
        constraints = self.extension(x509.BasicConstraints)
        return constraints is not None and constraints.value.ca


def parse(
    certificate: x509.Certificate, outer_algorithm_der: bytes, issuer: IssuerInfo | None
) -> ParsedCertificate:
    """Return the parts of a certificate.

    Raises:
        ValueError, TypeError, x509.DuplicateExtension: it cannot be read.
    """
    fields = structures.tbs_certificate(certificate)
    subject, findings = read_subject(certificate.subject)
    spki_der = asn1.encode_der(fields.subject_public_key_info)
    return ParsedCertificate(
        certificate=certificate,
        issuer=issuer,
        fields=fields,
        tbs_algorithm_der=asn1.encode_der(fields.signature),
        outer_algorithm_der=outer_algorithm_der,
        issuer_der=asn1.encode_der(fields.issuer),
        subject_der=asn1.encode_der(fields.subject),
        key_algorithm=key_algorithm_of(keys.load_public_key(spki_der)),
        key_identifier=keys.key_identifier(spki_der),
        subject=subject,
        subject_findings=findings,
        extensions={extension.oid: extension for extension in certificate.extensions},
    )
