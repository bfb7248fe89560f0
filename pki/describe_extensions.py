"""Extensions decoded for people to read, one reader for each kind; unknown ones are shown as DER."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, ExtensionOID

from pki.parsing import ParserFailed, parsed

UNREADABLE = "It cannot be decoded."
"""Stands in place of what a page cannot show."""


@dataclass(frozen=True, slots=True)
class Line:
    """A label and its values; ``mono`` marks identifiers and digests."""

    label: str
    values: tuple[str, ...]
    mono: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """A group of lines; extensions are one block each."""

    title: str
    lines: tuple[Line, ...]
    critical: bool = False


def rdns(name: x509.Name) -> tuple[str, ...]:
    """Return one text per attribute, most significant last as RFC 4514 writes it."""
    found = tuple(
        f"{attribute.rfc4514_attribute_name}={_text(attribute.value)}" for attribute in name
    )
    return found or ("(empty)",)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.hex()


def extension_block(extension: x509.Extension[x509.ExtensionType]) -> Block:
    """Return one extension decoded; one of a kind unknown here is shown as DER."""
    title = _TITLES.get(extension.oid, f"Extension {extension.oid.dotted_string}")
    reader = _READERS.get(type(extension.value))
    try:
        lines = parsed(lambda: reader(extension.value) if reader else _raw(extension.value))
    except ParserFailed:
        lines = [Line("Problem", (UNREADABLE,))]
    return Block(title, tuple(lines), critical=extension.critical)


def _raw(value: x509.ExtensionType) -> list[Line]:
    return [Line("DER", (value.public_bytes().hex(),), mono=True)]


def _general_name(name: x509.GeneralName) -> str:
    value = name.value
    if isinstance(name, x509.DirectoryName):
        value = ", ".join(rdns(name.value))
    elif isinstance(name, x509.OtherName):
        value = f"{name.type_id.dotted_string}: {name.value.hex()}"
    elif isinstance(name, x509.RegisteredID):
        value = name.value.dotted_string
    return f"{_NAME_KINDS.get(type(name), 'name of another kind')}: {value}"


def _names(value: Iterable[x509.GeneralName]) -> list[Line]:
    return [Line("Names", tuple(_general_name(name) for name in value))]


def _key_usage(value: x509.KeyUsage) -> list[Line]:
    # encipher_only and decipher_only raise unless key_agreement is set.
    names = list(_USAGES) + (["encipher_only", "decipher_only"] if value.key_agreement else [])
    return [Line("Usages", tuple(name for name in names if getattr(value, name)))]


def _extended_key_usage(value: x509.ExtendedKeyUsage) -> list[Line]:
    return [Line("Usages", tuple(map(_purpose, value)))]


def _purpose(oid: x509.ObjectIdentifier) -> str:
    name = _PURPOSES.get(oid)
    return f"{name} ({oid.dotted_string})" if name else oid.dotted_string


def _basic_constraints(value: x509.BasicConstraints) -> list[Line]:
    limit = "unlimited" if value.path_length is None else str(value.path_length)
    lines = [Line("Certificate authority", ("yes" if value.ca else "no",))]
    return [*lines, Line("Path length", (limit,))] if value.ca else lines


def _name_constraints(value: x509.NameConstraints) -> list[Line]:
    found = (("Permitted", value.permitted_subtrees), ("Excluded", value.excluded_subtrees))
    return [Line(label, tuple(map(_general_name, names))) for label, names in found if names]


def _authority_key(value: x509.AuthorityKeyIdentifier) -> list[Line]:
    return [Line("Key identifier", ((value.key_identifier or b"").hex(),), mono=True)]


def _subject_key(value: x509.SubjectKeyIdentifier) -> list[Line]:
    return [Line("Key identifier", (value.digest.hex(),), mono=True)]


def _access(value: x509.AuthorityInformationAccess) -> list[Line]:
    kinds = {
        AuthorityInformationAccessOID.OCSP: "OCSP",
        AuthorityInformationAccessOID.CA_ISSUERS: "CA issuers",
    }
    return [
        Line(
            kinds.get(item.access_method, item.access_method.dotted_string),
            (_general_name(item.access_location),),
        )
        for item in value
    ]


def _distribution(value: x509.CRLDistributionPoints) -> list[Line]:
    names = [name for point in value for name in point.full_name or ()]
    return [Line("CRL", tuple(map(_general_name, names)))]


def _policies(value: x509.CertificatePolicies) -> list[Line]:
    return [Line("Policies", tuple(item.policy_identifier.dotted_string for item in value))]


def _crl_number(value: x509.CRLNumber) -> list[Line]:
    return [Line("Number", (str(value.crl_number),), mono=True)]


def _no_check(_: x509.OCSPNoCheck) -> list[Line]:
    return [Line("Meaning", ("this responder's own status is not asked for",))]


def _tls_feature(value: x509.TLSFeature) -> list[Line]:
    return [Line("Features", tuple(feature.name for feature in value))]


_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)
# RFC 5280 section 4.2.1.12, and the purposes that Windows and Kerberos certificates carry.
_PURPOSES = {
    ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth",
    ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth",
    ExtendedKeyUsageOID.CODE_SIGNING: "codeSigning",
    ExtendedKeyUsageOID.EMAIL_PROTECTION: "emailProtection",
    ExtendedKeyUsageOID.TIME_STAMPING: "timeStamping",
    ExtendedKeyUsageOID.OCSP_SIGNING: "OCSPSigning",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "anyExtendedKeyUsage",
    ExtendedKeyUsageOID.SMARTCARD_LOGON: "msSmartcardLogin",
    ExtendedKeyUsageOID.KERBEROS_PKINIT_KDC: "pkInitKDC",
}
_NAME_KINDS: dict[type, str] = {
    x509.DNSName: "DNS",
    x509.IPAddress: "IP",
    x509.RFC822Name: "e-mail",
    x509.UniformResourceIdentifier: "URI",
    x509.DirectoryName: "directory name",
    x509.OtherName: "other name",
    x509.RegisteredID: "registered ID",
}
_TITLES = {
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME: "Subject alternative names",
    ExtensionOID.ISSUER_ALTERNATIVE_NAME: "Issuer alternative names",
    ExtensionOID.KEY_USAGE: "Key usage",
    ExtensionOID.EXTENDED_KEY_USAGE: "Extended key usage",
    ExtensionOID.BASIC_CONSTRAINTS: "Basic constraints",
    ExtensionOID.NAME_CONSTRAINTS: "Name constraints",
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER: "Authority key identifier",
    ExtensionOID.SUBJECT_KEY_IDENTIFIER: "Subject key identifier",
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS: "Authority information access",
    ExtensionOID.CRL_DISTRIBUTION_POINTS: "CRL distribution points",
    ExtensionOID.CERTIFICATE_POLICIES: "Certificate policies",
    ExtensionOID.CRL_NUMBER: "CRL number",
    ExtensionOID.OCSP_NO_CHECK: "OCSP no-check",
    ExtensionOID.TLS_FEATURE: "TLS features",
}
_READERS: dict[type, Callable[..., list[Line]]] = {
    x509.SubjectAlternativeName: _names,
    x509.IssuerAlternativeName: _names,
    x509.KeyUsage: _key_usage,
    x509.ExtendedKeyUsage: _extended_key_usage,
    x509.BasicConstraints: _basic_constraints,
    x509.NameConstraints: _name_constraints,
    x509.AuthorityKeyIdentifier: _authority_key,
    x509.SubjectKeyIdentifier: _subject_key,
    x509.AuthorityInformationAccess: _access,
    x509.CRLDistributionPoints: _distribution,
    x509.CertificatePolicies: _policies,
    x509.CRLNumber: _crl_number,
    x509.OCSPNoCheck: _no_check,
    x509.TLSFeature: _tls_feature,
}
