"""ACME client for tests in which every part of a request can be forged."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.factories.keys import make_csr, private_key
from tests.served import Client

JOSE = "application/jose+json"
EMPTY = object()
_CURVES = {
    "secp256r1": ("P-256", "ES256", hashes.SHA256(), 32),
    "secp384r1": ("P-384", "ES384", hashes.SHA384(), 48),
    "secp521r1": ("P-521", "ES512", hashes.SHA512(), 66),
}


def b64(data: bytes | str) -> str:
    data = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def jwk_of(key: Any) -> dict[str, str]:
    public = key.public_key()
    if isinstance(key, rsa.RSAPrivateKey):
        n = public.public_numbers()
        return {"kty": "RSA", "n": b64(_octets(n.n)), "e": b64(_octets(n.e))}
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return {"kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes_raw())}
    name, _, _, size = _CURVES[key.curve.name]
    n = public.public_numbers()
    x, y = n.x.to_bytes(size, "big"), n.y.to_bytes(size, "big")
    return {"kty": "EC", "crv": name, "x": b64(x), "y": b64(y)}


def algorithm_of(key: Any) -> str:
    if isinstance(key, rsa.RSAPrivateKey):
        return "RS256"
    return "EdDSA" if isinstance(key, ed25519.Ed25519PrivateKey) else _CURVES[key.curve.name][1]


def sign(key: Any, data: bytes) -> bytes:
    if isinstance(key, bytes):
        return hmac.new(key, data, hashlib.sha256).digest()
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    _, _, digest, size = _CURVES[key.curve.name]
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def jws(key: Any, header: dict[str, Any], payload: Any) -> dict[str, str]:
    """Return a flattened JWS; payload EMPTY is POST-as-GET, text stays as it is."""
    if payload is EMPTY:
        body = ""
    else:
        body = b64(payload if isinstance(payload, bytes | str) else json.dumps(payload))
    protected = b64(json.dumps(header))
    signature = sign(key, f"{protected}.{body}".encode())
    return {"protected": protected, "payload": body, "signature": b64(signature)}


@dataclass
class Acme:
    """A client of one directory."""

    http: Client
    directory_url: str
    key: Any = None
    kid: str = ""
    eab: tuple[str, str] | None = None
    nonces: list[str] = field(default_factory=list)
    directory: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.key = self.key or ec.generate_private_key(ec.SECP256R1())
        self.directory = self.get(self.directory_url).json()

    def get(self, url: str, **options: Any) -> Any:
        return self.http.get(_path(url), **options)

    def nonce(self) -> str:
        if self.nonces:
            return self.nonces.pop()
        return self.http.head(_path(self.directory["newNonce"]))["Replay-Nonce"]

    def header(self, to: str, /, *, by_jwk: bool = False, **changes: Any) -> dict[str, Any]:
        """Return a protected header; a change to None removes a member."""
        header: dict[str, Any] = {"alg": algorithm_of(self.key), "url": to}
        if "nonce" not in changes:
            header["nonce"] = self.nonce()
        header |= {"jwk": jwk_of(self.key)} if by_jwk or not self.kid else {"kid": self.kid}
        return {k: v for k, v in (header | changes).items() if v is not None}

    def post(
        self,
        to: str,
        payload: Any = EMPTY,
        /,
        *,
        by_jwk: bool = False,
        key: Any = None,
        **changes: Any,
    ) -> Any:
        """Send a signed request; ``changes`` replace members of the protected header."""
        body = jws(key or self.key, self.header(to, by_jwk=by_jwk, **changes), payload)
        return self.send(to, body)

    def send(self, url: str, body: Any, content_type: str = JOSE) -> Any:
        data = body if isinstance(body, bytes | str) else json.dumps(body)
        response = self.http.post(_path(url), data, content_type=content_type)
        if "Replay-Nonce" in response:
            self.nonces.append(response["Replay-Nonce"])
        return response

    def binding(self, url: str | None = None, **changes: Any) -> dict[str, str]:
        """Return an external account binding; changes replace header members."""
        assert self.eab is not None
        header = {"alg": "HS256", "kid": self.eab[0], "url": url or self.directory["newAccount"]}
        return jws(unb64(self.eab[1]), header | changes, jwk_of(self.key))

    def register(self, **payload: Any) -> Any:
        if self.eab is not None and "externalAccountBinding" not in payload:
            payload["externalAccountBinding"] = self.binding()
        response = self.post(self.directory["newAccount"], payload, by_jwk=True)
        if response.status_code in (200, 201):
            self.kid = response["Location"]
        return response

    def order(self, *names: str, **members: Any) -> Any:
        identifiers = [name if isinstance(name, dict) else dns(name) for name in names]
        return self.post(self.directory["newOrder"], {"identifiers": identifiers} | members)

    def finalize(self, order: dict[str, Any], csr: bytes) -> Any:
        return self.post(order["finalize"], {"csr": b64(csr)})

    def issue(self, *names: str, csr: bytes | None = None, **members: Any) -> Any:
        """Order and finalize names that need no proof; return the valid order."""
        response = self.order(*names, **members)
        assert response.status_code == 201, response.content
        done = self.finalize(response.json(), csr or make_csr(*names))
        assert done.status_code == 200, done.content
        return done


def dns(value: str) -> dict[str, str]:
    return {"type": "dns", "value": value}


def ip(value: str) -> dict[str, str]:
    return {"type": "ip", "value": value}


def kind(response: Any) -> str:
    """Return the short name of an ACME problem."""
    assert response["Content-Type"] == "application/problem+json", response.content
    shown = response.json()
    assert shown["status"] == response.status_code
    assert "subproblems" not in shown or shown["subproblems"]
    return shown["type"].removeprefix("urn:ietf:params:acme:error:")


def _octets(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _path(url: str) -> str:
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


__all__ = ["Acme", "b64", "dns", "ip", "jwk_of", "jws", "kind", "private_key"]
