"""Keys: generation, PKCS#8 and SubjectPublicKeyInfo, signatures, and checks before certification."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias, cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import (
    dsa,
    ec,
    ed448,
    ed25519,
    mldsa,
    padding,
    rsa,
    utils,
    x448,
    x25519,
)
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificatePublicKeyTypes,
    PrivateKeyTypes,
    PublicKeyTypes,
)
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from pki.algorithms import KeyAlgorithm, SignatureAlgorithm, key_algorithm_of
from pki.findings import UnusableKey, Violation
from pki.parsing import ParserFailed, parsed

Sign = Callable[[bytes], bytes]
# Read, but never certified: they sign nothing, or in a way that nobody accepts any more.
_FOREIGN_FAMILIES: tuple[tuple[type, str], ...] = (
    (dsa.DSAPublicKey, "DSA"),
    (x25519.X25519PublicKey, "X25519"),
    (x448.X448PublicKey, "X448"),
)


@dataclass(frozen=True, slots=True)
class Prehashed:
    """A message of which only the digest is here, made with the hash of the signature algorithm."""

    digest: bytes


Message: TypeAlias = bytes | Prehashed
"""What a key signs; one of hundreds of megabytes need not be in memory at once."""

# Issuing needs a public key to encode it and again in the lint; loading a P-256 key takes 22 us.
_CACHED = 256

PUBLIC_EXPONENT = 65537
MAX_EXPONENT = 2**64
# A 16 384-bit modulus costs 10 ms a verification; nothing above this is worked with.
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192
_MIN_CURVE_BITS = 256

_GENERATORS: dict[KeyAlgorithm, Callable[[], PrivateKeyTypes]] = {
    KeyAlgorithm.RSA_2048: lambda: rsa.generate_private_key(PUBLIC_EXPONENT, 2048),
    KeyAlgorithm.RSA_3072: lambda: rsa.generate_private_key(PUBLIC_EXPONENT, 3072),
    KeyAlgorithm.RSA_4096: lambda: rsa.generate_private_key(PUBLIC_EXPONENT, 4096),
    KeyAlgorithm.EC_P256: lambda: ec.generate_private_key(ec.SECP256R1()),
    KeyAlgorithm.EC_P384: lambda: ec.generate_private_key(ec.SECP384R1()),
    KeyAlgorithm.EC_P521: lambda: ec.generate_private_key(ec.SECP521R1()),
    KeyAlgorithm.ED25519: ed25519.Ed25519PrivateKey.generate,
    KeyAlgorithm.ED448: ed448.Ed448PrivateKey.generate,
    KeyAlgorithm.ML_DSA_44: mldsa.MLDSA44PrivateKey.generate,
    KeyAlgorithm.ML_DSA_65: mldsa.MLDSA65PrivateKey.generate,
    KeyAlgorithm.ML_DSA_87: mldsa.MLDSA87PrivateKey.generate,
}


def generate_private_key(algorithm: KeyAlgorithm) -> PrivateKeyTypes:
    """Return a fresh key; RSA takes 50 to 330 ms of CPU, the others well under one."""
    return _GENERATORS[algorithm]()


def private_key_to_pkcs8(key: PrivateKeyTypes, password: bytes | None = None) -> bytes:
    """Return PKCS#8 DER, under PBES2/AES-256 when a password is given (RFC 5958)."""
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, _encryption(password))


def private_key_to_pem(key: PrivateKeyTypes, password: bytes | None = None) -> bytes:
    """Return PKCS#8 PEM, under PBES2/AES-256 when a password is given."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, _encryption(password))


def _encryption(password: bytes | None) -> serialization.KeySerializationEncryption:
    return BestAvailableEncryption(password) if password else NoEncryption()


def private_key_from_pkcs8(data: bytes, *, trusted: bool) -> PrivateKeyTypes:
    """Return the private key of an unencrypted PKCS#8 structure.

    Args:
        data: PKCS#8 DER.
        trusted: this product sealed the bytes; skips the RSA primality check, which costs
            40 to 330 ms.

    Raises:
        UnusableKey: not a private key, an inconsistent one, or of an unsupported algorithm.
    """
    try:
        key = parsed(
            lambda: serialization.load_der_private_key(
                data, None, unsafe_skip_rsa_key_validation=trusted
            )
        )
    except ParserFailed as error:
        raise UnusableKey([_unreadable("private_key")]) from error
    if key_algorithm_of(key.public_key()) is None:
        raise UnusableKey(_unsupported(key.public_key(), "private_key"))
    return key


def public_key_to_der(key: PublicKeyTypes) -> bytes:
    """Return the SubjectPublicKeyInfo, DER."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@lru_cache(maxsize=_CACHED)
def load_public_key(data: bytes) -> PublicKeyTypes:
    """Return the key of a SubjectPublicKeyInfo; the same object for the keys seen last.

    Raises:
        UnusableKey: the DER is no public key that the library knows.
    """
    try:
        return parsed(lambda: serialization.load_der_public_key(data))
    except ParserFailed as error:
        raise UnusableKey([_unreadable("public_key")]) from error


def spki_sha256(spki_der: bytes) -> str:
    """Return the SHA-256 of a SubjectPublicKeyInfo, lower-case hex: the identity of a key."""
    return hashlib.sha256(spki_der).hexdigest()


@lru_cache(maxsize=_CACHED)
def key_identifier(spki_der: bytes) -> bytes:
    """Return the SHA-1 of the BIT STRING's value, 20 octets (RFC 5280 section 4.2.1.2 (1)).

    Raises:
        UnusableKey: the DER is no public key that the library knows.
    """
    key = cast("CertificatePublicKeyTypes", load_public_key(spki_der))
    return x509.SubjectKeyIdentifier.from_public_key(key).digest


def message_of(pieces: Iterable[bytes], algorithm: SignatureAlgorithm) -> Message:
    """Return what is to be signed: the digest where the algorithm begins with one, else all of it."""
    if algorithm.hash is None:
        return b"".join(pieces)
    state = hashes.Hash(algorithm.hash)
    for piece in pieces:
        state.update(piece)
    return Prehashed(state.finalize())


def sign(key: PrivateKeyTypes, data: Message, algorithm: SignatureAlgorithm) -> bytes:
    """Return a signature over ``data``.

    Raises:
        UnusableKey: the key cannot make such signatures.
    """
    if isinstance(key, _FAMILIES[algorithm][1]):
        signer: Any = key
        signature: bytes = signer.sign(*_octets_and_scheme(data, algorithm))
        return signature
    raise UnusableKey(
        [
            Violation(
                code="key.signature_mismatch",
                field="signature_algorithm",
                value=algorithm.value,
                reason="The key cannot make signatures of this kind.",
            )
        ]
    )


def can_verify(public_key: PublicKeyTypes, algorithm: SignatureAlgorithm) -> bool:
    """Tell whether signatures of an algorithm are of the family of a key."""
    return isinstance(public_key, _FAMILIES[algorithm][0])


def verify(
    public_key: PublicKeyTypes, signature: bytes, data: Message, algorithm: SignatureAlgorithm
) -> bool:
    """Tell whether ``signature`` is one of ``public_key`` over ``data``."""
    if not can_verify(public_key, algorithm):
        return False
    verifier: Any = public_key
    try:
        verifier.verify(signature, *_octets_and_scheme(data, algorithm))
    except InvalidSignature:
        return False
    return True


# Public and private type of the keys of each family, and which family makes which signature.
_RSA = (rsa.RSAPublicKey, rsa.RSAPrivateKey)
_EC = (ec.EllipticCurvePublicKey, ec.EllipticCurvePrivateKey)
_FAMILIES: dict[SignatureAlgorithm, tuple[type[Any], type[Any]]] = {
    SignatureAlgorithm.RSA_SHA256: _RSA,
    SignatureAlgorithm.RSA_SHA384: _RSA,
    SignatureAlgorithm.RSA_SHA512: _RSA,
    SignatureAlgorithm.ECDSA_SHA256: _EC,
    SignatureAlgorithm.ECDSA_SHA384: _EC,
    SignatureAlgorithm.ECDSA_SHA512: _EC,
    SignatureAlgorithm.ED25519: (ed25519.Ed25519PublicKey, ed25519.Ed25519PrivateKey),
    SignatureAlgorithm.ED448: (ed448.Ed448PublicKey, ed448.Ed448PrivateKey),
    SignatureAlgorithm.ML_DSA_44: (mldsa.MLDSA44PublicKey, mldsa.MLDSA44PrivateKey),
    SignatureAlgorithm.ML_DSA_65: (mldsa.MLDSA65PublicKey, mldsa.MLDSA65PrivateKey),
    SignatureAlgorithm.ML_DSA_87: (mldsa.MLDSA87PublicKey, mldsa.MLDSA87PrivateKey),
}


def _scheme(algorithm: SignatureAlgorithm, *, prehashed: bool) -> tuple[Any, ...]:
    """Return what the library's ``sign`` and ``verify`` want beside the data."""
    if algorithm.hash is None:
        return ()
    used = utils.Prehashed(algorithm.hash) if prehashed else algorithm.hash
    if _FAMILIES[algorithm] is _RSA:
        return padding.PKCS1v15(), used
    return (ec.ECDSA(used),)


_SCHEMES = {one: _scheme(one, prehashed=False) for one in SignatureAlgorithm}
_PREHASHED_SCHEMES = {one: _scheme(one, prehashed=True) for one in SignatureAlgorithm}


def _octets_and_scheme(message: Message, algorithm: SignatureAlgorithm) -> tuple[Any, ...]:
    if not isinstance(message, Prehashed):
        return message, *_SCHEMES[algorithm]
    if algorithm.hash is None:
        raise TypeError(f"{algorithm.value} signs whole messages only")
    return message.digest, *_PREHASHED_SCHEMES[algorithm]


class _Delegated:
    """Passes the data to be signed to a callable; the library does the encoding around it.

    The library chooses padding and hash; they are ignored, because the callable knows which
    signature algorithm it was asked for.
    """

    def __init__(self, public_key: PublicKeyTypes, sign: Sign) -> None:
        self._public_key = public_key
        self._sign = sign

    def public_key(self) -> PublicKeyTypes:
        return self._public_key

    def sign(self, data: bytes, *_: object) -> bytes:
        return self._sign(bytes(data))

    @property
    def curve(self) -> ec.EllipticCurve:
        return cast("ec.EllipticCurvePublicKey", self._public_key).curve

    @property
    def key_size(self) -> int:
        return cast("rsa.RSAPublicKey", self._public_key).key_size

    def __copy__(self) -> "_Delegated":
        return self

    def __deepcopy__(self, memo: object) -> "_Delegated":
        return self


def _withheld(*_: object, **__: object) -> None:
    raise TypeError("the private key is not here: it only signs, through its backend")


def _delegated_type(base: type[Any]) -> type[Any]:
    """Return a class that the library's builders accept as a private key of type ``base``."""
    missing = base.__abstractmethods__ - set(dir(_Delegated))
    return type(f"Delegated{base.__name__}", (_Delegated, base), dict.fromkeys(missing, _withheld))


_DELEGATED: dict[type[Any], type[Any]] = {
    public: _delegated_type(private) for public, private in dict.fromkeys(_FAMILIES.values())
}


def delegated_private_key(public_key: PublicKeyTypes, sign: Sign) -> PrivateKeyTypes:
    """Return a stand-in private key that the library's builders accept.

    Args:
        public_key: the public half of the key that really signs.
        sign: receives the octets to be signed, returns the signature; must use the algorithm
            that the builder is told.

    Raises:
        UnusableKey: the public key is of a family that does not sign.
    """
    for public_type, stand_in in _DELEGATED.items():
        if isinstance(public_key, public_type):
            return cast("PrivateKeyTypes", stand_in(public_key, sign))
    raise UnusableKey(_unsupported(public_key, "public_key"))


# Only the checks that compute: the block list of that library reads files and may end the
# process when they are missing.
_WEAKNESSES = {
    "fermat": "Its two primes are so close that Fermat's method factors it.",
    "roca": "It was made by a chip with the ROCA flaw (CVE-2017-15361).",
    "rsapoly": "Its bits follow a pattern that factors it.",
    "sharedprimes": "It shares a prime with known weak keys.",
    "smalld": "Its private exponent is small enough for Wiener's attack.",
    "smallfactors": "It has a small prime factor.",
}


def check_public_key(key: PublicKeyTypes) -> tuple[Violation, ...]:
    """Return every reason not to certify a key (B-03, AC-02).

    Costs about 0.5 ms for RSA and nothing worth measuring for the other families, whose
    points and lengths the library checked while loading.
    """
    found: list[Violation] = []
    if key_algorithm_of(key) is None:
        found += _unsupported(key, "public_key")
    if isinstance(key, rsa.RSAPublicKey) and key.key_size <= MAX_RSA_BITS:
        numbers = key.public_numbers()
        found += _exponent_violations(numbers.e)
        found += _weakness_violations(numbers.n, numbers.e)
    return tuple(found)


def issuer_key_violations(key: PublicKeyTypes) -> tuple[Violation, ...]:
    """Return every reason not to trust what the key of somebody else's CA signs.

    The floor is that of ``check_public_key``. Sizes and curves that are not certified here, but
    are no weaker than those, pass: other CAs have RSA keys of 8192 bits, and Brainpool curves.
    """
    strong = (
        MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS
        if isinstance(key, rsa.RSAPublicKey)
        else isinstance(key, ec.EllipticCurvePublicKey) and key.curve.key_size >= _MIN_CURVE_BITS
    )
    found = check_public_key(key)
    return tuple(v for v in found if not (strong and v.code in {"key.size", "key.curve"}))


def kind_of(key: PublicKeyTypes) -> str:
    """Return what people call a key: family with size or curve, certified here or not."""
    known = key_algorithm_of(key)
    if known is not None:
        return known.label
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size} bits"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.curve.name}"
    for family, name in _FOREIGN_FAMILIES:
        if isinstance(key, family):
            return name
    return "a kind unknown here"


def _unsupported(key: PublicKeyTypes, field: str) -> list[Violation]:
    """Describe a key of an unsupported family, size or curve."""
    value = kind_of(key)
    if isinstance(key, rsa.RSAPublicKey):
        code, hint = "key.size", "RSA 2048, 3072 or 4096 bits."
    elif isinstance(key, ec.EllipticCurvePublicKey):
        code, value, hint = "key.curve", key.curve.name, "P-256, P-384 or P-521."
    else:
        code, hint = "key.type", "RSA, ECDSA, Ed25519, Ed448 or ML-DSA."
    reason = f"Keys of this kind are not certified: {value}."
    return [Violation(code=code, field=field, value=value, reason=reason, hint=hint)]


def _unreadable(field: str) -> Violation:
    return Violation(
        code="key.unreadable",
        field=field,
        value="",
        reason="This is not a key of a known kind.",
        hint="An unencrypted PKCS#8 private key or a SubjectPublicKeyInfo, DER.",
    )


def _exponent_violations(exponent: int) -> list[Violation]:
    if PUBLIC_EXPONENT <= exponent < MAX_EXPONENT and exponent % 2:
        return []
    shown = str(exponent) if exponent < MAX_EXPONENT else f"{exponent.bit_length()} bits"
    return [
        Violation(
            code="key.exponent",
            field="public_key",
            value=shown,
            reason="The RSA public exponent is outside the safe range.",
            hint="65537, or another odd number between it and 2^64.",
        )
    ]


def _weakness_violations(modulus: int, exponent: int) -> list[Violation]:
    # Imported late: it loads slowly (0.1 s) and only RSA keys need it.
    from badkeys.checks import allchecks

    return [
        Violation(
            code="key.weak",
            field="public_key",
            value=name,
            reason=f"The RSA key is known to be breakable. {reason}",
            hint="Make a new key with a current library.",
        )
        for name, reason in _WEAKNESSES.items()
        if allchecks[name]["function"](modulus, e=exponent) is not False
    ]
