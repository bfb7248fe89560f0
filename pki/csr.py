"""What does a PKCS#10 request ask for, does it prove possession, and what is wrong with it?

A request contributes its key and the names and usages that survive checks; nothing of it is
copied into a certificate. Hostile bytes pass in the order of SECURITY 5.9: size, PEM label,
DER scan, parser, key, proof of possession, names. Requests of the usual kind with which nothing
is wrong are recognised by their octets (``usual_csr``), which spares them scan and parser.
"""

import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
    PrivateKeyTypes,
    PublicKeyTypes,
)
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AttributeOID, ExtensionOID, SignatureAlgorithmOID

from pki import der, der_guard, extensions, keys
from pki.addresses import visible
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm, key_algorithm_of
from pki.encoded_names import MAX_ALT_NAMES, read_encoded_subject
from pki.findings import PkiError, UnusableCSR, UnusableKey, UnusableName, Violation
from pki.names import canonical_san, san_pair, subject_violations, x509_name
from pki.template import KEY_USAGES, TypeValue
from pki.usual_csr import UsualRequest, read_usual

MAX_BYTES = 32 * 1024
# Base64 with line ends needs at most 3/2 of that.
MAX_PEM_BYTES = MAX_BYTES * 3 // 2

_T = TypeVar("_T")
_PEM = re.compile(
    rb"\s*-----BEGIN (?P<label>(?:NEW )?CERTIFICATE REQUEST)-----"
    rb"(?P<body>[A-Za-z0-9+/=\s]+)-----END (?P=label)-----\s*"
)
_PEM_BEGIN = b"-----BEGIN "
_ECDSA = {
    SignatureAlgorithmOID.ECDSA_WITH_SHA256: SignatureAlgorithm.ECDSA_SHA256,
    SignatureAlgorithmOID.ECDSA_WITH_SHA384: SignatureAlgorithm.ECDSA_SHA384,
    SignatureAlgorithmOID.ECDSA_WITH_SHA512: SignatureAlgorithm.ECDSA_SHA512,
}
_STRONG_HASHES = frozenset({"sha256", "sha384", "sha512"})
_EXTENSION_REQUESTS = frozenset({"1.2.840.113549.1.9.14", "1.3.6.1.4.1.311.2.1.14"})
_USAGE_NAMES = {oid: name for name, oid in extensions.EXTENDED_KEY_USAGE_OIDS.items()}
# RFC 5280 section 4.2.1.3 defines these two only together with keyAgreement.
_AGREEMENT_ONLY = ("encipher_only", "decipher_only")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedCSR:
    """A readable request with a proven key.

    Attributes:
        der: the request, DER.
        public_key: its key.
        public_key_der: SubjectPublicKeyInfo in our own encoding, DER.
        key_algorithm: algorithm of that key.
        subject: ordered (attribute, value) pairs, as written.
        subject_alt_names: ordered (type, value) pairs, canonical, without repetitions.
        key_usage: asked for; ``None`` when the request is silent.
        extended_key_usage: asked for, in order; ``None`` when the request is silent.
        is_ca: asked for; ``None`` when the request is silent.
        path_length: asked for; ``None`` when the request is silent.
        challenge_password: RFC 2985 section 5.4.1.
        violations: everything that no profile could allow; empty for a sound request.
    """

    der: bytes
    public_key: PublicKeyTypes
    public_key_der: bytes
    key_algorithm: KeyAlgorithm
    subject: tuple[TypeValue, ...] = ()
    subject_alt_names: tuple[TypeValue, ...] = ()
    key_usage: frozenset[str] | None = None
    extended_key_usage: tuple[str, ...] | None = None
    is_ca: bool | None = None
    path_length: int | None = None
    challenge_password: str | None = None
    violations: tuple[Violation, ...] = ()


def parse_csr(data: bytes) -> ParsedCSR:
    """Read a request, check its proof of possession and collect what is wrong with it.

    Args:
        data: DER, or exactly one PEM block; at most 32 KiB of DER.

    Raises:
        UnusableCSR: unreadable, a key that is not ours to certify, or no valid proof of
            possession; lists these and whatever else could be found. Nothing else escapes,
            whatever the bytes.
    """
    request_der = _der_of(data)
    try:
        usual = read_usual(request_der, max_bytes=MAX_BYTES)
        sound = _sound(request_der, usual) if usual is not None else None
        if sound is not None:
            return sound
        der_guard.scan(request_der, max_bytes=MAX_BYTES)
        return _read(request_der)
    except UnusableCSR:
        raise
    except PkiError as error:
        raise UnusableCSR([replace(v, field="csr") for v in error.violations]) from error
    except BaseException as error:
        if not _is_parser_failure(error):
            raise
        raise UnusableCSR([_UNREADABLE]) from error


def build_csr(
    *,
    subject: Sequence[TypeValue],
    subject_alt_names: Sequence[TypeValue],
    private_key: PrivateKeyTypes,
    algorithm: SignatureAlgorithm,
) -> bytes:
    """Return a signed request, DER; the key may be a delegated one.

    Raises:
        UnusableName: the subject cannot be encoded.
    """
    names = tuple(subject_alt_names)
    found = [extensions.subject_alternative_name(names, critical=False)] if names else []
    builder = x509.CertificateSigningRequestBuilder(x509_name(subject), found)
    signer = cast("CertificateIssuerPrivateKeyTypes", private_key)
    return builder.sign(signer, cast("Any", algorithm.hash)).public_bytes(Encoding.DER)


# --- from bytes to DER ------------------------------------------------------------------------


def _der_of(data: bytes) -> bytes:
    if data[:1] == b"\x30":
        return data
    if len(data) > MAX_PEM_BYTES:
        raise UnusableCSR([_broken("too_large", f"The request is longer than {MAX_BYTES} bytes.")])
    match = _PEM.fullmatch(data)
    if match is None:
        raise UnusableCSR([_UNREADABLE if data.count(_PEM_BEGIN) < 2 else _SEVERAL_BLOCKS])  # noqa: PLR2004 - two is several
    try:
        return binascii.a2b_base64(b"".join(match["body"].split()), strict_mode=True)
    except binascii.Error as error:
        raise UnusableCSR([_broken("base64", "The PEM block is not valid base64.")]) from error


# --- the usual kind ---------------------------------------------------------------------------


def _sound(request_der: bytes, usual: UsualRequest) -> ParsedCSR | None:
    """Return a request of the usual kind, its key proven and all its names sound.

    Returns:
        ``None`` where anything is wrong: the long way tells all of it.
    """
    try:
        key = keys.load_public_key(usual.public_key_der)
        names = [(kind, canonical_san(kind, value)) for kind, value in usual.alt_names]
    except (UnusableKey, UnusableName):
        return None
    algorithm = key_algorithm_of(key)
    if (
        algorithm is None
        or keys.check_public_key(key)
        or subject_violations(usual.subject)
        or not keys.verify(key, usual.signature, usual.info, usual.signature_algorithm)
    ):
        return None
    return ParsedCSR(
        der=request_der,
        public_key=key,
        public_key_der=keys.own_encoding(usual.public_key_der),
        key_algorithm=algorithm,
        subject=usual.subject,
        subject_alt_names=tuple(dict.fromkeys(names)),
    )


# --- from DER to values -----------------------------------------------------------------------


def _is_parser_failure(error: BaseException) -> bool:
    """Tell a failing parser from a stopping process.

    The Rust parser reports its own panics as ``PanicException``, which derives from
    ``BaseException`` and cannot be imported.
    """
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


@dataclass(slots=True)
class _Findings:
    """Violations met while reading; ``fatal`` once the request cannot be used at all."""

    violations: list[Violation] = field(default_factory=list)
    fatal: bool = False

    def fail(self, *violations: Violation) -> None:
        self.violations += violations
        self.fatal = True

    def attempt(self, read: Callable[[], _T], otherwise: Violation) -> _T | None:
        """Return what ``read`` returns; a failing parser makes the request unusable."""
        try:
            return read()
        except BaseException as error:
            if not _is_parser_failure(error):
                raise
            self.fail(otherwise)
            return None


def _read(request_der: bytes) -> ParsedCSR:
    findings = _Findings()
    request = findings.attempt(lambda: x509.load_der_x509_csr(request_der), _UNREADABLE)
    if request is None:
        raise UnusableCSR(findings.violations)
    tbs = request.tbs_certrequest_bytes
    _, subject_der, spki, _ = der.split(tbs)
    key, algorithm = _read_key(request, tbs, spki, findings)
    subject = _read_subject(request, subject_der, findings)
    asked = _read_extensions(request, findings)
    challenge_password = _read_attributes(request, findings)
    if findings.fatal or key is None or algorithm is None:
        raise UnusableCSR(findings.violations)
    return ParsedCSR(
        der=request_der,
        public_key=key,
        public_key_der=keys.own_encoding(spki),
        key_algorithm=algorithm,
        subject=subject,
        challenge_password=challenge_password,
        violations=tuple(findings.violations),
        **asked,
    )


def _read_key(
    request: x509.CertificateSigningRequest, tbs: bytes, spki: bytes, findings: _Findings
) -> tuple[PublicKeyTypes | None, KeyAlgorithm | None]:
    """Return the key; an unsupported one or an unproven one makes the request unusable."""
    # Not ``request.public_key``: a key loaded by its bytes need not be loaded again to issue.
    key = findings.attempt(lambda: keys.load_public_key(spki), _UNREADABLE_KEY)
    if key is None:
        return None, None
    findings.violations += keys.check_public_key(key)
    algorithm = key_algorithm_of(key)
    if algorithm is None:
        findings.fatal = True
    if _is_costly(key):
        findings.fatal = True  # unproven, and its violations are listed already
    else:
        _check_possession(request, key, tbs, findings)
    return key, algorithm


def _is_costly(key: PublicKeyTypes) -> bool:
    """Tell whether verifying with this key would cost more than a request is worth."""
    return isinstance(key, rsa.RSAPublicKey) and (
        key.key_size > keys.MAX_RSA_BITS or key.public_numbers().e >= keys.MAX_EXPONENT
    )


def _check_possession(
    request: x509.CertificateSigningRequest, key: PublicKeyTypes, tbs: bytes, findings: _Findings
) -> None:
    digest = findings.attempt(lambda: _digest_name(request), _UNKNOWN_SIGNATURE)
    if digest is None:
        return
    if digest and digest not in _STRONG_HASHES:
        findings.fail(replace(_WEAK_SIGNATURE, value=digest))
        return
    proven = findings.attempt(lambda: _is_proven(request, key, tbs), _UNKNOWN_SIGNATURE)
    if proven is False:
        findings.fail(_UNPROVEN)


def _is_proven(request: x509.CertificateSigningRequest, key: PublicKeyTypes, tbs: bytes) -> bool:
    """Verify the signature; the usual kind with the key at hand, which the library would reload."""
    algorithm = _ECDSA.get(request.signature_algorithm_oid)
    if algorithm is None or not isinstance(key, ec.EllipticCurvePublicKey):
        return request.is_signature_valid
    return keys.verify(key, request.signature, tbs, algorithm)


def _digest_name(request: x509.CertificateSigningRequest) -> str:
    """Return the digest that was signed; empty for algorithms that hash by themselves."""
    digest = request.signature_hash_algorithm
    return digest.name if digest is not None else ""


def _read_subject(
    request: x509.CertificateSigningRequest, subject_der: bytes, findings: _Findings
) -> tuple[TypeValue, ...]:
    read = findings.attempt(
        lambda: read_encoded_subject(subject_der, lambda: request.subject), _UNREADABLE_SUBJECT
    )
    if read is None:
        return ()
    pairs, foreign = read
    findings.violations += foreign
    findings.violations += subject_violations(pairs)
    return pairs


def _read_attributes(request: x509.CertificateSigningRequest, findings: _Findings) -> str | None:
    """Return the challenge password; attributes that nobody asked about are ignored."""
    attributes = findings.attempt(lambda: list(request.attributes), _UNREADABLE_ATTRIBUTES)
    if attributes is None:
        return None
    requests = [a for a in attributes if a.oid.dotted_string in _EXTENSION_REQUESTS]
    if len(requests) > 1:
        findings.violations.append(_SEVERAL_EXTENSION_REQUESTS)
    for attribute in attributes:
        if attribute.oid == AttributeOID.CHALLENGE_PASSWORD:
            try:
                return str(attribute.value, "utf-8")
            except UnicodeDecodeError:
                return None
    return None


# --- extensions -------------------------------------------------------------------------------


def _read_extensions(
    request: x509.CertificateSigningRequest, findings: _Findings
) -> dict[str, Any]:
    """Return the fields of ``ParsedCSR`` that extensions ask for."""
    try:
        found = list(request.extensions)
    except x509.DuplicateExtension as error:
        findings.violations.append(replace(_DUPLICATE, value=error.oid.dotted_string))
        return {}
    except BaseException as error:
        if not _is_parser_failure(error):
            raise
        findings.fail(_UNREADABLE_EXTENSIONS)
        return {}
    asked: dict[str, Any] = {}
    for extension in found:
        reader = _READERS.get(extension.oid)
        if reader is not None:
            asked |= reader(extension.value, findings)
        elif extension.oid != ExtensionOID.SUBJECT_KEY_IDENTIFIER:
            findings.violations.append(_foreign(extension))
    return asked


def _foreign(extension: x509.Extension[x509.ExtensionType]) -> Violation:
    return Violation(
        code="csr.extension_not_allowed",
        field="extensions",
        value=extension.oid.dotted_string,
        reason="The request has an extension that requests may not bring along.",
        hint="subjectAltName, keyUsage, extendedKeyUsage, basicConstraints.",
    )


def _read_alt_names(extension: x509.SubjectAlternativeName, findings: _Findings) -> dict[str, Any]:
    if len(names := list(extension)) > MAX_ALT_NAMES:
        hint = f"At most {MAX_ALT_NAMES}; policies allow fewer."
        findings.violations.append(replace(_TOO_MANY_NAMES, value=str(len(names)), hint=hint))
        return {}
    if not names:
        findings.violations.append(_NO_NAMES)
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
    return {"subject_alt_names": tuple(read)}


def _foreign_name(name: x509.GeneralName, where: str) -> Violation:
    return Violation(
        code="csr.name_type_not_allowed",
        field=where,
        value=visible(str(name.value)),
        reason=f"Alternative names of type {type(name).__name__} are not certified.",
        hint="dNSName, iPAddress, rfc822Name, uniformResourceIdentifier.",
    )


def _read_key_usage(extension: x509.KeyUsage, _: _Findings) -> dict[str, Any]:
    names = (name for name in KEY_USAGES if name not in _AGREEMENT_ONLY or extension.key_agreement)
    return {"key_usage": frozenset(name for name in names if getattr(extension, name))}


def _read_extended_key_usage(
    extension: x509.ExtendedKeyUsage, findings: _Findings
) -> dict[str, Any]:
    known = []
    for oid in extension:
        if oid in _USAGE_NAMES:
            known.append(_USAGE_NAMES[oid])
        else:
            findings.violations.append(replace(_FOREIGN_USAGE, value=oid.dotted_string))
    return {"extended_key_usage": tuple(dict.fromkeys(known))}


def _read_basic_constraints(extension: x509.BasicConstraints, _: _Findings) -> dict[str, Any]:
    return {"is_ca": extension.ca, "path_length": extension.path_length}


_READERS: dict[x509.ObjectIdentifier, Callable[[Any, _Findings], dict[str, Any]]] = {
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME: _read_alt_names,
    ExtensionOID.KEY_USAGE: _read_key_usage,
    ExtensionOID.EXTENDED_KEY_USAGE: _read_extended_key_usage,
    ExtensionOID.BASIC_CONSTRAINTS: _read_basic_constraints,
}


# --- what can be wrong ------------------------------------------------------------------------


def _broken(code: str, reason: str, hint: str = "", *, where: str = "csr") -> Violation:
    return Violation(code=f"csr.{code}", field=where, value="", reason=reason, hint=hint)


_UNREADABLE = _broken(
    "unreadable",
    "This is not a PKCS#10 certificate request.",
    "DER, or one PEM block labelled CERTIFICATE REQUEST and nothing around it.",
)
_SEVERAL_BLOCKS = _broken(
    "several_pem_blocks", "There is more than one PEM block.", "Exactly one CERTIFICATE REQUEST."
)
_UNREADABLE_KEY = _broken(
    "unreadable_key",
    "The public key is malformed or of an unknown kind.",
    "RSA, ECDSA on a named curve, Ed25519, Ed448 or ML-DSA.",
    where="public_key",
)
_UNREADABLE_SUBJECT = _broken("unreadable_subject", "The subject is malformed.", where="subject")
_UNREADABLE_ATTRIBUTES = _broken("unreadable_attributes", "The attributes are malformed.")
_UNREADABLE_EXTENSIONS = _broken(
    "unreadable_extensions", "A requested extension is malformed.", where="extensions"
)
_UNKNOWN_SIGNATURE = _broken(
    "signature_algorithm",
    "The request is signed with an unknown algorithm, or one that does not fit its key.",
    "SHA-256, SHA-384 or SHA-512 with RSA or ECDSA; Ed25519, Ed448 or ML-DSA.",
    where="signature",
)
_WEAK_SIGNATURE = _broken(
    "weak_signature",
    "The request is signed over a digest that does not count any more.",
    "SHA-256, SHA-384 or SHA-512.",
    where="signature",
)
_UNPROVEN = _broken(
    "proof_of_possession",
    "The signature does not verify: the request does not prove possession of its key.",
    "Sign the request with the private key that belongs to it.",
    where="signature",
)
_SEVERAL_EXTENSION_REQUESTS = _broken(
    "several_extension_requests",
    "The request has more than one extensionRequest attribute.",
    where="extensions",
)
_DUPLICATE = _broken(
    "duplicate_extension", "An extension occurs more than once.", where="extensions"
)
_TOO_MANY_NAMES = _broken(
    "too_many_names", "There are too many alternative names.", where="subject_alt_names"
)
_NO_NAMES = _broken(
    "no_names", "The subjectAltName extension names nothing.", where="subject_alt_names"
)
_FOREIGN_USAGE = _broken(
    "extended_key_usage_not_allowed",
    "The request asks for an extended key usage that is not supported.",
    ", ".join(extensions.EXTENDED_KEY_USAGE_OIDS),
    where="extended_key_usage",
)
