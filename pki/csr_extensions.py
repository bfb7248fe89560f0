"""Extensions that a certificate request asks for (extensionRequest, RFC 2985 section 5.4.2)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from pki import csr_violations
from pki.addresses import visible
from pki.csr_violations import Findings
from pki.extensions import EXTENDED_KEY_USAGE_OIDS
from pki.findings import UnusableName, Violation
from pki.names import MAX_ALT_NAMES, canonical_san, san_pair
from pki.parsing import ParserFailed, parsed
from pki.template import KEY_USAGES, TypeValue

_USAGE_NAMES = {oid: name for name, oid in EXTENDED_KEY_USAGE_OIDS.items()}
# RFC 5280 section 4.2.1.3 defines these two only together with keyAgreement.
_AGREEMENT_ONLY = ("encipher_only", "decipher_only")


@dataclass(slots=True)
class RequestedExtensions:
    """What the extensions of a request ask for; ``None`` where it is silent."""

    subject_alt_names: tuple[TypeValue, ...] = ()
    key_usage: frozenset[str] | None = None
    extended_key_usage: tuple[str, ...] | None = None
    is_ca: bool | None = None
    path_length: int | None = None


def read_extensions(
    request: x509.CertificateSigningRequest, findings: Findings
) -> RequestedExtensions:
    """Return what the extensions ask for; what is wrong with them goes into ``findings``."""
    asked = RequestedExtensions()
    try:
        found = parsed(lambda: list(request.extensions))
    except ParserFailed as error:
        cause = error.__cause__
        if isinstance(cause, x509.DuplicateExtension):
            value = cause.oid.dotted_string
            findings.violations.append(replace(csr_violations.DUPLICATE, value=value))
        else:
            findings.fail(csr_violations.UNREADABLE_EXTENSIONS)
        return asked
    for extension in found:
        reader = _READERS.get(extension.oid)
        if reader is not None:
            reader(extension.value, asked, findings)
        elif extension.oid != ExtensionOID.SUBJECT_KEY_IDENTIFIER:
            findings.violations.append(_foreign(extension))
    return asked


def _foreign(extension: x509.Extension[x509.ExtensionType]) -> Violation:
    return Violation(
        code="csr.extension_not_allowed",
        field="extensions",
        value=extension.oid.dotted_string,
        reason="The request has an extension that requests may not contain.",
        hint="subjectAltName, keyUsage, extendedKeyUsage, basicConstraints.",
    )


def _read_alt_names(
    extension: x509.SubjectAlternativeName, asked: RequestedExtensions, findings: Findings
) -> None:
    names = list(extension)
    if len(names) > MAX_ALT_NAMES:
        hint = f"At most {MAX_ALT_NAMES}; policies allow fewer."
        findings.violations.append(
            replace(csr_violations.TOO_MANY_NAMES, value=str(len(names)), hint=hint)
        )
        return
    if not names:
        findings.violations.append(csr_violations.NO_NAMES)
    read: dict[TypeValue, None] = {}
    for position, name in enumerate(names):
        where = f"subject_alt_names[{position}].value"
        pair = san_pair(name)
        if pair is None:
            findings.violations.append(_foreign_name(name, where))
            continue
        try:
            read[pair[0], canonical_san(*pair, field=where)] = None
        except UnusableName as error:
            findings.violations += error.violations
    asked.subject_alt_names = tuple(read)


def _foreign_name(name: x509.GeneralName, where: str) -> Violation:
    return Violation(
        code="csr.name_type_not_allowed",
        field=where,
        value=visible(str(name.value)),
        reason=f"Alternative names of type {type(name).__name__} are not certified.",
        hint="dNSName, iPAddress, rfc822Name, uniformResourceIdentifier.",
    )


def _read_key_usage(extension: x509.KeyUsage, asked: RequestedExtensions, _: Findings) -> None:
    names = (name for name in KEY_USAGES if name not in _AGREEMENT_ONLY or extension.key_agreement)
    asked.key_usage = frozenset(name for name in names if getattr(extension, name))


def _read_extended_key_usage(
    extension: x509.ExtendedKeyUsage, asked: RequestedExtensions, findings: Findings
) -> None:
    known = []
    for oid in extension:
        if oid in _USAGE_NAMES:
            known.append(_USAGE_NAMES[oid])
        else:
            findings.violations.append(
                replace(csr_violations.FOREIGN_USAGE, value=oid.dotted_string)
            )
    asked.extended_key_usage = tuple(dict.fromkeys(known))


def _read_basic_constraints(
    extension: x509.BasicConstraints, asked: RequestedExtensions, _: Findings
) -> None:
    asked.is_ca, asked.path_length = extension.ca, extension.path_length


_READERS: dict[x509.ObjectIdentifier, Callable[[Any, RequestedExtensions, Findings], None]] = {
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME: _read_alt_names,
    ExtensionOID.KEY_USAGE: _read_key_usage,
    ExtensionOID.EXTENDED_KEY_USAGE: _read_extended_key_usage,
    ExtensionOID.BASIC_CONSTRAINTS: _read_basic_constraints,
}
