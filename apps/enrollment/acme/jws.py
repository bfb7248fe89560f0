"""JWS and JWK as ACME uses them (RFC 8555 section 6.2, RFC 7515, RFC 7518, RFC 7638, RFC 8037).

Stricter than general JOSE libraries: only the flattened serialization, no unprotected header,
unpadded base64url, and an algorithm that is allowed here and fits the key (ADR 0016).
"""

import hashlib
import hmac
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from apps.errors import (
    BadAlgorithm,
    BadMessageSignature,
    BadPublicKey,
    Malformed,
)
from apps.web.parsers import parse_object
from pki.addresses import quoted

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")
# Last characters of canonical texts: the bits beyond the last octet are zero (RFC 4648 3.5).
_LAST = {2: frozenset("AQgw"), 3: frozenset("AEIMQUYcgkosw048")}
_MEMBERS = frozenset({"protected", "payload", "signature"})
_RSA_MIN, _RSA_MAX = 2048, 8192
_MAX_EXPONENT = 1 << 64


@dataclass(frozen=True, slots=True)
class _Curve:
    algorithm: str
    curve: ec.EllipticCurve
    signature: ec.ECDSA
    size: int


_CURVES = {
    "P-256": _Curve("ES256", ec.SECP256R1(), ec.ECDSA(hashes.SHA256()), 32),
    "P-384": _Curve("ES384", ec.SECP384R1(), ec.ECDSA(hashes.SHA384()), 48),
    "P-521": _Curve("ES512", ec.SECP521R1(), ec.ECDSA(hashes.SHA512()), 66),
}
_BY_CURVE_NAME = {item.curve.name: item for item in _CURVES.values()}
_RSA_HASHES: dict[str, hashes.HashAlgorithm] = {
    "RS256": hashes.SHA256(),
    "RS384": hashes.SHA384(),
    "RS512": hashes.SHA512(),
}
ALGORITHMS = ("ES256", "ES384", "ES512", "EdDSA", "RS256", "RS384", "RS512")
_MACS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
_ACCEPTED_KEYS = f"Account keys are RSA with {_RSA_MIN} to {_RSA_MAX} bits, EC on P-256, P-384 or P-521, or Ed25519."


@dataclass(frozen=True, slots=True)
class Jws:
    """A parsed, not yet verified, flattened JWS.

    Attributes:
        header: the protected header.
        payload: decoded bytes; empty for POST-as-GET.
        signature: decoded bytes.
        signing_input: what the signature covers.
    """

    header: dict[str, Any]
    payload: bytes
    signature: bytes
    signing_input: bytes

    def text(self, name: str) -> str:
        """Return a header member that must be a text.

        Raises:
            Malformed: it is missing or something else.
        """
        value = self.header.get(name)
        if not isinstance(value, str) or not value:
            raise Malformed(f"The protected header needs '{name}'.")
        return value

    def json(self) -> dict[str, Any]:
        """Return the payload as a JSON object.

        Raises:
            Malformed: it is not a JSON object.
        """
        return parse_object(self.payload)


def parse(body: bytes) -> Jws:
    """Return the JWS in ``body`` (flattened JSON serialization, RFC 7515 section 7.2.2).

    Raises:
        Malformed: anything but the three members, padded base64url, unprotected or
            critical header parameters, detached or unencoded payloads.
    """
    return parse_members(parse_object(body))


def parse_members(members: dict[str, Any]) -> Jws:
    """Return the JWS with these JSON members; also used for inner JWS objects.

    Raises:
        Malformed: as ``parse``.
    """
    if set(members) != _MEMBERS or not all(isinstance(v, str) for v in members.values()):
        raise Malformed("A JWS here has exactly the members protected, payload and signature.")
    header = parse_object(decode(members["protected"]))
    if "crit" in header or "b64" in header:
        raise Malformed("Critical header parameters are not supported.")
    return Jws(
        header=header,
        payload=decode(members["payload"]),
        signature=decode(members["signature"]),
        signing_input=f"{members['protected']}.{members['payload']}".encode("ascii"),
    )


def decode(text: str) -> bytes:
    """Return the bytes of unpadded base64url.

    Raises:
        Malformed: padding or foreign characters (RFC 8555 section 6.1, A-10).
    """
    if not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        raise Malformed("base64url without padding is expected.")
    surplus = len(text) % 4
    if surplus and text[-1] not in _LAST[surplus]:
        raise Malformed("The base64url text is not canonical.")
    return urlsafe_b64decode(text + "=" * (-surplus % 4))


def encode(data: bytes) -> str:
    """Return unpadded base64url."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def load_key(jwk: Any) -> PublicKey:
    """Return the public key of a JWK.

    Raises:
        BadPublicKey: unknown type, off the curve, RSA outside 2048..8192 bits.
        Malformed: not a JWK, or one with private members.
    """
    if not isinstance(jwk, dict):
        raise Malformed("jwk must be a JSON object.")
    if {"d", "p", "q", "k"} & set(jwk):
        raise Malformed("The jwk holds a private key; treat that key as compromised.")
    return _parsed_key(json.dumps(_required(jwk), sort_keys=True))


def thumbprint(jwk: dict[str, Any]) -> str:
    """Return the RFC 7638 thumbprint, base64url of SHA-256."""
    canonical = json.dumps(_required(jwk), sort_keys=True, separators=(",", ":"))
    return encode(hashlib.sha256(canonical.encode()).digest())


def thumbprint_of(key: Any) -> str:
    """Return the RFC 7638 thumbprint of a public key; empty for key types that accounts cannot have."""
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return thumbprint({"kty": "RSA", "n": _uint(numbers.n), "e": _uint(numbers.e)})
    if isinstance(key, ec.EllipticCurvePublicKey):
        curve = _BY_CURVE_NAME.get(key.curve.name)
        if curve is None:
            return ""
        point = key.public_numbers()
        name = next(name for name, item in _CURVES.items() if item is curve)
        x, y = point.x.to_bytes(curve.size, "big"), point.y.to_bytes(curve.size, "big")
        return thumbprint({"kty": "EC", "crv": name, "x": encode(x), "y": encode(y)})
    if isinstance(key, ed25519.Ed25519PublicKey):
        return thumbprint({"kty": "OKP", "crv": "Ed25519", "x": encode(key.public_bytes_raw())})
    return ""


def canonical(jwk: dict[str, Any]) -> dict[str, str]:
    """Return only the required members of a JWK, the form in which account keys are stored."""
    return _required(jwk)


def verify(jws: Jws, key: PublicKey) -> None:
    """Check the signature with an algorithm that the server allows and the key has.

    Raises:
        BadAlgorithm: ``none``, a MAC, unknown, or not the key's.
        BadMessageSignature: it does not verify.
    """
    algorithm = jws.text("alg")
    _require_algorithm(algorithm, ALGORITHMS, "is not supported")
    _require_algorithm(algorithm, _algorithms_of(key), "does not fit the key")
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(jws.signature, jws.signing_input, padding.PKCS1v15(), _RSA_HASHES[algorithm])
        elif isinstance(key, ec.EllipticCurvePublicKey):
            _verify_ecdsa(jws, key)
        else:
            key.verify(jws.signature, jws.signing_input)
    except InvalidSignature as error:
        raise BadMessageSignature("The JWS signature does not verify.") from error


def verify_mac(jws: Jws, secret: bytes) -> None:
    """Check the MAC of an inner JWS (external account binding, RFC 8555 section 7.3.4).

    Raises:
        BadAlgorithm: not HS256, HS384 or HS512.
        BadMessageSignature: it does not verify.
    """
    algorithm = jws.text("alg")
    _require_algorithm(algorithm, tuple(_MACS), "is not for external account bindings")
    expected = hmac.new(secret, jws.signing_input, _MACS[algorithm]).digest()
    if not hmac.compare_digest(expected, jws.signature):
        raise BadMessageSignature("The external account binding does not verify.")


def _algorithms_of(key: PublicKey) -> tuple[str, ...]:
    """Return the algorithms that a key can have signed with."""
    if isinstance(key, rsa.RSAPublicKey):
        return tuple(_RSA_HASHES)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return (_BY_CURVE_NAME[key.curve.name].algorithm,)
    return ("EdDSA",)


def _require_algorithm(algorithm: str, accepted: tuple[str, ...], why: str) -> None:
    """Refuse another algorithm, naming those that would do (RFC 8555 section 6.2)."""
    if algorithm not in accepted:
        raise BadAlgorithm(
            f"alg {quoted(algorithm[:40])} {why}. Accepted: {', '.join(accepted)}.", accepted
        )


def _verify_ecdsa(jws: Jws, key: ec.EllipticCurvePublicKey) -> None:
    """Check R||S of exactly twice the curve's size (RFC 7518 section 3.4)."""
    curve = _BY_CURVE_NAME[key.curve.name]
    if len(jws.signature) != 2 * curve.size:
        raise InvalidSignature
    r = int.from_bytes(jws.signature[: curve.size], "big")
    s = int.from_bytes(jws.signature[curve.size :], "big")
    key.verify(encode_dss_signature(r, s), jws.signing_input, curve.signature)


def _uint(number: int) -> str:
    return encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))


_REQUIRED = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}


def _required(jwk: dict[str, Any]) -> dict[str, str]:
    names = _REQUIRED.get(str(jwk.get("kty")))
    if names is None:
        raise BadPublicKey(f"kty is none of {', '.join(_REQUIRED)}. {_ACCEPTED_KEYS}")
    found = {name: jwk.get(name) for name in names}
    if not all(isinstance(value, str) for value in found.values()):
        raise Malformed(f"A jwk of this type has the members {', '.join(names)}.")
    return found  # type: ignore[return-value]


@lru_cache(maxsize=4096)
def _parsed_key(canonical_json: str) -> PublicKey:
    """Return the key. Cached: parsing an EC point costs more than the signature check's overhead."""
    jwk = json.loads(canonical_json)
    try:
        match jwk["kty"]:
            case "RSA":
                return _rsa(decode(jwk["n"]), decode(jwk["e"]))
            case "EC":
                return _ec(jwk["crv"], decode(jwk["x"]), decode(jwk["y"]))
            case _:
                if jwk["crv"] != "Ed25519":
                    raise BadPublicKey(f"The OKP curve is not Ed25519. {_ACCEPTED_KEYS}")
                return ed25519.Ed25519PublicKey.from_public_bytes(decode(jwk["x"]))
    except ValueError as error:
        raise BadPublicKey(f"The jwk is not a public key. {_ACCEPTED_KEYS}") from error


def _rsa(n: bytes, e: bytes) -> rsa.RSAPublicKey:
    modulus, exponent = int.from_bytes(n, "big"), int.from_bytes(e, "big")
    if not _RSA_MIN <= modulus.bit_length() <= _RSA_MAX:
        raise BadPublicKey(f"The RSA key has {modulus.bit_length()} bits. {_ACCEPTED_KEYS}")
    if not 3 <= exponent < _MAX_EXPONENT or exponent % 2 == 0 or modulus % 2 == 0:  # noqa: PLR2004 - smallest odd prime
        raise BadPublicKey(
            "Modulus and exponent of the RSA key must be odd, the exponent from 3 to 64 bits."
        )
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def _ec(name: str, x: bytes, y: bytes) -> ec.EllipticCurvePublicKey:
    curve = _CURVES.get(name)
    if curve is None or len(x) != curve.size or len(y) != curve.size:
        raise BadPublicKey(
            "The EC key is on another curve, or its coordinates are not of full length. "
            f"{_ACCEPTED_KEYS}"
        )
    return ec.EllipticCurvePublicNumbers(
        int.from_bytes(x, "big"), int.from_bytes(y, "big"), curve.curve
    ).public_key()
