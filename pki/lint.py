"""RFC 5280 lint for our own certificates: rules X-01 to X-19, B-03 and M-04.

Runs on the to-be-signed bytes before the real signature is made, with a placeholder in its
place. Strict on purpose: it judges what we issue, not what others do.
"""

from collections.abc import Callable, Iterator

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID

from pki import chain, extensions, structures
from pki.addresses import visible
from pki.algorithms import SignatureAlgorithm
from pki.findings import UnusableName, Violation
from pki.names import canonical_san, san_pair, subject_violations
from pki.parsed_certificate import ParsedCertificate, issuer_info, parse
from pki.structures import algorithm_identifier
from pki.template import TypeValue

_FIRST_GENERALIZED_YEAR = 2050  # RFC 5280 section 4.1.2.5
_SERIAL_LIMIT = 2**159  # 20 octets with the sign bit clear
_EMPTY_NAME = b"\x30\x00"
_PLACEHOLDER = bytes(64)
# What the library raises on extensions that it cannot make sense of.
_UNREADABLE = (
    ValueError,
    TypeError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
_KNOWN_SIGNATURES = frozenset(map(algorithm_identifier, SignatureAlgorithm))
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
        ExtensionOID.TLS_FEATURE,
    }
)
_ALLOWED_USAGES = frozenset(extensions.EXTENDED_KEY_USAGE_OIDS.values())


def lint_tbs(
    tbs_der: bytes, signature_algorithm: SignatureAlgorithm, *, issuer: x509.Certificate | None
) -> tuple[Violation, ...]:
    """Return every rule that a certificate will break, before anything is signed.

    Args:
        tbs_der: the bytes that are to be signed.
        signature_algorithm: what they are to be signed with.
        issuer: certificate of the CA above; ``None`` for a self-signed certificate.

    Raises:
        ValueError: the bytes are no TBSCertificate.
    """
    algorithm_der = algorithm_identifier(signature_algorithm)
    certificate = x509.load_der_x509_certificate(
        structures.signed(tbs_der, algorithm_der, _PLACEHOLDER)
    )
    return _lint(certificate, algorithm_der, issuer)


def lint_certificate(
    certificate: x509.Certificate, *, issuer: x509.Certificate | None
) -> tuple[Violation, ...]:
    """Return every broken rule.

    Args:
        certificate: as it would be issued; its signature is not looked at.
        issuer: certificate of the CA above; ``None`` for a self-signed certificate.
    """
    parts = structures.decode(structures.Certificate, certificate.public_bytes(Encoding.DER))
    return _lint(certificate, asn1.encode_der(parts.signature_algorithm), issuer)


def _lint(
    certificate: x509.Certificate, algorithm_der: bytes, issuer: x509.Certificate | None
) -> tuple[Violation, ...]:
    info = issuer_info(issuer) if issuer is not None else None
    try:
        cert = parse(certificate, algorithm_der, info)
        if certificate.version != x509.Version.v3:
            return (_broken("x01", "version", "The version is not 3."),)
        return tuple(finding for rule in _RULES for finding in rule(cert))
    except _UNREADABLE as error:
        return (_broken("unreadable", "certificate", f"The certificate cannot be read: {error}"),)


def _broken(rule: str, field: str, reason: str, value: str = "") -> Violation:
    return Violation(code=f"lint.{rule}", field=field, value=visible(value), reason=reason)


def _frame(cert: ParsedCertificate) -> Iterator[Violation]:
    """X-01 to X-04: no unique identifiers, a sane serial number, algorithms and issuer to the byte."""
    if cert.fields.issuer_unique_id is not None or cert.fields.subject_unique_id is not None:
        yield _broken("x01", "unique_id", "There is an issuer or subject unique identifier.")
    if not 0 < cert.certificate.serial_number < _SERIAL_LIMIT:
        yield _broken("x02", "serial_number", "The serial number is not positive and short.")
    if cert.outer_algorithm_der != cert.tbs_algorithm_der:
        yield _broken("x03", "signature_algorithm", "The two signature algorithms differ.")
    if cert.tbs_algorithm_der not in _KNOWN_SIGNATURES:
        yield _broken("x03", "signature_algorithm", "The signature algorithm is not supported.")
    if cert.key_algorithm is None:
        yield _broken("b03", "public_key", "The key algorithm is not supported.")
    if cert.issuer_der != (cert.issuer.subject_der if cert.issuer else cert.subject_der):
        shown = cert.certificate.issuer.rfc4514_string()
        yield _broken("x04", "issuer", "The issuer differs from the subject above.", shown)


def _validity(cert: ParsedCertificate) -> Iterator[Violation]:
    """X-05, X-06: encodings of the dates, their order and the issuer's end."""
    begin, end = cert.certificate.not_valid_before_utc, cert.certificate.not_valid_after_utc
    validity = cert.fields.validity
    for name, moment, encoded in (
        ("not_before", begin, validity.not_before),
        ("not_after", end, validity.not_after),
    ):
        if isinstance(encoded, asn1.UTCTime) != (moment.year < _FIRST_GENERALIZED_YEAR):
            yield _broken("x05", name, "The date is in the wrong form.", moment.isoformat())
    if begin > end:
        yield _broken("x06", "not_after", "The certificate ends before it begins.")
    if cert.issuer is not None and end > cert.issuer.not_after:
        yield _broken("x06", "not_after", "The certificate outlives its issuer.", end.isoformat())


def _subject(cert: ParsedCertificate) -> Iterator[Violation]:
    """X-07, X-08: a CA has a subject, an empty one needs a critical SAN, strings are sound."""
    alt_names = cert.extension(x509.SubjectAlternativeName)
    if cert.subject_der == _EMPTY_NAME:
        if cert.is_ca or cert.issuer is None:
            yield _broken("x07", "subject", "The subject of an issuer is empty.")
        elif alt_names is None or not alt_names.critical:
            yield _broken("x07", "subject", "An empty subject needs a critical SAN.")
    elif alt_names is not None and alt_names.critical:
        yield _broken("x16", "subject_alt_names", "The SAN is critical beside a subject.")
    for finding in (*cert.subject_findings, *subject_violations(cert.subject)):
        yield _broken("x08", finding.field, finding.reason, finding.value)


def _alt_names(cert: ParsedCertificate) -> Iterator[Violation]:
    """X-16: at least one name, each in canonical form."""
    names = _alt_name_pairs(cert)
    if names is None:
        return
    if not names:
        yield _broken("x16", "subject_alt_names", "The SAN names nothing.")
    for position, (kind, value) in enumerate(names):
        try:
            sound = canonical_san(kind, value) == value
        except UnusableName:
            sound = False
        if not sound:
            where = f"subject_alt_names[{position}].value"
            yield _broken("x16", where, "The name is not in canonical form.", value)


def _alt_name_pairs(cert: ParsedCertificate) -> list[TypeValue] | None:
    """Return the alternative names; the type of an unsupported name is empty."""
    extension = cert.extension(x509.SubjectAlternativeName)
    if extension is None:
        return None
    return [san_pair(name) or ("", str(name.value)) for name in extension.value]


def _own_constraints(cert: ParsedCertificate) -> Iterator[Violation]:
    """X-15: name constraints only in CAs and critical."""
    extension = cert.extension(x509.NameConstraints)
    if extension is not None and not (cert.is_ca and extension.critical):
        yield _broken("x15", "name_constraints", "Name constraints are critical, and a CA's.")


def _constraints(cert: ParsedCertificate) -> Iterator[Violation]:
    """X-15: the name constraints of the issuer are kept."""
    if cert.issuer is None or not cert.issuer.has_name_constraints:
        return
    pairs = [pair for pair in _alt_name_pairs(cert) or () if pair[0]]
    for finding in chain.name_constraints_violations(
        cert.subject, pairs, [cert.issuer.certificate]
    ):
        yield _broken("x15", finding.field, finding.reason, finding.value)


def _extension_set(cert: ParsedCertificate) -> Iterator[Violation]:
    """X-09, ANC-5: known extensions only; the library refuses repeated ones."""
    for oid in cert.extensions.keys() - _ALLOWED_EXTENSIONS:
        yield _broken(
            "x09", "extensions", "The extension is not one that we issue.", oid.dotted_string
        )


def _key_identifiers(cert: ParsedCertificate) -> Iterator[Violation]:
    """X-10, X-11: both identifiers, computed and not critical."""
    subject = cert.extension(x509.SubjectKeyIdentifier)
    own = cert.key_identifier
    if subject is None or subject.critical or subject.value.digest != own:
        yield _broken("x11", "subject_key_identifier", "The SKI is not that of the key.")
    authority = cert.extension(x509.AuthorityKeyIdentifier)
    if authority is None:
        if cert.issuer is not None:
            yield _broken("x10", "authority_key_identifier", "There is no AKI.")
        return
    wanted = own if cert.issuer is None else cert.issuer.key_identifier
    if authority.critical or authority.value.key_identifier != wanted:
        yield _broken("x10", "authority_key_identifier", "The AKI is not the issuer's SKI.")


def _key_usage(cert: ParsedCertificate) -> Iterator[Violation]:
    """X-12, M-04: critical, at least one bit, certificate signing exactly for CAs."""
    usage = cert.extension(x509.KeyUsage)
    if usage is None:
        if cert.is_ca:
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
    if bits.key_cert_sign != cert.is_ca:
        yield _broken("x12", "key_usage", "keyCertSign and cA go together.")
    algorithm = cert.key_algorithm
    if algorithm is None or algorithm.is_rsa:
        return
    if enciphers:
        yield _broken("m04", "key_usage", "Only RSA keys encipher.", algorithm.value)
    if bits.key_agreement and not algorithm.value.startswith("ec-"):
        yield _broken("m04", "key_usage", "Keys of this kind only sign.", algorithm.value)


def _basic_constraints(cert: ParsedCertificate) -> Iterator[Violation]:
    """X-13, X-14: critical, a CA's only, and within the issuer's path length."""
    constraints = cert.extension(x509.BasicConstraints)
    if constraints is None:
        return
    if not constraints.value.ca:
        yield _broken("x13", "is_ca", "An end-entity certificate has no basic constraints.")
        return
    if not constraints.critical:
        yield _broken("x13", "is_ca", "The basic constraints are not critical.")
    if cert.issuer is not None:
        wanted = constraints.value.path_length
        for finding in chain.path_length_violations(wanted, [cert.issuer.certificate]):
            yield _broken("x14", "path_length", finding.reason, finding.value)


def _extended_key_usage(cert: ParsedCertificate) -> Iterator[Violation]:
    """X-17: known purposes only, critical only where time stamping demands cert."""
    usage = cert.extension(x509.ExtendedKeyUsage)
    if usage is None:
        return
    purposes = list(usage.value)
    if not purposes or set(purposes) - _ALLOWED_USAGES:
        yield _broken("x17", "extended_key_usage", "An extended key usage is not supported.")
    stamping = purposes == [extensions.EXTENDED_KEY_USAGE_OIDS["time_stamping"]]
    if usage.critical != stamping:
        yield _broken("x17", "extended_key_usage", "The criticality is wrong.")


def _publication(cert: ParsedCertificate) -> Iterator[Violation]:
    """X-18, X-19: full names, never critical; plain http, mirrors of CRLs also https.

    Fetching a status over https would need another status check first. Such a mirror of a CRL is
    allowed, because a client can use the plain address beside it.
    """
    points = cert.extension(x509.CRLDistributionPoints)
    if points is not None:
        if points.critical:
            yield _broken("x18", "crl_distribution_points", "The extension is critical.")
        for point in points.value:
            if not point.full_name or not all(map(_is_web, point.full_name)):
                yield _broken("x18", "crl_distribution_points", "A point is no web address.")
    access = cert.extension(x509.AuthorityInformationAccess)
    if access is not None:
        if access.critical:
            yield _broken("x19", "authority_information_access", "The extension is critical.")
        for description in access.value:
            known = description.access_method in _ACCESS_METHODS
            if not known or not _is_http(description.access_location):
                yield _broken("x19", "authority_information_access", "This is no http address.")


def _tls_feature(cert: ParsedCertificate) -> Iterator[Violation]:
    """RFC 7633: status_request alone, never critical, in no certificate of an authority."""
    feature = cert.extension(x509.TLSFeature)
    if feature is None:
        return
    if feature.critical or list(feature.value) != [x509.TLSFeatureType.status_request]:
        yield _broken("x09", "tls_feature", "The TLS feature is not status_request alone.")
    if cert.is_ca:
        yield _broken("x09", "tls_feature", "Certificates of authorities have no TLS feature here.")


_ACCESS_METHODS = (AuthorityInformationAccessOID.OCSP, AuthorityInformationAccessOID.CA_ISSUERS)


def _is_http(name: x509.GeneralName) -> bool:
    return isinstance(name, x509.UniformResourceIdentifier) and name.value.startswith("http://")


def _is_web(name: x509.GeneralName) -> bool:
    return _is_http(name) or (
        isinstance(name, x509.UniformResourceIdentifier) and name.value.startswith("https://")
    )


# In the order in which findings are reported.
_RULES: tuple[Callable[[ParsedCertificate], Iterator[Violation]], ...] = (
    _frame,
    _validity,
    _subject,
    _alt_names,
    _own_constraints,
    _constraints,
    _extension_set,
    _key_identifiers,
    _key_usage,
    _basic_constraints,
    _extended_key_usage,
    _publication,
    _tls_feature,
)
