"""What do the rules of ``pki.lint`` look at? One certificate, taken apart once, from its bytes.

The library reads extensions into objects only when somebody asks for one: of a usual
certificate, everything that its siblings do not share stands in plain bytes.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from pki import chain, der, extensions, keys
from pki.algorithms import KeyAlgorithm, key_algorithm_of
from pki.encoded_names import (
    AlternativeNames,
    has_alt_names,
    read_encoded_alt_names,
    read_encoded_subject,
)
from pki.findings import UnusableKey, Violation
from pki.names import san_pair
from pki.template import TypeValue

_Value = TypeVar("_Value", bound=x509.ExtensionType)

# Positions in a TBSCertificate (RFC 5280 section 4.1), the version first.
SIGNATURE, ISSUER, VALIDITY, SUBJECT, SPKI = 2, 3, 4, 5, 6
EXTENSIONS_TAG = 0xA3

_CACHED = 512


@dataclass(frozen=True, slots=True, eq=False)
class Above:
    """What the rules ask about an issuer; one object for all certificates that it issues."""

    certificate: x509.Certificate
    subject: bytes
    key_identifier: bytes | None
    not_after: datetime
    has_name_constraints: bool


@dataclass(slots=True, kw_only=True, eq=False)
class Specimen:
    """A certificate, taken apart once for all rules.

    Attributes:
        certificate: itself.
        above: what is known of the CA above; ``None`` for a self-signed certificate.
        algorithm_der: the AlgorithmIdentifier beside the signature.
        fields: those of the TBSCertificate in DER; a version that is not written is empty.
        key_algorithm: of the subject's key; ``None`` when it is not one of ours.
        key_identifier: computed from that key.
        subject: the pairs that can be read.
        subject_findings: what is wrong with the other parts of the subject.
        alt_names: the alternative names; ``None`` without that extension.
        shared: DER of every extension but the alternative names and the key's identifier, which
            both are sound as far as their encoding goes. ``None`` when that is not plain to see;
            then the library has read all of them.
    """

    certificate: x509.Certificate
    above: Above | None
    algorithm_der: bytes
    fields: list[bytes]
    key_algorithm: KeyAlgorithm | None
    key_identifier: bytes
    subject: tuple[TypeValue, ...]
    subject_findings: tuple[Violation, ...]
    alt_names: AlternativeNames | None
    shared: tuple[bytes, ...] | None

    def extension(self, kind: type[_Value]) -> x509.Extension[_Value] | None:
        """Return the extension that carries a ``kind``."""
        return _extension(self.certificate, kind)

    @property
    def is_ca(self) -> bool:
        """Tell whether basicConstraints says cA."""
        constraints = self.extension(x509.BasicConstraints)
        return constraints is not None and constraints.value.ca


@lru_cache(maxsize=_CACHED)
def above_of(issuer: x509.Certificate) -> Above:
    """Return what the rules ask about an issuer."""
    authority = extensions.authority_key_identifier(issuer).value
    assert isinstance(authority, x509.AuthorityKeyIdentifier)
    return Above(
        certificate=issuer,
        subject=chain.subject_bytes(issuer),
        key_identifier=authority.key_identifier,
        not_after=issuer.not_valid_after_utc,
        has_name_constraints=_extension(issuer, x509.NameConstraints) is not None,
    )


def take_apart(
    certificate: x509.Certificate, tbs_der: bytes, algorithm_der: bytes, above: Above | None
) -> Specimen:
    """Return the parts of a certificate.

    Args:
        certificate: as the library reads it.
        tbs_der: its TBSCertificate.
        algorithm_der: the AlgorithmIdentifier beside its signature.
        above: what is known of the CA above; ``None`` for a self-signed certificate.

    Raises:
        ValueError, TypeError, x509.DuplicateExtension: it cannot be read.
    """
    fields = der.split(tbs_der)
    if fields[0][0] != der.CONTEXT_0:
        fields.insert(0, b"")  # version 1 is not written
    subject, findings = read_encoded_subject(fields[SUBJECT], lambda: certificate.subject)
    key = _public_key(certificate, fields[SPKI])
    identifier = keys.key_identifier(keys.own_encoding(fields[SPKI]))
    plain = _plain_extensions(fields[-1], identifier) if above is not None else None
    alt_names, shared = plain if plain is not None else (_alt_names(certificate), None)
    return Specimen(
        certificate=certificate,
        above=above,
        algorithm_der=algorithm_der,
        fields=fields,
        key_algorithm=key_algorithm_of(key),
        key_identifier=identifier,
        subject=subject,
        subject_findings=findings,
        alt_names=alt_names,
        shared=shared,
    )


def _public_key(certificate: x509.Certificate, spki_der: bytes) -> PublicKeyTypes:
    """Return the key, which whoever made the certificate has probably loaded before."""
    try:
        return keys.load_public_key(spki_der)
    except UnusableKey:
        return certificate.public_key()  # says what is wrong with it


def _extension(certificate: x509.Certificate, kind: type[_Value]) -> x509.Extension[_Value] | None:
    found = (extension for extension in certificate.extensions if extension.oid == kind.oid)
    return next(found, None)


def _alt_names(certificate: x509.Certificate) -> AlternativeNames | None:
    """Return the alternative names as the library reads them."""
    extension = _extension(certificate, x509.SubjectAlternativeName)
    if extension is None:
        return None
    names = tuple(san_pair(name) or ("", str(name.value)) for name in extension.value)
    return AlternativeNames(names, extension.critical)


def _plain_extensions(
    field: bytes, key_identifier: bytes
) -> tuple[AlternativeNames | None, tuple[bytes, ...]] | None:
    """Return the alternative names and the extensions that other certificates share.

    Returns:
        ``None`` unless the right key identifier is there, once, and the alternative names are,
        at most once, in the one form in which we write them.
    """
    if field[0] != EXTENSIONS_TAG:
        return None
    own = extensions.encoded_key_identifier(key_identifier)
    shared = der.split(der.content(field))
    if shared.count(own) != 1:
        return None
    shared.remove(own)
    naming = [extension for extension in shared if has_alt_names(extension)]
    if not naming:
        return None, tuple(shared)
    names = read_encoded_alt_names(naming[0]) if len(naming) == 1 else None
    if names is None:
        return None
    shared.remove(naming[0])
    return names, tuple(shared)
