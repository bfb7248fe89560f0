"""PKCS#10 certificate requests: parser with proof of possession, and builder (RFC 2986).

A request contributes its key and the names and usages that survive checks; nothing of it is
copied into a certificate. Hostile bytes pass these checks in order: size, PEM label, DER scan,
parser, key, proof of possession, names.
"""

import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
    PrivateKeyTypes,
    PublicKeyTypes,
)
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AttributeOID

from pki import csr_violations, der_guard, keys
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm, key_algorithm_of
from pki.csr_extensions import read_extensions
from pki.csr_violations import Findings, csr_violation
from pki.findings import PkiError, UnusableCSR, Violation
from pki.names import general_names, read_subject, subject_violations, x509_name
from pki.parsing import ParserFailed, parsed
from pki.template import TypeValue

MAX_BYTES = 32 * 1024
# Base64 with line ends needs at most 3/2 of that.
MAX_PEM_BYTES = MAX_BYTES * 3 // 2

_PEM = re.compile(
    rb"\s*-----BEGIN (?P<label>(?:NEW )?CERTIFICATE REQUEST)-----"
    rb"(?P<body>[A-Za-z0-9+/=\s]+)-----END (?P=label)-----\s*"
)
_PEM_BEGIN = b"-----BEGIN "
_STRONG_HASHES = frozenset({"sha256", "sha384", "sha512"})
_EXTENSION_REQUESTS = frozenset({"1.2.840.113549.1.9.14", "1.3.6.1.4.1.311.2.1.14"})


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
        UnusableCSR: unreadable, an unsupported key, or no valid proof of possession; lists
            everything that was found. No bytes cause another exception.
    """
    request_der = _der_of(data)
    try:
        der_guard.scan(request_der, max_bytes=MAX_BYTES)
        return parsed(lambda: _read(request_der))
    except UnusableCSR:
        raise
    except PkiError as error:
        raise UnusableCSR([replace(v, field="csr") for v in error.violations]) from error
    except ParserFailed as error:
        raise UnusableCSR([csr_violations.UNREADABLE]) from error


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
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509_name(subject))
    if subject_alt_names:
        names = x509.SubjectAlternativeName(general_names(subject_alt_names))
        builder = builder.add_extension(names, critical=False)
    signer = cast("CertificateIssuerPrivateKeyTypes", private_key)
    return builder.sign(signer, cast("Any", algorithm.hash)).public_bytes(Encoding.DER)


def _der_of(data: bytes) -> bytes:
    if data[:1] == b"\x30":
        return data
    if len(data) > MAX_PEM_BYTES:
        reason = f"The request is longer than {MAX_BYTES} bytes."
        raise UnusableCSR([csr_violation("too_large", reason)])
    match = _PEM.fullmatch(data)
    if match is None:
        several = data.count(_PEM_BEGIN) > 1
        raise UnusableCSR([csr_violations.SEVERAL_BLOCKS if several else csr_violations.UNREADABLE])
    try:
        return binascii.a2b_base64(b"".join(match["body"].split()), strict_mode=True)
    except binascii.Error as error:
        raise UnusableCSR(
            [csr_violation("base64", "The PEM block is not valid base64.")]
        ) from error


def _read(request_der: bytes) -> ParsedCSR:
    findings = Findings()
    request = findings.attempt(
        lambda: x509.load_der_x509_csr(request_der), csr_violations.UNREADABLE
    )
    if request is None:
        raise UnusableCSR(findings.violations)
    key, algorithm = _read_key(request, findings)
    subject = _read_subject(request, findings)
    asked = read_extensions(request, findings)
    challenge_password = _read_attributes(request, findings)
    if findings.fatal or key is None or algorithm is None:
        raise UnusableCSR(findings.violations)
    return ParsedCSR(
        der=request_der,
        public_key=key,
        public_key_der=keys.public_key_to_der(key),
        key_algorithm=algorithm,
        subject=subject,
        subject_alt_names=asked.subject_alt_names,
        key_usage=asked.key_usage,
        extended_key_usage=asked.extended_key_usage,
        is_ca=asked.is_ca,
        path_length=asked.path_length,
        challenge_password=challenge_password,
        violations=tuple(findings.violations),
    )


def _read_key(
    request: x509.CertificateSigningRequest, findings: Findings
) -> tuple[PublicKeyTypes | None, KeyAlgorithm | None]:
    """Return the key; an unsupported one or an unproven one makes the request unusable."""
    key = findings.attempt(request.public_key, csr_violations.UNREADABLE_KEY)
    if key is None:
        return None, None
    weaknesses = findings.attempt(lambda: keys.check_public_key(key), csr_violations.UNREADABLE_KEY)
    findings.violations += weaknesses or ()
    algorithm = key_algorithm_of(key)
    if algorithm is None:
        findings.fatal = True
    if _is_costly(key):
        findings.fatal = True  # unproven, and its violations are listed already
    else:
        _check_possession(request, findings)
    return key, algorithm


def _is_costly(key: PublicKeyTypes) -> bool:
    """Tell whether verifying with this key would cost more than a request is worth."""
    return isinstance(key, rsa.RSAPublicKey) and (
        key.key_size > keys.MAX_RSA_BITS or key.public_numbers().e >= keys.MAX_EXPONENT
    )


def _check_possession(request: x509.CertificateSigningRequest, findings: Findings) -> None:
    unknown = csr_violations.UNKNOWN_SIGNATURE
    digest = findings.attempt(lambda: _digest_name(request), unknown)
    if digest is None:
        return
    if digest and digest not in _STRONG_HASHES:
        findings.fail(replace(csr_violations.WEAK_SIGNATURE, value=digest))
        return
    proven = findings.attempt(lambda: request.is_signature_valid, unknown)
    if proven is False:
        findings.fail(csr_violations.UNPROVEN)


def _digest_name(request: x509.CertificateSigningRequest) -> str:
    """Return the digest that was signed; empty for algorithms that hash by themselves."""
    digest = request.signature_hash_algorithm
    return digest.name if digest is not None else ""


def _read_subject(
    request: x509.CertificateSigningRequest, findings: Findings
) -> tuple[TypeValue, ...]:
    read = findings.attempt(
        lambda: read_subject(request.subject), csr_violations.UNREADABLE_SUBJECT
    )
    if read is None:
        return ()
    pairs, foreign = read
    findings.violations += foreign
    findings.violations += subject_violations(pairs)
    return pairs


def _read_attributes(request: x509.CertificateSigningRequest, findings: Findings) -> str | None:
    """Return the challenge password; other attributes are ignored."""
    attributes = findings.attempt(
        lambda: list(request.attributes), csr_violations.UNREADABLE_ATTRIBUTES
    )
    if attributes is None:
        return None
    requests = [a for a in attributes if a.oid.dotted_string in _EXTENSION_REQUESTS]
    if len(requests) > 1:
        findings.violations.append(csr_violations.SEVERAL_EXTENSION_REQUESTS)
    for attribute in attributes:
        if attribute.oid == AttributeOID.CHALLENGE_PASSWORD:
            try:
                return str(attribute.value, "utf-8")
            except UnicodeDecodeError:
                return None
    return None
