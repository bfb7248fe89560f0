"""What does this certificate, request or CRL say? Decoded for people to read.

Made for pages and terminals: it never raises on hostile content, and its texts are exactly
what the bytes hold, so whoever draws them has to escape them.
"""

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID

from pki import keys
from pki.algorithms import key_algorithm_of

_MAX_ENTRIES = 200


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


@dataclass(frozen=True, slots=True)
class Description:
    """Everything there is to show, in the order of the encoding."""

    blocks: tuple[Block, ...] = field(default_factory=tuple)


def describe_certificate(der: bytes) -> Description:
    """Return a certificate decoded; unreadable bytes give one block that says so."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        head = (
            Line("Subject", _rdns(certificate.subject)),
            Line("Issuer", _rdns(certificate.issuer)),
            Line("Serial number", (f"{certificate.serial_number:x}",), mono=True),
            Line("Not before", (_time(certificate.not_valid_before_utc),)),
            Line("Not after", (_time(certificate.not_valid_after_utc),)),
            Line("Signature algorithm", (_signature_name(certificate),)),
            Line("Version", (certificate.version.name,)),
        )
    except Exception as error:  # noqa: BLE001 - hostile bytes: any parser failure is an answer here
        return _unreadable("certificate", error)
    return Description(
        (
            Block("Certificate", head),
            _key_block(certificate.public_key),
            *_extension_blocks(lambda: certificate.extensions),
            _fingerprints(der),
        )
    )


def describe_csr(der: bytes) -> Description:
    """Return a PKCS#10 request decoded; unreadable bytes give one block that says so."""
    try:
        request = x509.load_der_x509_csr(der)
        head = (
            Line("Subject", _rdns(request.subject)),
            Line("Signature algorithm", (_signature_name(request),)),
            Line("Proof of possession", (_possession(request),)),
        )
    except Exception as error:  # noqa: BLE001 - hostile bytes: any parser failure is an answer here
        return _unreadable("request", error)
    return Description(
        (
            Block("Request", head),
            _key_block(request.public_key),
            *_extension_blocks(lambda: request.extensions),
            _fingerprints(der),
        )
    )


def describe_crl(der: bytes) -> Description:
    """Return a CRL decoded, with at most its first 200 entries."""
    try:
        crl = x509.load_der_x509_crl(der)
        entries = tuple(_entry(entry) for entry in islice(crl, _MAX_ENTRIES))
        due = crl.next_update_utc
        head = (
            Line("Issuer", _rdns(crl.issuer)),
            Line("This update", (_time(crl.last_update_utc),)),
            Line("Next update", (_time(due) if due else "none",)),
            Line("Signature algorithm", (_signature_name(crl),)),
            Line("Revoked certificates", (str(len(crl)),)),
        )
    except Exception as error:  # noqa: BLE001 - hostile bytes: any parser failure is an answer here
        return _unreadable("CRL", error)
    title = "Entries" if len(crl) <= _MAX_ENTRIES else f"First {_MAX_ENTRIES} entries"
    shown = Block(title, (Line("Serial number, since, reason", entries, mono=True),))
    return Description(
        (
            Block("CRL", head),
            *_extension_blocks(lambda: crl.extensions),
            *((shown,) if entries else ()),
            _fingerprints(der),
        )
    )


def _unreadable(what: str, error: Exception) -> Description:
    line = Line("Problem", (f"The {what} cannot be decoded ({type(error).__name__}).",))
    return Description((Block(what.capitalize(), (line,)),))


def _rdns(name: x509.Name) -> tuple[str, ...]:
    """Return one text per attribute, most significant last as RFC 4514 writes it."""
    found = tuple(
        f"{attribute.rfc4514_attribute_name}={_text(attribute.value)}" for attribute in name
    )
    return found or ("(empty)",)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.hex()


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _signature_name(
    signed: x509.Certificate | x509.CertificateSigningRequest | x509.CertificateRevocationList,
) -> str:
    oid = signed.signature_algorithm_oid
    return f"{oid._name} ({oid.dotted_string})"  # noqa: SLF001 - the library offers no public name


def _possession(request: x509.CertificateSigningRequest) -> str:
    return "verifies" if request.is_signature_valid else "does not verify"


def _key_block(load: Callable[[], object]) -> Block:
    try:
        key = load()
        algorithm = key_algorithm_of(key)  # type: ignore[arg-type]
        spki = keys.public_key_to_der(key)  # type: ignore[arg-type]
        lines = [Line("Algorithm", (algorithm.label if algorithm else type(key).__name__,))]
        if isinstance(key, rsa.RSAPublicKey):
            lines.append(Line("Exponent", (str(key.public_numbers().e),)))
        elif isinstance(key, ec.EllipticCurvePublicKey):
            lines.append(Line("Curve", (key.curve.name,)))
        lines.append(Line("SPKI SHA-256", (keys.spki_sha256(spki),), mono=True))
    except Exception as error:  # noqa: BLE001 - hostile bytes: any parser failure is an answer here
        return Block("Public key", (Line("Problem", (f"Unreadable ({type(error).__name__}).",)),))
    return Block("Public key", tuple(lines))


def _fingerprints(der: bytes) -> Block:
    def digest(algorithm: hashes.HashAlgorithm) -> str:
        context = hashes.Hash(algorithm)
        context.update(der)
        return context.finalize().hex(":").upper()

    return Block(
        "Fingerprints",
        (
            Line("SHA-256", (digest(hashes.SHA256()),), mono=True),
            Line("SHA-1", (digest(hashes.SHA1()),), mono=True),  # noqa: S303 - an identifier, not a proof
        ),
    )


def _entry(entry: x509.RevokedCertificate) -> str:
    reason = "unspecified"
    with contextlib.suppress(x509.ExtensionNotFound):
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
    return f"{entry.serial_number:x}  {_time(entry.revocation_date_utc)}  {reason}"


def _extension_blocks(load: Callable[[], x509.Extensions]) -> Iterable[Block]:
    try:
        extensions = list(load())
    except Exception as error:  # noqa: BLE001 - hostile bytes: any parser failure is an answer here
        return [Block("Extensions", (Line("Problem", (f"Unreadable ({type(error).__name__}).",)),))]
    return [_extension_block(extension) for extension in extensions]


def _extension_block(extension: x509.Extension[x509.ExtensionType]) -> Block:
    title = _TITLES.get(extension.oid, f"Extension {extension.oid.dotted_string}")
    reader = _READERS.get(type(extension.value))
    try:
        lines = reader(extension.value) if reader else _raw(extension.value)
    except Exception as error:  # noqa: BLE001 - hostile bytes: any parser failure is an answer here
        lines = [Line("Problem", (f"Unreadable ({type(error).__name__}).",))]
    return Block(title, tuple(lines), critical=extension.critical)


def _raw(value: x509.ExtensionType) -> list[Line]:
    return [Line("DER", (value.public_bytes().hex(),), mono=True)]


def _general_name(name: x509.GeneralName) -> str:
    value = name.value
    if isinstance(name, x509.DirectoryName):
        value = ", ".join(_rdns(name.value))
    elif isinstance(name, x509.OtherName):
        value = f"{name.type_id.dotted_string}: {name.value.hex()}"
    elif isinstance(name, x509.RegisteredID):
        value = name.value.dotted_string
    return f"{_NAME_KINDS.get(type(name), type(name).__name__)}: {value}"


def _names(value: Iterable[x509.GeneralName]) -> list[Line]:
    return [Line("Names", tuple(_general_name(name) for name in value))]


def _key_usage(value: x509.KeyUsage) -> list[Line]:
    # encipher_only and decipher_only raise unless key_agreement is set.
    names = list(_USAGES) + (["encipher_only", "decipher_only"] if value.key_agreement else [])
    return [Line("Usages", tuple(name for name in names if getattr(value, name)))]


def _extended_key_usage(value: x509.ExtendedKeyUsage) -> list[Line]:
    return [
        Line("Usages", tuple(f"{oid._name} ({oid.dotted_string})" for oid in value))  # noqa: SLF001 - the library offers no public name
    ]


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


_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)
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
}
