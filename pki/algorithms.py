"""Key and signature algorithms, and which signatures a key can make."""

from enum import StrEnum

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes


class KeyAlgorithm(StrEnum):
    """Subject and CA key algorithms (RFC 3279, 5480, 8410, 9881)."""

    RSA_2048 = "rsa-2048"
    RSA_3072 = "rsa-3072"
    RSA_4096 = "rsa-4096"
    EC_P256 = "ec-p256"
    EC_P384 = "ec-p384"
    EC_P521 = "ec-p521"
    ED25519 = "ed25519"
    ED448 = "ed448"
    ML_DSA_44 = "ml-dsa-44"
    ML_DSA_65 = "ml-dsa-65"
    ML_DSA_87 = "ml-dsa-87"

    @property
    def label(self) -> str:
        """Return the name that people read."""
        return _LABELS[self]

    @property
    def is_rsa(self) -> bool:
        """Tell whether the key is RSA (the only family that can encipher keys)."""
        return self.value.startswith("rsa-")

    @property
    def is_post_quantum(self) -> bool:
        """Tell whether the algorithm is ML-DSA (FIPS 204)."""
        return self.value.startswith("ml-dsa-")


_LABELS = {
    KeyAlgorithm.RSA_2048: "RSA 2048",
    KeyAlgorithm.RSA_3072: "RSA 3072",
    KeyAlgorithm.RSA_4096: "RSA 4096",
    KeyAlgorithm.EC_P256: "ECDSA P-256",
    KeyAlgorithm.EC_P384: "ECDSA P-384",
    KeyAlgorithm.EC_P521: "ECDSA P-521",
    KeyAlgorithm.ED25519: "Ed25519",
    KeyAlgorithm.ED448: "Ed448",
    KeyAlgorithm.ML_DSA_44: "ML-DSA-44",
    KeyAlgorithm.ML_DSA_65: "ML-DSA-65",
    KeyAlgorithm.ML_DSA_87: "ML-DSA-87",
}


class SignatureAlgorithm(StrEnum):
    """Signature algorithms that an issuer may use."""

    RSA_SHA256 = "rsa-sha256"
    RSA_SHA384 = "rsa-sha384"
    RSA_SHA512 = "rsa-sha512"
    ECDSA_SHA256 = "ecdsa-sha256"
    ECDSA_SHA384 = "ecdsa-sha384"
    ECDSA_SHA512 = "ecdsa-sha512"
    ED25519 = "ed25519"
    ED448 = "ed448"
    ML_DSA_44 = "ml-dsa-44"
    ML_DSA_65 = "ml-dsa-65"
    ML_DSA_87 = "ml-dsa-87"

    @property
    def hash(self) -> hashes.HashAlgorithm | None:
        """Return the digest to sign, ``None`` where the algorithm hashes by itself."""
        digest = self.value.rpartition("-sha")[2]
        return _HASHES.get(digest)


_HASHES: dict[str, hashes.HashAlgorithm] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}

_RSA_SIGNATURES = (
    SignatureAlgorithm.RSA_SHA256,
    SignatureAlgorithm.RSA_SHA384,
    SignatureAlgorithm.RSA_SHA512,
)
_ECDSA_SIGNATURES = (
    SignatureAlgorithm.ECDSA_SHA256,
    SignatureAlgorithm.ECDSA_SHA384,
    SignatureAlgorithm.ECDSA_SHA512,
)

# The first entry of each is the default of an authority with such a key.
_SIGNATURES_OF: dict[KeyAlgorithm, tuple[SignatureAlgorithm, ...]] = {
    KeyAlgorithm.RSA_2048: _RSA_SIGNATURES,
    KeyAlgorithm.RSA_3072: _RSA_SIGNATURES,
    KeyAlgorithm.RSA_4096: _RSA_SIGNATURES,
    KeyAlgorithm.EC_P256: _ECDSA_SIGNATURES,
    KeyAlgorithm.EC_P384: (
        SignatureAlgorithm.ECDSA_SHA384,
        SignatureAlgorithm.ECDSA_SHA256,
        SignatureAlgorithm.ECDSA_SHA512,
    ),
    KeyAlgorithm.EC_P521: (
        SignatureAlgorithm.ECDSA_SHA512,
        SignatureAlgorithm.ECDSA_SHA384,
        SignatureAlgorithm.ECDSA_SHA256,
    ),
    KeyAlgorithm.ED25519: (SignatureAlgorithm.ED25519,),
    KeyAlgorithm.ED448: (SignatureAlgorithm.ED448,),
    KeyAlgorithm.ML_DSA_44: (SignatureAlgorithm.ML_DSA_44,),
    KeyAlgorithm.ML_DSA_65: (SignatureAlgorithm.ML_DSA_65,),
    KeyAlgorithm.ML_DSA_87: (SignatureAlgorithm.ML_DSA_87,),
}

_CURVES: dict[str, KeyAlgorithm] = {
    "secp256r1": KeyAlgorithm.EC_P256,
    "secp384r1": KeyAlgorithm.EC_P384,
    "secp521r1": KeyAlgorithm.EC_P521,
}
_RSA_SIZES: dict[int, KeyAlgorithm] = {
    2048: KeyAlgorithm.RSA_2048,
    3072: KeyAlgorithm.RSA_3072,
    4096: KeyAlgorithm.RSA_4096,
}
_PLAIN_TYPES: tuple[tuple[type, KeyAlgorithm], ...] = (
    (ed25519.Ed25519PublicKey, KeyAlgorithm.ED25519),
    (ed448.Ed448PublicKey, KeyAlgorithm.ED448),
    (mldsa.MLDSA44PublicKey, KeyAlgorithm.ML_DSA_44),
    (mldsa.MLDSA65PublicKey, KeyAlgorithm.ML_DSA_65),
    (mldsa.MLDSA87PublicKey, KeyAlgorithm.ML_DSA_87),
)


def signature_algorithms_of(key: KeyAlgorithm) -> tuple[SignatureAlgorithm, ...]:
    """Return the signatures that a key can make, the default first."""
    return _SIGNATURES_OF[key]


def default_signature_algorithm(key: KeyAlgorithm) -> SignatureAlgorithm:
    """Return the signature an authority with this key uses unless told otherwise."""
    return _SIGNATURES_OF[key][0]


def key_algorithm_of(key: PublicKeyTypes) -> KeyAlgorithm | None:
    """Return the algorithm of a public key, ``None`` for an unsupported one."""
    if isinstance(key, rsa.RSAPublicKey):
        return _RSA_SIZES.get(key.key_size)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _CURVES.get(key.curve.name)
    return next((algorithm for kind, algorithm in _PLAIN_TYPES if isinstance(key, kind)), None)
