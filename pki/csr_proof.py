"""The key of a certificate request, and the proof that its owner signed the request."""

from dataclasses import replace

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509.oid import PublicKeyAlgorithmOID, SignatureAlgorithmOID

from pki import csr_violations, keys, structures
from pki.algorithms import KeyAlgorithm, key_algorithm_of
from pki.csr_frame import Frame, algorithm_oid, library_request
from pki.csr_violations import Findings
from pki.findings import UnusableCSR, UnusableKey, Violation
from pki.oid_names import named
from pki.parsing import ParserFailed, parsed

_STRONG_HASHES = frozenset({"sha256", "sha384", "sha512"})
_WEAK_HASHES = frozenset({"md5", "sha1", "sha224"})
_WEAK = {
    "1.2.840.113549.1.1.2": "MD2",
    "1.2.840.113549.1.1.4": "MD5",
    "1.2.840.113549.1.1.5": "SHA-1",
    "1.3.14.3.2.29": "SHA-1",
    "1.2.840.113549.1.1.14": "SHA-224",
    "1.2.840.10045.4.1": "SHA-1",
    "1.2.840.10045.4.3.1": "SHA-224",
    "1.2.840.10040.4.3": "SHA-1",
}


def read_key(frame: Frame, findings: Findings) -> tuple[PublicKeyTypes | None, KeyAlgorithm | None]:
    """Return the key; an unsupported one, or an unproven one, makes the request unusable."""
    key = _load(frame, findings)
    if key is None:
        return None, None
    weaknesses = findings.attempt(lambda: keys.check_public_key(key), csr_violations.UNREADABLE_KEY)
    findings.violations += weaknesses or ()
    algorithm = key_algorithm_of(key)
    if algorithm is None:
        findings.fatal = True
    if _is_costly(key):
        findings.fatal = True  # unproven, and its violations are listed already
        return key, algorithm
    fault = _possession_fault(frame, key)
    if fault is not None:
        findings.fail(fault)
    return key, algorithm


def is_proven(frame: Frame) -> bool:
    """Tell whether the request is signed by its own key, for people who look at it."""
    try:
        key = keys.load_public_key(frame.public_key_der)
    except UnusableKey:
        return False
    return not _is_costly(key) and _possession_fault(frame, key) is None


def _load(frame: Frame, findings: Findings) -> PublicKeyTypes | None:
    unreadable = csr_violations.UNREADABLE_KEY
    try:
        info = parsed(
            lambda: structures.decode(structures.SubjectPublicKeyInfo, frame.public_key_der)
        )
        oid = algorithm_oid(asn1.encode_der(info.algorithm), unreadable)
    except (ParserFailed, UnusableCSR):
        findings.fail(unreadable)
        return None
    element = named(oid)
    # The library drops this restriction while it loads the key, and would certify another key.
    if oid == PublicKeyAlgorithmOID.RSASSA_PSS:
        findings.fail(_restricted(element))
        return None
    try:
        return keys.load_public_key(frame.public_key_der)
    except UnusableKey:
        reason = f"The public key is malformed or of an unknown kind: {element}."
        findings.fail(replace(unreadable, value=element, reason=reason))
        return None


def _restricted(element: str) -> Violation:
    return Violation(
        code="key.type",
        field="public_key",
        value=element,
        reason=f"Keys of type {element} are not certified, and would become keys of another type.",
        hint="An rsaEncryption key; it makes RSASSA-PSS signatures as well (RFC 4055 section 1.2).",
    )


def _is_costly(key: PublicKeyTypes) -> bool:
    """Tell whether verifying with this key would cost more than a request is worth."""
    return isinstance(key, rsa.RSAPublicKey) and (
        key.key_size > keys.MAX_RSA_BITS or key.public_numbers().e >= keys.MAX_EXPONENT
    )


def _possession_fault(frame: Frame, key: PublicKeyTypes) -> Violation | None:
    """Return why the signature over the octets as sent proves nothing; ``None`` if it proves."""
    oid = frame.signature_oid
    element = named(oid)
    if oid == SignatureAlgorithmOID.RSASSA_PSS:
        return _pss_fault(frame, key, element)
    weak = _WEAK.get(oid.dotted_string)
    if weak is not None:
        return _weak(element, weak)
    algorithm = structures.SIGNATURE_ALGORITHMS.get(oid)
    try:
        identifier = parsed(
            lambda: structures.decode(structures.AlgorithmIdentifier, frame.signature_algorithm_der)
        )
        if algorithm is None or not keys.can_verify(key, algorithm):
            return _unknown(element)
        # NULL is right for RSA and tolerated for ECDSA, as OpenSSL and Go do.
        if identifier.parameters is not None and algorithm.hash is None:
            return _unknown(element)
        proven = parsed(lambda: keys.verify(key, frame.signature, frame.info_der, algorithm))
    except ParserFailed:
        return _unknown(element)
    return None if proven else csr_violations.UNPROVEN


def _pss_fault(frame: Frame, key: PublicKeyTypes, element: str) -> Violation | None:
    try:
        request = library_request(frame)
        digest = parsed(lambda: request.signature_hash_algorithm)
        scheme = parsed(lambda: request.signature_algorithm_parameters)
    except ParserFailed:
        return _unknown(element)
    if (
        digest is None
        or not isinstance(scheme, padding.PSS)
        or not isinstance(key, rsa.RSAPublicKey)
    ):
        return _unknown(element)
    if digest.name not in _STRONG_HASHES:
        # SHA-3 is strong, but nothing here signs with it.
        is_weak = digest.name in _WEAK_HASHES
        return _weak(element, digest.name) if is_weak else _unknown(element)
    try:
        parsed(lambda: key.verify(frame.signature, frame.info_der, scheme, digest))
    except ParserFailed as error:
        if isinstance(error.__cause__, InvalidSignature):
            return csr_violations.UNPROVEN
        return _unknown(element)
    return None


def _weak(element: str, digest: str) -> Violation:
    weak = csr_violations.WEAK_SIGNATURE
    reason = f"The request is signed with {element}: {digest} does not count any more."
    return replace(weak, value=f"{element} {digest}", reason=reason)


def _unknown(element: str) -> Violation:
    unknown = csr_violations.UNKNOWN_SIGNATURE
    reason = f"The request is signed with an algorithm that is unknown, or does not fit its key: {element}."
    return replace(unknown, value=element, reason=reason)
