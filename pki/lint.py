"""Does a finished certificate keep every rule that we promise, whatever produced it?

Runs on each certificate before its real signature is made (with a dummy in its place), on the
bytes themselves: rules X-01 to X-19. Strict on purpose: it judges our own output, not what
others issue.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID

from pki import chain, der, extensions, keys
from pki.addresses import visible
from pki.algorithms import KeyAlgorithm, key_algorithm_of
from pki.build import known_signature_identifiers
from pki.findings import UnusableKey, UnusableName, Violation
from pki.names import canonical_san, read_encoded_subject, san_pair, subject_violations
from pki.template import TypeValue

_Value = TypeVar("_Value", bound=x509.ExtensionType)

_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_UTC_TIME_SIZE, _GENERALIZED_TIME_SIZE = 13, 15  # YYMMDDHHMMSSZ, YYYYMMDDHHMMSSZ
_FIRST_GENERALIZED_YEAR = 2050
_EXTENSIONS_TAG = 0xA3
_SIGNATURE, _ISSUER, _VALIDITY, _SUBJECT, _SPKI = 2, 3, 4, 5, 6
_EMPTY_NAME = b"\x30\x00"
_CACHED = 512
_SERIAL_LIMIT = 2**159  # 20 octets with the sign bit clear
_ALLOWED_EXTENSIONS = frozenset(
    {
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
        ExtensionOID.AUTHORITY_INFORMATION_ACCESS,
        ExtensionOID.OCSP_NO_CHECK,
    }
)
_ALLOWED_USAGES = frozenset(extensions.EXTENDED_KEY_USAGE_OIDS.values())


@dataclass(frozen=True, slots=True)
class _Above:
    """What the rules ask about an issuer; the same for all certificates that it issues."""

    certificate: x509.Certificate
    subject: bytes
    key_identifier: bytes | None
    not_after: datetime


@dataclass(frozen=True, slots=True)
class _Specimen:
    """A certificate, taken apart once for all rules.

    Attributes:
        certificate: itself.
        above: what is known of the CA above; ``None`` for a self-signed certificate.
        algorithm_der: the AlgorithmIdentifier beside the signature.
        fields: those of the TBSCertificate in DER, the version first (RFC 5280 section 4.1).
        found: extensions by their identifiers.
        is_ca: basicConstraints says cA.
        key_algorithm: of the subject's key; ``None`` when it is not one of ours.
        key_identifier: computed from that key.
        subject: the pairs that can be read.
        subject_findings: what is wrong with the other parts of the subject.
    """

    certificate: x509.Certificate
    above: _Above | None
    algorithm_der: bytes
    fields: list[bytes]
    found: dict[x509.ObjectIdentifier, x509.Extension[x509.ExtensionType]]
    is_ca: bool
    key_algorithm: KeyAlgorithm | None
    key_identifier: bytes
    subject: tuple[TypeValue, ...]
    subject_findings: tuple[Violation, ...]

    def extension(self, kind: type[_Value]) -> x509.Extension[_Value] | None:
        """Return the extension that carries a ``kind``."""
        return self.found.get(kind.oid)  # type: ignore[return-value]

    def value(self, kind: type[_Value]) -> _Value | None:
        """Return the content of the extension that carries a ``kind``."""
        extension = self.extension(kind)
        return extension.value if extension is not None else None


def lint_certificate(
    certificate: x509.Certificate, *, issuer: x509.Certificate | None
) -> tuple[Violation, ...]:
    """Return every broken rule.

    Args:
        certificate: as it would be issued; its signature is not looked at.
        issuer: certificate of the CA above; ``None`` for a self-signed certificate.
    """
    above = _above(issuer) if issuer is not None else None
    try:
        specimen = _taken_apart(certificate, above)
    except (ValueError, TypeError, x509.DuplicateExtension, x509.InvalidVersion) as error:
        return (_broken("unreadable", "certificate", f"The certificate cannot be read: {error}"),)
    if certificate.version != x509.Version.v3:
        return (_broken("x01", "version", "The version is not 3."),)
    return tuple(violation for rule in _RULES for violation in rule(specimen))


def _taken_apart(certificate: x509.Certificate, above: _Above | None) -> _Specimen:
    tbs, algorithm_der, _ = der.split(certificate.public_bytes(Encoding.DER))
    fields = der.split(tbs)
    if fields[0][0] != der.CONTEXT_0:
        fields.insert(0, b"")  # version 1 is not written
    subject, findings = read_encoded_subject(fields[_SUBJECT], lambda: certificate.subject)
    found = {extension.oid: extension for extension in certificate.extensions}
    constraints = found.get(ExtensionOID.BASIC_CONSTRAINTS)
    key = _public_key(certificate, fields[_SPKI])
    return _Specimen(
        certificate=certificate,
        above=above,
        algorithm_der=algorithm_der,
        fields=fields,
        found=found,
        is_ca=constraints is not None and constraints.value.ca,
        key_algorithm=key_algorithm_of(key),
        key_identifier=keys.key_identifier(keys.own_encoding(fields[_SPKI])),
        subject=subject,
        subject_findings=findings,
    )


def _public_key(certificate: x509.Certificate, spki_der: bytes) -> PublicKeyTypes:
    """Return the key, which whoever made the certificate has probably loaded before."""
    try:
        return keys.load_public_key(spki_der)
    except UnusableKey:
        return certificate.public_key()  # says what is wrong with it


@lru_cache(maxsize=_CACHED)
def _above(issuer: x509.Certificate) -> _Above:
    authority = extensions.authority_key_identifier(issuer).value
    assert isinstance(authority, x509.AuthorityKeyIdentifier)
    return _Above(
        certificate=issuer,
        subject=chain.subject_bytes(issuer),
        key_identifier=authority.key_identifier,
        not_after=issuer.not_valid_after_utc,
    )


def _broken(rule: str, field: str, reason: str, value: str = "") -> Violation:
    return Violation(code=f"lint.{rule}", field=field, value=visible(value), reason=reason)


# --- the frame ------------------------------------------------------------------


def _frame(it: _Specimen) -> Iterator[Violation]:
    """X-01, X-02: no unique identifiers, a sane serial number."""
    if any(field[0] != _EXTENSIONS_TAG for field in it.fields[_SPKI + 1 :]):
        yield _broken("x01", "unique_id", "There is an issuer or subject unique identifier.")
    if not 0 < it.certificate.serial_number < _SERIAL_LIMIT:
        yield _broken("x02", "serial_number", "The serial number is not positive and short.")


def _algorithms(it: _Specimen) -> Iterator[Violation]:
    """X-03: both AlgorithmIdentifiers are the same, and one of ours to the byte."""
    identifier = it.fields[_SIGNATURE]
    if it.algorithm_der != identifier:
        yield _broken("x03", "signature_algorithm", "The two signature algorithms differ.")
    if identifier not in known_signature_identifiers():
        yield _broken("x03", "signature_algorithm", "The signature algorithm is not ours.")
    if it.key_algorithm is None:
        yield _broken("b03", "public_key", "The key algorithm is not ours.")


def _issuer(it: _Specimen) -> Iterator[Violation]:
    """X-04: issuer bytes are the bytes of the subject above."""
    above = it.above.subject if it.above is not None else it.fields[_SUBJECT]
    if it.fields[_ISSUER] != above:
        shown = it.certificate.issuer.rfc4514_string()
        yield _broken("x04", "issuer", "The issuer differs from the subject above.", shown)


def _validity(it: _Specimen) -> Iterator[Violation]:
    """X-05, X-06: encodings of the dates, their order and the issuer's end."""
    begin, end = it.certificate.not_valid_before_utc, it.certificate.not_valid_after_utc
    moments = der.split(it.fields[_VALIDITY])
    for name, moment, element in zip(
        ("not_before", "not_after"), (begin, end), moments, strict=True
    ):
        late = moment.year >= _FIRST_GENERALIZED_YEAR
        tag = _GENERALIZED_TIME if late else _UTC_TIME
        size = _GENERALIZED_TIME_SIZE if late else _UTC_TIME_SIZE
        text = der.content(element)
        if element[0] != tag or len(text) != size or not text.endswith(b"Z"):
            yield _broken("x05", name, "The date is in the wrong form.", text.decode("latin-1"))
    if begin > end:
        yield _broken("x06", "not_after", "The certificate ends before it begins.")
    if it.above is not None and end > it.above.not_after:
        yield _broken("x06", "not_after", "The certificate outlives its issuer.", end.isoformat())


# --- names ------------------------------------------------------------------


def _subject(it: _Specimen) -> Iterator[Violation]:
    """X-07, X-08: a CA has a subject, an empty one needs a critical SAN, strings are sound."""
    alt_names = it.extension(x509.SubjectAlternativeName)
    if it.fields[_SUBJECT] == _EMPTY_NAME:
        if it.is_ca or it.above is None:
            yield _broken("x07", "subject", "The subject of an issuer is empty.")
        elif alt_names is None or not alt_names.critical:
            yield _broken("x07", "subject", "An empty subject needs a critical SAN.")
    elif alt_names is not None and alt_names.critical:
        yield _broken("x16", "subject_alt_names", "The SAN is critical beside a subject.")
    for finding in (*it.subject_findings, *subject_violations(it.subject)):
        yield _broken("x08", finding.field, finding.reason, finding.value)


def _alt_names(it: _Specimen) -> Iterator[Violation]:
    """X-16: at least one name, each in canonical form."""
    names = it.value(x509.SubjectAlternativeName)
    if names is None:
        return
    if not list(names):
        yield _broken("x16", "subject_alt_names", "The SAN names nothing.")
    for position, name in enumerate(names):
        where = f"subject_alt_names[{position}].value"
        pair = san_pair(name)
        try:
            sound = pair is not None and canonical_san(*pair) == pair[1]
        except UnusableName:
            sound = False
        if not sound:
            yield _broken("x16", where, "The name is not in canonical form.", str(name.value))


def _constraints(it: _Specimen) -> Iterator[Violation]:
    """X-15: name constraints only in CAs and critical; those of the issuer are kept."""
    extension = it.extension(x509.NameConstraints)
    if extension is not None and not (it.is_ca and extension.critical):
        yield _broken("x15", "name_constraints", "Name constraints are critical, and a CA's.")
    if it.above is None:
        return
    names = [san_pair(name) for name in it.value(x509.SubjectAlternativeName) or ()]
    pairs = [pair for pair in names if pair is not None]
    for finding in chain.name_constraints_violations(it.subject, pairs, [it.above.certificate]):
        yield _broken("x15", finding.field, finding.reason, finding.value)


# --- what the key may do --------------------------------------------------


def _extension_set(it: _Specimen) -> Iterator[Violation]:
    """X-09, ANC-5: known extensions only (the library refuses repeated ones itself)."""
    for oid in it.found.keys() - _ALLOWED_EXTENSIONS:
        yield _broken("x09", "extensions", "The extension is not one of ours.", oid.dotted_string)


def _key_identifiers(it: _Specimen) -> Iterator[Violation]:
    """X-10, X-11: both identifiers, computed and not critical."""
    subject = it.extension(x509.SubjectKeyIdentifier)
    own = it.key_identifier
    if subject is None or subject.critical or subject.value.digest != own:
        yield _broken("x11", "subject_key_identifier", "The SKI is not that of the key.")
    authority = it.extension(x509.AuthorityKeyIdentifier)
    if authority is None:
        if it.above is not None:
            yield _broken("x10", "authority_key_identifier", "There is no AKI.")
        return
    wanted = own if it.above is None else it.above.key_identifier
    if authority.critical or authority.value.key_identifier != wanted:
        yield _broken("x10", "authority_key_identifier", "The AKI is not the issuer's SKI.")


def _key_usage(it: _Specimen) -> Iterator[Violation]:
    """X-12, M-04: critical, at least one bit, certificate signing exactly for CAs."""
    usage = it.extension(x509.KeyUsage)
    if usage is None:
        if it.is_ca:
            yield _broken("x12", "key_usage", "A CA certificate has a key usage.")
        return
    bits = usage.value
    if not usage.critical:
        yield _broken("x12", "key_usage", "The key usage is not critical.")
    enciphers = bits.key_encipherment or bits.data_encipherment
    signs_authority = bits.key_cert_sign or bits.crl_sign
    signs = bits.digital_signature or bits.content_commitment or signs_authority
    if not (signs or enciphers or bits.key_agreement):
        yield _broken("x12", "key_usage", "The key usage names no purpose.")
    if bits.key_cert_sign != it.is_ca:
        yield _broken("x12", "key_usage", "keyCertSign and cA go together.")
    algorithm = it.key_algorithm
    if algorithm is None or algorithm.is_rsa:
        return
    if enciphers:
        yield _broken("m04", "key_usage", "Only RSA keys encipher.", algorithm.value)
    if bits.key_agreement and not algorithm.value.startswith("ec-"):
        yield _broken("m04", "key_usage", "Keys of this kind only sign.", algorithm.value)


def _basic_constraints(it: _Specimen) -> Iterator[Violation]:
    """X-13, X-14: critical, a CA's only, and within the issuer's path length."""
    constraints = it.extension(x509.BasicConstraints)
    if constraints is None:
        return
    if not constraints.value.ca:
        yield _broken("x13", "is_ca", "An end-entity certificate has no basic constraints.")
        return
    if not constraints.critical:
        yield _broken("x13", "is_ca", "The basic constraints are not critical.")
    if it.above is not None:
        wanted = constraints.value.path_length
        for finding in chain.path_length_violations(wanted, [it.above.certificate]):
            yield _broken("x14", "path_length", finding.reason, finding.value)


def _extended_key_usage(it: _Specimen) -> Iterator[Violation]:
    """X-17: known purposes only, critical only where time stamping demands it."""
    usage = it.extension(x509.ExtendedKeyUsage)
    if usage is None:
        return
    purposes = list(usage.value)
    if not purposes or set(purposes) - _ALLOWED_USAGES:
        yield _broken("x17", "extended_key_usage", "An extended key usage is not ours.")
    stamping = purposes == [extensions.EXTENDED_KEY_USAGE_OIDS["time_stamping"]]
    if usage.critical != stamping:
        yield _broken("x17", "extended_key_usage", "The criticality is wrong.")


# --- where to look further --------------------------------------------------------


def _publication(it: _Specimen) -> Iterator[Violation]:
    """X-18, X-19: full names, never critical; plain http, mirrors of CRLs also https.

    https would need a status check to fetch a status; who adds such a mirror has a way out in
    the plain address beside it.
    """
    points = it.extension(x509.CRLDistributionPoints)
    if points is not None:
        if points.critical:
            yield _broken("x18", "crl_distribution_points", "The extension is critical.")
        for point in points.value:
            if not point.full_name or not all(map(_is_web, point.full_name)):
                yield _broken("x18", "crl_distribution_points", "A point is no web address.")
    access = it.extension(x509.AuthorityInformationAccess)
    if access is not None:
        if access.critical:
            yield _broken("x19", "authority_information_access", "The extension is critical.")
        for description in access.value:
            known = description.access_method in _ACCESS_METHODS
            if not known or not _is_http(description.access_location):
                yield _broken("x19", "authority_information_access", "This is no http address.")


_ACCESS_METHODS = (AuthorityInformationAccessOID.OCSP, AuthorityInformationAccessOID.CA_ISSUERS)


def _is_http(name: x509.GeneralName) -> bool:
    return isinstance(name, x509.UniformResourceIdentifier) and name.value.startswith("http://")


def _is_web(name: x509.GeneralName) -> bool:
    return _is_http(name) or (
        isinstance(name, x509.UniformResourceIdentifier) and name.value.startswith("https://")
    )


_RULES: tuple[Callable[[_Specimen], Iterator[Violation]], ...] = (
    _frame,
    _algorithms,
    _issuer,
    _validity,
    _subject,
    _alt_names,
    _constraints,
    _extension_set,
    _key_identifiers,
    _key_usage,
    _basic_constraints,
    _extended_key_usage,
    _publication,
)
