"""Does a finished certificate keep every rule that we promise, whatever produced it?

Runs on each certificate before its real signature is made (with a dummy in its place), on the
bytes themselves: rules X-01 to X-19. Strict on purpose: it judges our own output, not what
others issue.
"""

from collections.abc import Callable, Iterator

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID

from pki import chain, der, extensions
from pki.addresses import visible
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm
from pki.build import known_signature_identifiers
from pki.der_values import algorithm_identifier
from pki.findings import UnusableName, Violation
from pki.names import canonical_san, subject_violations
from pki.specimen import (
    EXTENSIONS_TAG,
    ISSUER,
    SIGNATURE,
    SPKI,
    SUBJECT,
    VALIDITY,
    Above,
    Specimen,
    above_of,
    take_apart,
)

# Identifier and length of YYMMDDHHMMSSZ and YYYYMMDDHHMMSSZ.
_UTC_TIME, _GENERALIZED_TIME = b"\x17\x0d", b"\x18\x0f"
_FIRST_GENERALIZED_YEAR = 2050
_SERIAL_LIMIT = 2**159  # 20 octets with the sign bit clear
_EMPTY_NAME = b"\x30\x00"
# Stands where the signature will: a BIT STRING.
_PLACEHOLDER = der.encode(der.BIT_STRING, b"\0" * 65)
_CACHED = 512
# What the library raises on extensions that it cannot make sense of.
_UNREADABLE = (
    ValueError,
    TypeError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
_KNOWN_SIGNATURES = known_signature_identifiers()
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


def lint_tbs(
    tbs_der: bytes, signature_algorithm: SignatureAlgorithm, *, above: Above | None
) -> tuple[Violation, ...]:
    """Return every rule that a certificate will break, before anything is signed.

    Args:
        tbs_der: the bytes that are to be signed.
        signature_algorithm: what they are to be signed with.
        above: the CA above, of ``above_of``; ``None`` for a self-signed certificate.

    Raises:
        ValueError: the bytes are no TBSCertificate.
    """
    algorithm_der = algorithm_identifier(signature_algorithm)
    certificate = x509.load_der_x509_certificate(
        der.encode(der.SEQUENCE, tbs_der, algorithm_der, _PLACEHOLDER)
    )
    return _lint(certificate, tbs_der, algorithm_der, above)


def lint_certificate(
    certificate: x509.Certificate, *, issuer: x509.Certificate | None
) -> tuple[Violation, ...]:
    """Return every broken rule.

    Args:
        certificate: as it would be issued; its signature is not looked at.
        issuer: certificate of the CA above; ``None`` for a self-signed certificate.
    """
    tbs_der, algorithm_der, _ = der.split(certificate.public_bytes(Encoding.DER))
    above = above_of(issuer) if issuer is not None else None
    return _lint(certificate, tbs_der, algorithm_der, above)


def _lint(
    certificate: x509.Certificate, tbs_der: bytes, algorithm_der: bytes, above: Above | None
) -> tuple[Violation, ...]:
    try:
        specimen = take_apart(certificate, tbs_der, algorithm_der, above)
        rules = _OWN_RULES if _are_shared_sound(specimen) else _RULES
    except _UNREADABLE as error:
        return (_broken("unreadable", "certificate", f"The certificate cannot be read: {error}"),)
    if certificate.version != x509.Version.v3:
        return (_broken("x01", "version", "The version is not 3."),)
    found: list[Violation] = []
    for rule in rules:
        found.extend(rule(specimen))
    return tuple(found)


# What the rules about shared extensions depend on, wherever they found nothing.
_SOUND: set[tuple[Above, KeyAlgorithm | None, tuple[bytes, ...]]] = set()


def _are_shared_sound(it: Specimen) -> bool:
    """Tell whether nothing is wrong with what the certificates of a profile and issuer share."""
    if it.shared is None or it.above is None:
        return False
    known = (it.above, it.key_algorithm, it.shared)
    if known in _SOUND:
        return True
    for rule in _SHARED_RULES:
        for _ in rule(it):
            return False
    if len(_SOUND) >= _CACHED:
        _SOUND.clear()
    _SOUND.add(known)
    return True


def _broken(rule: str, field: str, reason: str, value: str = "") -> Violation:
    return Violation(code=f"lint.{rule}", field=field, value=visible(value), reason=reason)


# --- the frame ------------------------------------------------------------------


def _frame(it: Specimen) -> Iterator[Violation]:
    """X-01 to X-04: no unique identifiers, a sane serial number, algorithms and issuer to the byte."""
    fields = it.fields
    for field in fields[SPKI + 1 :]:
        if field[0] != EXTENSIONS_TAG:
            yield _broken("x01", "unique_id", "There is an issuer or subject unique identifier.")
            break
    if not 0 < it.certificate.serial_number < _SERIAL_LIMIT:
        yield _broken("x02", "serial_number", "The serial number is not positive and short.")
    if it.algorithm_der != fields[SIGNATURE]:
        yield _broken("x03", "signature_algorithm", "The two signature algorithms differ.")
    if fields[SIGNATURE] not in _KNOWN_SIGNATURES:
        yield _broken("x03", "signature_algorithm", "The signature algorithm is not ours.")
    if it.key_algorithm is None:
        yield _broken("b03", "public_key", "The key algorithm is not ours.")
    if fields[ISSUER] != (it.above.subject if it.above is not None else fields[SUBJECT]):
        shown = it.certificate.issuer.rfc4514_string()
        yield _broken("x04", "issuer", "The issuer differs from the subject above.", shown)


def _validity(it: Specimen) -> Iterator[Violation]:
    """X-05, X-06: encodings of the dates, their order and the issuer's end."""
    begin, end = it.certificate.not_valid_before_utc, it.certificate.not_valid_after_utc
    first, second = der.split(it.fields[VALIDITY])
    for name, moment, element in (("not_before", begin, first), ("not_after", end, second)):
        head = _UTC_TIME if moment.year < _FIRST_GENERALIZED_YEAR else _GENERALIZED_TIME
        if not element.startswith(head) or not element.endswith(b"Z"):
            text = der.content(element).decode("latin-1")
            yield _broken("x05", name, "The date is in the wrong form.", text)
    if begin > end:
        yield _broken("x06", "not_after", "The certificate ends before it begins.")
    if it.above is not None and end > it.above.not_after:
        yield _broken("x06", "not_after", "The certificate outlives its issuer.", end.isoformat())


# --- names ------------------------------------------------------------------


def _subject(it: Specimen) -> Iterator[Violation]:
    """X-07, X-08: a CA has a subject, an empty one needs a critical SAN, strings are sound."""
    alt_names = it.alt_names
    if it.fields[SUBJECT] == _EMPTY_NAME:
        if it.is_ca or it.above is None:
            yield _broken("x07", "subject", "The subject of an issuer is empty.")
        elif alt_names is None or not alt_names.critical:
            yield _broken("x07", "subject", "An empty subject needs a critical SAN.")
    elif alt_names is not None and alt_names.critical:
        yield _broken("x16", "subject_alt_names", "The SAN is critical beside a subject.")
    for finding in (*it.subject_findings, *subject_violations(it.subject)):
        yield _broken("x08", finding.field, finding.reason, finding.value)


def _alt_names(it: Specimen) -> Iterator[Violation]:
    """X-16: at least one name, each in canonical form."""
    if it.alt_names is None:
        return
    if not it.alt_names.names:
        yield _broken("x16", "subject_alt_names", "The SAN names nothing.")
    for position, (kind, value) in enumerate(it.alt_names.names):
        try:
            sound = canonical_san(kind, value) == value
        except UnusableName:
            sound = False
        if not sound:
            where = f"subject_alt_names[{position}].value"
            yield _broken("x16", where, "The name is not in canonical form.", value)


def _own_constraints(it: Specimen) -> Iterator[Violation]:
    """X-15: name constraints only in CAs and critical."""
    extension = it.extension(x509.NameConstraints)
    if extension is not None and not (it.is_ca and extension.critical):
        yield _broken("x15", "name_constraints", "Name constraints are critical, and a CA's.")


def _constraints(it: Specimen) -> Iterator[Violation]:
    """X-15: the name constraints of the issuer are kept."""
    if it.above is None or not it.above.has_name_constraints:
        return
    names = it.alt_names.names if it.alt_names is not None else ()
    pairs = [pair for pair in names if pair[0]]
    for finding in chain.name_constraints_violations(it.subject, pairs, [it.above.certificate]):
        yield _broken("x15", finding.field, finding.reason, finding.value)


# --- what the key may do --------------------------------------------------


def _extension_set(it: Specimen) -> Iterator[Violation]:
    """X-09, ANC-5: known extensions only (the library refuses repeated ones itself)."""
    for oid in {extension.oid for extension in it.certificate.extensions} - _ALLOWED_EXTENSIONS:
        yield _broken("x09", "extensions", "The extension is not one of ours.", oid.dotted_string)


def _key_identifiers(it: Specimen) -> Iterator[Violation]:
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


def _key_usage(it: Specimen) -> Iterator[Violation]:
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


def _basic_constraints(it: Specimen) -> Iterator[Violation]:
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


def _extended_key_usage(it: Specimen) -> Iterator[Violation]:
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


def _publication(it: Specimen) -> Iterator[Violation]:
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


# In the order in which findings are reported.
_RULES: tuple[Callable[[Specimen], Iterator[Violation]], ...] = (
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
)
# These look at nothing but what ``_SOUND`` holds, beside a key identifier known to be right.
_SHARED_RULES = (
    _own_constraints,
    _extension_set,
    _key_identifiers,
    _key_usage,
    _basic_constraints,
    _extended_key_usage,
    _publication,
)
_OWN_RULES = tuple(rule for rule in _RULES if rule not in _SHARED_RULES)
